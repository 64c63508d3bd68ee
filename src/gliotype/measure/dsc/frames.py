"""Frames that hold nothing, as interrupted series and failed transfers have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Floats

Signals = NDArray[np.floating]
Mask = NDArray[np.bool_]

EMPTY = 0.05
"""A frame is empty where at most this share of the brain has a signal."""

FEWEST_FRAMES = 10
"""Frames below which a series is not measured."""

MOST_EMPTY = 0.2
"""Share of empty frames above which a series is not measured."""


@dataclass(frozen=True, eq=False)
class Mended:
    """A series without gaps.

    Attributes:
        signal: (n, t), empty frames filled; zero in voxels that do not count.
        voxels: which voxels have a signal in every frame that is not empty, (n,).
        filled: how many frames were filled.
    """

    signal: Signals
    voxels: Mask
    filled: int


def mend(signal: Signals, times_s: Floats, brain: Mask) -> Mended | str:
    """Fill the frames that hold nothing in the brain by interpolation in time.

    Args:
        signal: (n, t).
        times_s: (t,).
        brain: which voxels are brain, (n,).

    Returns:
        The series without gaps; or a sentence, why it cannot be measured.

    Example:
        >>> series = np.tile(np.arange(1.0, 13.0), (5, 1)); series[:, 6] = 0
        >>> mended = mend(series, np.arange(12.0), np.ones(5, bool))
        >>> float(mended.signal[0, 6]), mended.filled
        (7.0, 1)
    """
    frames = times_s.size
    if frames < FEWEST_FRAMES:
        return f"The DSC series has {frames} frames where {FEWEST_FRAMES} are the least: perfusion was not measured."
    there = (signal > 0) & np.isfinite(signal)
    empty = there[brain].sum(axis=0) <= EMPTY * brain.sum()
    if empty.mean() > MOST_EMPTY:
        return f"{int(empty.sum())} of {frames} DSC frames have no signal in the brain: perfusion was not measured."
    voxels = (there | empty).all(axis=1)
    whole = np.where(voxels[:, None], signal, 0)
    for frame in np.flatnonzero(empty):
        whole[:, frame] = _between(whole, times_s, np.flatnonzero(~empty), int(frame))
    return Mended(whole, voxels, int(empty.sum()))


def _between(signal: Signals, times_s: Floats, there: NDArray[np.intp], frame: int) -> Signals:
    """Interpolate a frame from those around it; at the ends of the series the nearest is repeated, (n,)."""
    right = int(there[min(int(np.searchsorted(there, frame)), there.size - 1)])
    left = int(there[max(int(np.searchsorted(there, frame)) - 1, 0)])
    span = float(times_s[right] - times_s[left])
    share = float(np.clip((times_s[frame] - times_s[left]) / span, 0, 1)) if span > 0 else 0.0
    return np.asarray((1 - share) * signal[:, left] + share * signal[:, right])
