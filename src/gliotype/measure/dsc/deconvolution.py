"""Blood flow and transit time by deconvolution with the arterial input, insensitive to delay.

    C(t) = CBF int AIF(u) R(t - u) du,  R(0) = 1

Block-circulant singular value decomposition with an oscillation index (oSVD; Wu 2003). The series is padded with zeros
to twice its length, so that the convolution is circular and a tissue that is reached before the artery only shifts
the residue. The singular values of a circulant matrix are the moduli of the Fourier transform of the arterial input:
those below a fraction of the largest are dropped, and the fraction is, for each voxel, the smallest that keeps the
residue's oscillation within a limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Floats

Curves = NDArray[np.floating]

OSCILLATION = 0.065
"""Largest oscillation index of a residue; 0.035 and 0.095 order the flow of simulated voxels about as well."""

_LEVELS = np.geomspace(0.01, 0.95, 16)
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Flow:
    """Blood flow and transit time of n voxels.

    Attributes:
        cbf: maximum of the residue, (n,): unit of tissue over unit of arterial input, per second.
        mtt_s: area of the residue over its maximum, s, (n,); NaN where there is no flow.
    """

    cbf: Curves
    mtt_s: Curves


def deconvolve(tissue: Curves, arterial: Floats, times_s: Floats) -> Flow:
    """Deconvolve many tissue curves with one arterial input.

    Args:
        tissue: (n, t), zero before the agent arrives.
        arterial: (t,), zero before the agent arrives.
        times_s: (t,); frames at uneven times are interpolated to even ones.

    Returns:
        Flow and transit time.
    """
    spacing = float(np.median(np.diff(times_s)))
    even = times_s[0] + spacing * np.arange(1 + round((times_s[-1] - times_s[0]) / spacing))
    if even.size != times_s.size or np.abs(even - times_s).max() > 0.01 * spacing:
        tissue = _interpolate(tissue, times_s, even)
        arterial = np.interp(even, times_s, arterial)
    inverses = _inverses(arterial, spacing).astype(tissue.dtype)
    parts = [_calmest(tissue[start : start + _CHUNK], inverses) for start in range(0, len(tissue), _CHUNK)]
    cbf, sums = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Flow(cbf, np.divide(spacing * sums, cbf, out=np.full_like(cbf, np.nan), where=cbf > 0))


def _calmest(tissue: Curves, inverses: Curves) -> tuple[Curves, Curves]:
    """Find each voxel's residue by halving the range of levels; return its maximum and its sum, (n,) each."""
    residue = tissue @ inverses[-1]
    tops, sums = residue.max(axis=1), residue.sum(axis=1)
    low = np.full(tissue.shape[0], -1)
    high = np.full(tissue.shape[0], len(inverses) - 1)
    while (searching := np.flatnonzero(high - low > 1)).size:
        middle = (low[searching] + high[searching]) // 2
        for level in np.unique(middle):
            voxels = searching[middle == level]
            residue = tissue[voxels] @ inverses[level]
            calm = oscillation(residue) <= OSCILLATION
            tops[voxels[calm]], sums[voxels[calm]] = residue[calm].max(axis=1), residue[calm].sum(axis=1)
            high[voxels[calm]], low[voxels[~calm]] = level, level
    return tops, sums


def oscillation(residue: Curves) -> Curves:
    """Return the oscillation index: the mean absolute second difference over the maximum, (n,).

    Example:
        >>> float(oscillation(np.array([[0.0, 1.0, 0.0, 1.0]]))[0])
        1.0
    """
    bends = np.abs(np.diff(residue, n=2, axis=1)).sum(axis=1)
    top = residue.shape[1] * residue.max(axis=1)
    return np.asarray(np.divide(bends, top, out=np.full_like(top, np.inf), where=top > 0))


def _inverses(arterial: Floats, spacing: float) -> Floats:
    """Inverses of the convolution for each level of truncation, (levels, t, 2 t): residue = tissue @ inverse."""
    length = 2 * arterial.size
    spectrum = np.fft.rfft(arterial, length) * spacing
    modulus = np.abs(spectrum)
    lags = (np.arange(length)[None, :] - np.arange(arterial.size)[:, None]) % length
    above_level = modulus >= _LEVELS[:, None] * modulus.max()
    inverse = np.divide(1.0, spectrum, out=np.zeros(above_level.shape, np.complex128), where=above_level)
    return np.asarray(np.fft.irfft(inverse, length, axis=1)[:, lags])


def _interpolate(curves: Curves, times_s: Floats, even: Floats) -> Curves:
    """Interpolate many curves linearly to other times."""
    right = np.clip(np.searchsorted(times_s, even), 1, times_s.size - 1)
    fraction = (even - times_s[right - 1]) / (times_s[right] - times_s[right - 1])
    fraction = np.clip(fraction, 0.0, 1.0).astype(curves.dtype)
    return np.asarray(curves[:, right - 1] * (1 - fraction) + curves[:, right] * fraction)
