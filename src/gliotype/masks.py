"""What is around a mask, found without crossing the whole head; and how far two masks agree."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.volume import Box, Grid, Matrix, Volume


def box_around(mask: NDArray[np.bool_], margin: int = 0) -> Box:
    """Return the slices of a mask's bounding box, widened by a margin in voxels and clipped at the grid's border.

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
    if distance_mm <= NEAR_VOXELS * min(spacing):
        near[box] = _dilated(mask[box], distance_mm, spacing)
    else:
        near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= distance_mm
    return near


NEAR_VOXELS = 3
"""Distances up to this many voxels are found by shifting the mask, faster than by a distance transform."""


def _dilated(
    mask: NDArray[np.bool_], distance_mm: float, spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Dilate a mask by the ellipsoid of the voxels within a distance."""
    reach = [math.floor(distance_mm / edge) for edge in spacing]
    near = np.zeros_like(mask)
    for shift in product(*(range(-r, r + 1) for r in reach)):
        if math.sqrt(sum((n * edge) ** 2 for n, edge in zip(shift, spacing, strict=True))) <= distance_mm:
            to = tuple(slice(max(n, 0), size + min(n, 0)) for n, size in zip(shift, mask.shape, strict=True))
            of = tuple(slice(max(-n, 0), size - max(n, 0)) for n, size in zip(shift, mask.shape, strict=True))
            near[to] |= mask[of]
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


def read_whole(labels: Volume, grid: Grid, labels_from_grid: Matrix) -> Volume:
    """Read a mask or label map on a grid of thick slices without losing its thin parts.

    Read at the centres of thick slices, a 1 mm mask would lose what is thinner than a slice. Instead the fraction
    of each voxel of the grid that the mask fills is computed, and the mask takes as many voxels as its volume fills,
    those with the largest fraction first. Of the labels of a map the smallest chooses first; the largest takes what
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

    def fraction_of(region: NDArray[np.bool_]) -> NDArray[np.float32]:
        fraction = labels.with_array(region.astype(np.float32)).resample(grid, labels_from_grid)
        return np.where(found == 0, fraction.array, 0).astype(np.float32)

    def count_of(voxels: int) -> int:
        return max(1, round(voxels * labels.grid.voxel_ml / grid.voxel_ml))

    order = np.argsort(sizes, kind="stable")
    for n in order[:-1]:
        found[_largest(fraction_of(array == names[n]), count_of(int(sizes[n])))] = names[n]
    left = max(1, count_of(int(sizes.sum())) - int((found != 0).sum()))
    found[_largest(fraction_of(array != 0), left)] = names[order[-1]]
    return Volume(found, grid.affine)


def _largest(fraction: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Pick the voxels with the largest fraction (the first among equals), none without any."""
    candidates = np.flatnonzero(fraction > 1e-3)
    taken = np.zeros(fraction.size, dtype=np.bool_)
    taken[candidates[np.argsort(-fraction.ravel()[candidates], kind="stable")[:count]]] = True
    return taken.reshape(fraction.shape)
