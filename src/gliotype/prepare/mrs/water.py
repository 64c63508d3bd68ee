"""Take the residual water out of a spectrum, and eddy currents by the phase of unsuppressed water."""

from __future__ import annotations

import numpy as np

from gliotype.mrs import WATER_PPM, Complexes

WATER_RANGE_PPM = (4.35, 5.1)
"""Components within this range are taken out as water."""

HANKEL_POINTS, HANKEL_COLUMNS = 768, 256
COMPONENTS = 20
TRUSTED = 0.03
"""Part of its first magnitude down to which the phase of water is followed; a straight line continues it."""


def without_water(fid: Complexes, dwell_s: float, frequency_mhz: float) -> Complexes:
    """Take out exponentially decaying components near water (HSVD, Barkhuijsen 1987).

    Example:
        >>> time = 0.0005 * np.arange(1024)
        >>> water, naa = 50 * np.exp((-20 + 30j) * time), np.exp((-20 - 2j * np.pi * 330) * time)
        >>> bool(np.abs(without_water(water + naa, 0.0005, 127.7) - naa).max() < 1e-3)
        True
    """
    points = min(HANKEL_POINTS, len(fid))
    columns = min(HANKEL_COLUMNS, points // 2)
    rows = points - columns + 1
    index = np.arange(rows)[:, None] + np.arange(columns)[None, :]
    left, _, _ = np.linalg.svd(fid[index], full_matrices=False)
    space = left[:, : min(COMPONENTS, columns - 1)]
    poles = np.linalg.eigvals(np.linalg.pinv(space[:-1]) @ space[1:])
    poles = poles[np.abs(poles) > 0.5]
    hertz = np.angle(poles) / (2 * np.pi * dwell_s)
    ppm = WATER_PPM + hertz / frequency_mhz
    poles = poles / np.maximum(np.abs(poles), 1.0)
    time = np.arange(len(fid))
    signals = poles[None, :] ** time[:, None]
    amplitudes, *_ = np.linalg.lstsq(signals[:points], fid[:points], rcond=None)
    near = (ppm >= WATER_RANGE_PPM[0]) & (ppm <= WATER_RANGE_PPM[1])
    return np.asarray(fid - signals[:, near] @ amplitudes[near])


def water_amplitude(water: Complexes, dwell_s: float) -> float:
    """Return the signal of unsuppressed water at the start of the acquisition, from a line through its first points.

    The logarithm of the magnitude is followed back over the first milliseconds, so that a filter's or an eddy current's
    trace in the very first points does not decide.
    """
    first, last = 2, max(12, round(0.02 / dwell_s))
    magnitude = np.log(np.maximum(np.abs(water[first:last]), 1e-30))
    line = np.polyfit(np.arange(first, first + len(magnitude)), magnitude, 2)
    return float(np.exp(np.polyval(line, 0.0)))


def eddy_phase(water: Complexes, water_dwell_s: float, points: int, dwell_s: float) -> np.ndarray:
    """Return the phase over time that eddy currents and the frequency of water cause (Klose 1990), (points,).

    Where the water has decayed its phase is noise; there it is extrapolated as a straight line.
    """
    time = water_dwell_s * np.arange(len(water))
    strength = np.abs(water)
    phase = np.unwrap(np.angle(water))
    weak = np.flatnonzero(strength < TRUSTED * strength[: max(4, len(water) // 50)].mean())
    last = int(weak[0]) if len(weak) else len(water)
    last = max(last, min(32, len(water)))
    tail = slice(max(0, last - max(16, last // 3)), last)
    line = np.polyfit(time[tail], phase[tail], 1)
    wanted = dwell_s * np.arange(points)
    inside = wanted <= time[last - 1]
    return np.asarray(
        np.where(inside, np.interp(wanted, time[:last], phase[:last]), np.polyval(line, wanted)),
        dtype=np.float64,
    )
