"""Align the transients of a measurement in frequency and phase, leave out bad ones, and average the rest."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.mrs import WATER_PPM, Complexes, Floats

BAND_PPM = (1.8, 3.5)
"""Range with the singlets of NAA, creatine and choline, from which shifts are found."""

ALIGNED_S = 0.25
"""First part of the FID, which is compared."""

MOST_HZ = 20.0
"""No transient is moved farther."""

ENOUGH_SNR = 4.0
"""Of the singlets in a transient, at or above which its own shift is used; below, neighbours are averaged first."""

LONGEST_BLOCK = 16
OUTLYING = 5.0
"""Median absolute deviations of the residual beyond which a transient is left out."""

MOST_REJECTED = 0.3
"""Part of the transients that is left out at most."""


@dataclass(frozen=True, eq=False)
class Averaged:
    """The mean of transients.

    Attributes:
        fid: (points,).
        kept: how many transients it is the mean of.
        rejected: how many were left out.
        drift_hz: largest minus smallest frequency; None with one transient.
    """

    fid: Complexes
    kept: int
    rejected: int
    drift_hz: float | None


def band_passed(
    fids: Complexes, dwell_s: float, frequency_mhz: float, band: tuple[float, float]
) -> Complexes:
    """Keep a range of chemical shift of FIDs, (points, ...)."""
    hertz = np.fft.fftfreq(len(fids), dwell_s)
    ppm = WATER_PPM + hertz / frequency_mhz
    edge = 0.1
    mask = np.clip(np.minimum(ppm - band[0], band[1] - ppm) / edge + 0.5, 0.0, 1.0)
    spectra = np.fft.fft(fids, axis=0) * mask.reshape(-1, *(1,) * (fids.ndim - 1))
    return np.asarray(np.fft.ifft(spectra, axis=0))


def shift_between(one: Complexes, reference: Complexes, dwell_s: float) -> tuple[float, float]:
    """Find by how many Hz and radians a signal differs from a reference: the maximum of their correlation.

    Example:
        >>> time = 0.001 * np.arange(200)
        >>> reference = np.exp(-10 * time + 2j * np.pi * 40 * time)
        >>> moved = reference * np.exp(2j * np.pi * 1.5 * time + 0.3j)
        >>> [round(value, 2) for value in shift_between(moved, reference, 0.001)]
        [1.5, 0.3]
    """
    product = one * reference.conj()
    size = 1 << int(np.ceil(np.log2(max(len(product), 10.0 / dwell_s))))
    correlation = np.fft.fft(product, size)
    hertz = np.fft.fftfreq(size, dwell_s)
    strength = np.where(np.abs(hertz) <= MOST_HZ, np.abs(correlation), 0.0)
    best = int(strength.argmax())
    left, middle, right = (float(np.abs(correlation[(best + step) % size])) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    part = 0.0 if bend == 0 else 0.5 * (left - right) / bend
    shift = float(hertz[best]) + part / (size * dwell_s)
    time = dwell_s * np.arange(len(product))
    return shift, float(np.angle(np.sum(product * np.exp(-2j * np.pi * shift * time))))


def moved(fid: Complexes, shift_hz: float, phase: float, dwell_s: float) -> Complexes:
    """Undo a shift and a phase, as `shift_between` found them."""
    time = dwell_s * np.arange(len(fid))
    return np.asarray(fid * np.exp(-2j * np.pi * shift_hz * time - 1j * phase))


def average(fids: Complexes, dwell_s: float, frequency_mhz: float) -> Averaged:
    """Align transients with their mean, leave out outlying ones, and average.

    Where a single transient has too little signal to be aligned, groups of neighbours are aligned instead and the
    shifts in between follow from theirs.

    Args:
        fids: (points, transients).
        dwell_s: time between two points.
        frequency_mhz: of the scanner.
    """
    count = fids.shape[1]
    if count == 1:
        return Averaged(fids[:, 0], 1, 0, None)
    part = slice(0, max(16, round(ALIGNED_S / dwell_s)))
    shown = band_passed(fids, dwell_s, frequency_mhz, BAND_PPM)[part]
    block = _block(shown)
    shifts, phases = _shifts(shown, block, dwell_s)
    aligned = np.stack([moved(fids[:, n], shifts[n], phases[n], dwell_s) for n in range(count)], axis=1)
    kept = _kept(band_passed(aligned, dwell_s, frequency_mhz, BAND_PPM)[part])
    return Averaged(
        fid=aligned[:, kept].mean(axis=1),
        kept=int(kept.sum()),
        rejected=int((~kept).sum()),
        drift_hz=float(np.ptp(shifts[kept])),
    )


def _block(shown: Complexes) -> int:
    """Decide how many neighbouring transients are averaged before they are aligned."""
    count = int(shown.shape[1])
    energy = float(np.mean(np.abs(shown) ** 2))
    noise = float(np.mean(np.abs(shown - shown.mean(axis=1, keepdims=True)) ** 2)) * count / (count - 1)
    snr = float(np.sqrt(max(energy - noise, 0.0) / max(noise, 1e-30) * len(shown) / 8))
    if snr <= 0:
        return min(LONGEST_BLOCK, count)
    return max(1, min(ceil((ENOUGH_SNR / snr) ** 2), LONGEST_BLOCK, count))


def _shifts(shown: Complexes, block: int, dwell_s: float) -> tuple[Floats, Floats]:
    """Find shift and phase of each transient, in two rounds: against a typical one, then against the mean."""
    count = shown.shape[1]
    edges = np.array_split(np.arange(count), max(1, count // block))
    blocks = np.stack([shown[:, edge].mean(axis=1) for edge in edges], axis=1)
    reference = blocks[:, len(edges) // 2]
    shifts, phases = np.zeros(len(edges)), np.zeros(len(edges))
    for _ in range(2):
        for n in range(len(edges)):
            shifts[n], phases[n] = shift_between(blocks[:, n], reference, dwell_s)
        reference = np.mean(
            [moved(blocks[:, n], shifts[n], phases[n], dwell_s) for n in range(len(edges))], axis=0
        )
    if len(edges) >= 5 and block > 1:
        shifts = ndimage.median_filter(shifts, 3, mode="nearest")
    middles = np.array([edge.mean() for edge in edges])
    every = np.arange(count)
    return np.interp(every, middles, shifts), np.interp(every, middles, np.unwrap(phases))


def _kept(aligned: Complexes) -> NDArray[np.bool_]:
    """Mark the transients whose difference from the median transient is not outlying."""
    typical = np.median(aligned.real, axis=1) + 1j * np.median(aligned.imag, axis=1)
    away = np.sqrt(np.mean(np.abs(aligned - typical[:, None]) ** 2, axis=0))
    middle = float(np.median(away))
    spread = max(1.4826 * float(np.median(np.abs(away - middle))), 0.02 * middle)
    kept = np.asarray(away <= middle + OUTLYING * spread)
    if (~kept).mean() > MOST_REJECTED:
        worst = np.argsort(away)[::-1][: int(MOST_REJECTED * len(away))]
        kept = np.ones(len(away), np.bool_)
        kept[worst] = False
    return kept
