"""Make the grid of an image rectangular and even: gantry-tilted stacks, skewed affines, uneven slices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.volume import Array, Grid, Volume

MAX_SKEW_MM = 0.5
"""A skewed grid is resampled if calling it rectangular would move a voxel by more than this."""


def skew_mm(grid: Grid) -> float:
    """Tell how far the farthest voxel lies from where a grid with right angles would put it.

    Example:
        >>> tilted = np.eye(4); tilted[1, 2] = 0.2
        >>> round(skew_mm(Grid((10, 10, 11), tilted)), 6)
        2.0
    """
    _, steps = _right_angles(grid)
    sideways = (steps - np.diag(np.diag(steps))) * (np.array(grid.shape) - 1)
    return float(np.linalg.norm(np.abs(sideways).sum(axis=1)))


def deskew(volume: Volume) -> Volume:
    """Resample an image whose axes are not at right angles onto a rectangular grid that covers it.

    The first axis keeps its direction, the second is turned into a right angle with it, the third
    becomes their normal. In a gantry-tilted stack, whose slices are shifted in their own plane, only
    the plane is interpolated.

    Args:
        volume: 3D or 4D.

    Returns:
        The image; float32 if it had to be resampled, the same object if its skew is within `MAX_SKEW_MM`.
    """
    grid = volume.grid
    if skew_mm(grid) <= MAX_SKEW_MM:
        return volume
    directions, steps = _right_angles(grid)
    spacing = np.diag(steps)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.shape) - 1)
    reached = corners @ steps.T / spacing
    low = np.floor(reached.min(axis=0) + 1e-6)
    shape = np.ceil(reached.max(axis=0) - 1e-6) - low + 1
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = grid.affine[:3, 3] + affine[:3, :3] @ low
    old_from_new = np.linalg.inv(grid.affine) @ affine
    array = _per_frame(
        volume.array,
        lambda image: ndimage.affine_transform(
            image,
            old_from_new[:3, :3],
            old_from_new[:3, 3],
            output_shape=tuple(int(n) for n in shape),
            order=1,
            mode="grid-constant",
        ),
    )
    return Volume(array, affine)


def resample_evenly(array: Array, positions_mm: NDArray[np.float64]) -> tuple[Array, NDArray[np.float64]]:
    """Interpolate slices at uneven positions onto even ones, linearly along the third axis.

    Args:
        array: (i, j, k) or (i, j, k, t).
        positions_mm: ascending position of each slice.

    Returns:
        The array with evenly spaced slices, float32, and their positions; the spacing is the median
        of the given gaps, adjusted so that the first and the last slice stay where they are.

    Example:
        >>> slices, positions = resample_evenly(np.array([[[0.0, 1.0, 2.0, 4.0]]]), np.array([0.0, 5.0, 10.0, 20.0]))
        >>> slices[0, 0].tolist(), positions.tolist()
        ([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 10.0, 15.0, 20.0])
    """
    length = positions_mm[-1] - positions_mm[0]
    count = int(np.round(length / np.median(np.diff(positions_mm)))) + 1
    even = np.linspace(positions_mm[0], positions_mm[-1], count)
    upper = np.clip(np.searchsorted(positions_mm, even), 1, len(positions_mm) - 1)
    weight = (even - positions_mm[upper - 1]) / (positions_mm[upper] - positions_mm[upper - 1])
    weight = weight.reshape((1, 1, -1) + (1,) * (array.ndim - 3)).astype(np.float32)
    below = array[:, :, upper - 1].astype(np.float32)
    return below + weight * (array[:, :, upper].astype(np.float32) - below), even


def _right_angles(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return orthonormal directions near the grid's axes (columns), and its voxel steps along them."""
    axes = grid.affine[:3, :3]
    first = axes[:, 0] / np.linalg.norm(axes[:, 0])
    second = axes[:, 1] - (axes[:, 1] @ first) * first
    second = second / np.linalg.norm(second)
    third = np.cross(first, second)
    third = third * np.sign(third @ axes[:, 2])
    directions = np.stack([first, second, third], axis=1)
    return directions, directions.T @ axes


def _per_frame(array: Array, change: Callable[[Array], Array]) -> Array:
    """Apply a change to a 3D image, or to each frame of a 4D one, as float32."""
    array = array.astype(np.float32)
    if array.ndim == 3:
        return change(array)
    return np.stack([change(array[..., t]) for t in range(array.shape[3])], axis=-1)
