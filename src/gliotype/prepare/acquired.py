"""From the prepared grid back to the grids of the images as they were acquired."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Volume


def to_acquired(volume: Volume, prepared: PreparedStudy, sequence: Sequence | None = None) -> Volume:
    """Bring a mask, label map or map to the grid of an image as it was acquired.

    Read at the centres of thick slices, a 1 mm mask would lose what is thinner than a slice. Instead the share
    that a label has in each acquired voxel is computed, and the label takes as many voxels as its volume
    fills, those with its largest share first. Smaller labels choose before larger ones.

    Args:
        volume: on the prepared grid; boolean and integer arrays are labels (0 is nothing), others are maps.
        prepared: says how the grids lie to each other.
        sequence: whose grid is wanted; None for the reference.

    Returns:
        A volume of the same type on ``prepared.acquired_grids[sequence]``; maps are read linearly, as float32.
    """
    sequence = sequence or prepared.reference
    grid = prepared.acquired_grids[sequence]
    prepared_from_acquired = np.asarray(np.linalg.inv(prepared.acquired_from_prepared[sequence]))
    array = np.asarray(volume.array)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        return volume.resample(grid, prepared_from_acquired)
    acquired = np.zeros(grid.shape, array.dtype)
    names, sizes = np.unique(array[array != 0], return_counts=True)
    for n in np.argsort(sizes, kind="stable"):
        region = volume.with_array((array == names[n]).astype(np.float32))
        share = np.asarray(region.resample(grid, prepared_from_acquired).array, dtype=np.float32)
        count = max(1, round(float(sizes[n]) * volume.grid.voxel_ml / grid.voxel_ml))
        acquired[_largest(np.where(acquired == 0, share, 0), count)] = names[n]
    return Volume(acquired, grid.affine)


def _largest(share: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Pick the voxels with the largest share (the first among equals), none without any."""
    candidates = np.flatnonzero(share > 1e-3)
    taken = np.zeros(share.size, dtype=np.bool_)
    taken[candidates[np.argsort(-share.ravel()[candidates], kind="stable")[:count]]] = True
    return taken.reshape(share.shape)
