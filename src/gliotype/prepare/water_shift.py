"""The shift of the water resonance in a Z-spectrum: where the dip of direct saturation lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

WATER_PPM = 2.0
"""The dip is looked for within this distance of 0 ppm."""

MAX_GAP_PPM = 1.0
"""Offsets farther apart than this are not interpolated between."""

FEWEST_NEAR_WATER = 5
"""Offsets around water that are needed to find it."""

_STEP_PPM = 0.02
_ARM = 0.4
"""Length of the two sides that are compared, over half the width of the sampled offsets."""
_NEAR_MINIMUM_PPM = 0.3
"""The centre is looked for within this distance of the minimum."""
_CHUNK = 10_000


def near_water(offsets_ppm: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the offsets around 0 ppm, ascending, that lie close enough together to be interpolated.

    Example:
        >>> near_water(np.array([-3.0, -0.2, 0.0, 0.2, 3.0]))
        array([-0.2,  0. ,  0.2])
    """
    offsets = np.unique(np.asarray(offsets_ppm, dtype=np.float64))
    close = offsets[np.abs(offsets) <= WATER_PPM]
    if not close.size:
        return close
    groups = np.split(close, np.flatnonzero(np.diff(close) > MAX_GAP_PPM) + 1)
    return np.asarray(min(groups, key=lambda group: float(np.abs(group).min())))


def water_shift(z: NDArray[np.floating], offsets_ppm: NDArray[np.floating]) -> NDArray[np.float64]:
    """Find the shift of each spectrum: near the minimum of a cubic spline, the centre about which it is symmetric.

    Which centre makes both sides of the dip most alike is steadier than the minimum itself, which noise and the
    nutation of water under strong saturation move along the bottom.

    Args:
        z: spectra, (voxel, offset).
        offsets_ppm: of their second axis, ascending.

    Returns:
        ppm, for each voxel; NaN where the centre lies at the end of the sampled offsets or beyond.

    Example:
        >>> offsets = np.linspace(-1, 1, 11)
        >>> dip = 1 - np.exp(-((offsets - 0.23) ** 2) / 0.2)
        >>> water_shift(dip[np.newaxis], offsets).round(2)
        array([0.23])
    """
    near = near_water(offsets_ppm)
    columns = np.isin(offsets_ppm, near)
    fine = np.arange(near[0], near[-1] + _STEP_PPM / 2, _STEP_PPM)
    parts = np.array_split(np.asarray(z, dtype=np.float64)[:, columns], max(1, -(-len(z) // _CHUNK)))
    return np.concatenate([_centres(part, near, fine) for part in parts])


def _centres(
    z: NDArray[np.float64], offsets: NDArray[np.float64], fine: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not len(z):
        return np.empty(0)
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(z).all(axis=1))
    curves = CubicSpline(offsets, np.where(usable[:, np.newaxis], z, 0.0), axis=1)(fine)
    minimum = fine[curves.argmin(axis=1)]
    arm = max(2, round(_ARM * (fine[-1] - fine[0]) / 2 / _STEP_PPM))
    candidates = np.arange(arm, len(fine) - arm)
    unlike = np.stack([_difference(curves, middle, arm) for middle in candidates], axis=1)
    apart = np.abs(fine[candidates] - minimum[:, np.newaxis])
    unlike = np.where(apart <= _NEAR_MINIMUM_PPM + _STEP_PPM / 2, unlike, np.inf)
    best = unlike.argmin(axis=1)
    inside = usable & (best > 0) & (best < len(candidates) - 1)
    rows, inner = np.arange(len(z)), np.clip(best, 1, len(candidates) - 2)
    around = np.stack([unlike[rows, inner + step] for step in (-1, 0, 1)])
    left, middle, right = np.where(np.isfinite(around).all(axis=0), around, 1.0)
    bend = left + right - 2 * middle
    aside = np.where(bend > 0, (left - right) / np.where(bend > 0, 2 * bend, 1.0), 0.0)
    return np.asarray(np.where(inside, fine[candidates[inner]] + np.clip(aside, -1, 1) * _STEP_PPM, np.nan))


def _difference(curves: NDArray[np.float64], middle: int, arm: int) -> NDArray[np.float64]:
    """Compare both sides of a centre."""
    right = curves[:, middle + 1 : middle + arm + 1]
    left = curves[:, middle - arm : middle][:, ::-1]
    return np.asarray(((right - left) ** 2).mean(axis=1))
