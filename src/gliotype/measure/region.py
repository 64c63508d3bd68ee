"""The part of the grid around a mask, so that work on a small tumour does not cross the whole head."""

from __future__ import annotations

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
