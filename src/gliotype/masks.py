"""What is around a mask, found without crossing the whole head; and how far two masks agree."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, slice, slice]


def box_around(mask: NDArray[np.bool_], margin: int = 0) -> Box:
    """Return the slices of a mask's bounding box, widened by a margin in voxels and cut at the grid's border.

    The mask must not be empty.

    Example:
        >>> mask = np.zeros((9, 9, 9), bool); mask[4, 1, 8] = True
        >>> box_around(mask, margin=2)
        (slice(2, 7, None), slice(0, 4, None), slice(6, 9, None))
    """
    widened = []
    for axis, size in enumerate(mask.shape):
        along = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        widened.append(slice(max(0, int(along[0]) - margin), min(size, int(along[-1]) + 1 + margin)))
    i, j, k = widened
    return i, j, k


def within_mm(
    mask: NDArray[np.bool_], distance_mm: float, spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Return the voxels within a distance of a mask, the mask included.

    Args:
        mask: not empty.
        distance_mm: Euclidean.
        spacing: voxel size along each axis, mm.

    Example:
        >>> point = np.zeros((9, 9, 9), bool); point[4, 4, 4] = True
        >>> near = within_mm(point, 2.0, (1.0, 1.0, 2.0))
        >>> int(near[:, 4, 4].sum()), int(near[4, 4, :].sum())
        (5, 3)
    """
    box = box_around(mask, math.ceil(distance_mm / min(spacing)))
    near = np.zeros_like(mask)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= distance_mm
    return near


def within_city_block(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return the voxels within a city-block distance of a mask, the mask included.

    Args:
        mask: not empty.
        distance: in voxels.

    Example:
        >>> point = np.zeros((9, 9, 9), bool); point[4, 4, 4] = True
        >>> int(within_city_block(point, 3).sum())
        63
    """
    box = box_around(mask, distance)
    grown = np.zeros_like(mask)
    step = ndimage.generate_binary_structure(3, 1)
    grown[box] = ndimage.binary_dilation(mask[box], step, iterations=distance)
    return grown


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return twice the overlap of two masks over the sum of their sizes (Dice 1945); 1 where both are empty.

    Example:
        >>> dice(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    total = int(one.sum()) + int(other.sum())
    return 1.0 if total == 0 else float(2 * (one & other).sum() / total)
