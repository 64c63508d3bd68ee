"""From the prepared grid back to the grids of the images as they were acquired."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Grid, Matrix, Volume


def to_acquired(volume: Volume, prepared: PreparedStudy, sequence: Sequence | None = None) -> Volume:
    """Bring a mask, label map or map to the grid of an image as it was acquired (see `read_whole`).

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
    return read_whole(volume, grid, prepared_from_acquired)


def read_whole(labels: Volume, grid: Grid, labels_from_grid: Matrix) -> Volume:
    """Read a mask or label map on a grid of thick slices without losing its thin parts.

    Read at the centres of thick slices, a 1 mm mask would lose what is thinner than a slice. Instead the share
    that a mask has in each voxel of the grid is computed, and the mask takes as many voxels as its volume fills,
    those with its largest share first. Of the labels of a map the smallest chooses first; the largest takes what
    is left of the union of all labels, so that no hole opens between two of them.

    Args:
        labels: boolean or integer; 0 is nothing.
        grid: where labels are wanted.
        labels_from_grid: transform, world (RAS mm) of the grid to that of the labels.

    Returns:
        A volume of the same type on the grid.
    """
    array = np.asarray(labels.array)
    found = np.zeros(grid.shape, array.dtype)
    names, sizes = np.unique(array[array != 0], return_counts=True)
    if names.size == 0:
        return Volume(found, grid.affine)

    def share_of(region: NDArray[np.bool_]) -> NDArray[np.float32]:
        share = labels.with_array(region.astype(np.float32)).resample(grid, labels_from_grid)
        return np.where(found == 0, share.array, 0).astype(np.float32)

    def count_of(voxels: int) -> int:
        return max(1, round(voxels * labels.grid.voxel_ml / grid.voxel_ml))

    order = np.argsort(sizes, kind="stable")
    for n in order[:-1]:
        found[_largest(share_of(array == names[n]), count_of(int(sizes[n])))] = names[n]
    left = max(1, count_of(int(sizes.sum())) - int((found != 0).sum()))
    found[_largest(share_of(array != 0), left)] = names[order[-1]]
    return Volume(found, grid.affine)


def _largest(share: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Pick the voxels with the largest share (the first among equals), none without any."""
    candidates = np.flatnonzero(share > 1e-3)
    taken = np.zeros(share.size, dtype=np.bool_)
    taken[candidates[np.argsort(-share.ravel()[candidates], kind="stable")[:count]]] = True
    return taken.reshape(share.shape)
