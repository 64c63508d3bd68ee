"""Which voxels of a series have a signal throughout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import FEWEST_FRAMES

Signals = NDArray[np.floating]
Mask = NDArray[np.bool_]

EMPTY = 0.05
"""A frame is empty where at most this fraction of the brain has a signal."""


def voxels_with_signal(signal: Signals, brain: Mask) -> Mask | str:
    """Determine which voxels have a signal in every frame.

    Args:
        signal: (n, t).
        brain: which voxels are brain, (n,).

    Returns:
        A mask (n,); or a sentence, why the series cannot be measured: it is too short, or a frame holds nothing in
        the brain, which would pass for the deepest bolus.

    Example:
        >>> series = np.tile(np.arange(1.0, 31.0), (5, 1)); series[3, 6] = 0
        >>> voxels_with_signal(series, np.ones(5, bool)).tolist()
        [True, True, True, False, True]
    """
    frames = signal.shape[1]
    if frames < FEWEST_FRAMES:
        return f"The DSC series has {frames} frames, where {FEWEST_FRAMES} are needed: perfusion was not measured."
    there = (signal > 0) & np.isfinite(signal)
    empty = there[brain].sum(axis=0) <= EMPTY * brain.sum()
    if empty.any():
        return f"{int(empty.sum())} of {frames} DSC frames have no signal in the brain: perfusion was not measured."
    return np.asarray(there.all(axis=1))
