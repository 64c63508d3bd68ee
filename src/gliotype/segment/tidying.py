"""The shape of what is drawn: components parted at necks, thin parts left out, gaps closed and holes filled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.masks import box_around, within_mm
from gliotype.study import PreparedStudy

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

THIN_MM = 3.0
"""A part that nowhere lies deeper than this under its own surface is thin."""

MIN_RELATIVE_DEPTH = 0.2
"""A thick part must have this fraction of the deep voxels of the largest one."""

MIN_DEEP_ML = 0.3
"""A part of a component must have this volume deeper than `THIN_MM` under its surface to be a component of its own."""

MIN_DEEP_ML = 0.3
"""A part must have this volume deeper than `THIN_MM` under its surface to be parted from others."""

GAP_MM = 4.0
"""Gaps narrower than this are closed."""

IN_PLANE = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])
"""Which neighbours of a voxel are connected to it within an axial slice."""


def tidying(prepared: PreparedStudy) -> Callable[[Mask], Mask]:
    """Return what is done to every drawing of a study's tumour.

    Where the brain had to be found, thin parts are left out (`leave_out_thin`): next to an imperfect brain mask they
    are mostly orbit, dura or cortex. Then gaps are closed within the brain, and holes are filled (`close_gaps`), as
    readers do when they outline a tumour.

    Args:
        prepared: on the grid of the drawings.
    """
    brain, spacing = np.asarray(prepared.brain.array, dtype=np.bool_), prepared.grid.spacing
    if prepared.skull_stripped:
        return lambda mask: close_gaps(mask, brain, spacing)
    return lambda mask: close_gaps(leave_out_thin(mask, spacing), brain, spacing)


def part_at_necks(mask: Mask, certain: Mask, spacing_mm: Spacing) -> tuple[NDArray[np.int32], int]:
    """Number the connected components of a mask, parted where only a neck holds them together.

    What lies within `THIN_MM` of the surface all around is a neck. Without this, a bridge of a few voxels would decide
    whether a bright region next to a tumour counts as part of it.

    Args:
        mask: what may be tumour.
        certain: each part has one of these voxels, more than `THIN_MM` deep; what has none stays with its neighbour.
        spacing_mm: voxel size along each axis.

    Returns:
        Numbers of the parts from 1, 0 elsewhere, and how many there are.

    Example:
        >>> mask = np.zeros((40, 18, 18), bool)
        >>> mask[2:16, 2:16, 2:16] = mask[24:38, 2:16, 2:16] = mask[15:26, 8:10, 8:10] = True
        >>> first_alone = mask & (np.arange(40) < 20)[:, None, None]
        >>> part_at_necks(mask, mask, (1.0, 1.0, 1.0))[1], part_at_necks(mask, first_alone, (1.0, 1.0, 1.0))[1]
        (2, 1)
    """
    parts, n = ndimage.label(mask)
    for component, box in enumerate(ndimage.find_objects(parts), 1):
        pieces = _pieces(parts[box] == component, certain[box], spacing_mm)
        for further in range(2, pieces.max() + 1):
            n += 1
            parts[box][pieces == further] = n
    return parts, n


def _pieces(component: Mask, certain: Mask, spacing_mm: Spacing) -> NDArray[np.int32]:
    """Number the voxels of a component by the nearest of its deep, certain parts; 1 where there is but one or none."""
    voxel_ml = np.prod(spacing_mm) / 1000
    if component.sum() * voxel_ml < MIN_DEEP_ML:
        return component.astype(np.int32)
    depth = ndimage.distance_transform_edt(np.pad(component, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    deep, count = ndimage.label(depth > THIN_MM)
    large = np.bincount(deep.ravel(), minlength=count + 1) * voxel_ml >= MIN_DEEP_ML
    seeds = [k for k in range(1, count + 1) if large[k] and certain[deep == k].any()]
    if len(seeds) < 2:
        return component.astype(np.int32)
    number = np.zeros(count + 1, np.int32)
    number[seeds] = np.arange(1, len(seeds) + 1)
    numbered = number[deep]
    nearest = ndimage.distance_transform_edt(
        numbered == 0, sampling=spacing_mm, return_distances=False, return_indices=True
    )
    return np.where(component, numbered[tuple(nearest)], 0).astype(np.int32)


def leave_out_thin(mask: Mask, spacing_mm: Spacing) -> Mask:
    """Leave out the thin parts of a tumour: sheets and strands, and lumps that only these join to it.

    What stays lies within `THIN_MM`, and a voxel, of a part deeper than that, which has at least `MIN_RELATIVE_DEPTH`
    of the largest one's deep voxels. A tumour that is thin throughout stays as it is.

    Example:
        >>> mask = np.zeros((20, 20, 30), bool)
        >>> mask[4:16, 4:16, 4:16] = mask[10, 10, 16:28] = True
        >>> int(np.flatnonzero(leave_out_thin(mask, (1.0, 1.0, 1.0))[10, 10]).max())
        17
    """
    if not mask.any():
        return mask
    box = box_around(mask, 1)
    inside = mask[box]
    deep, n = ndimage.label(ndimage.distance_transform_edt(inside, sampling=spacing_mm) > THIN_MM)
    if n == 0:
        return mask
    size = np.bincount(deep.ravel())[1:]
    thick = np.isin(deep, 1 + np.flatnonzero(size >= MIN_RELATIVE_DEPTH * size.max()))
    kept = np.zeros_like(mask)
    kept[box] = inside & within_mm(thick, THIN_MM + max(spacing_mm), spacing_mm)
    return kept


def close_gaps(mask: Mask, brain: Mask, spacing_mm: Spacing) -> Mask:
    """Close the gaps of a tumour that are narrower than `GAP_MM`, and fill its holes within axial slices.

    Args:
        mask: the tumour; its third axis runs from slice to slice.
        brain: beyond which nothing is added.
        spacing_mm: voxel size along each axis.

    Example:
        >>> ring = np.zeros((15, 15, 3), bool)
        >>> ring[4:11, 4:11] = True; ring[6:9, 6:9] = False
        >>> closed = close_gaps(ring, np.ones_like(ring), (1.0, 1.0, 6.0))
        >>> int(ring.sum()), int(closed.sum())
        (120, 147)
    """
    if not mask.any():
        return mask
    box = box_around(mask, int(np.ceil(GAP_MM / min(spacing_mm))))
    grown = within_mm(mask[box], GAP_MM / 2, spacing_mm)
    outside = np.zeros_like(grown) if grown.all() else within_mm(~grown, GAP_MM / 2, spacing_mm) & ~mask[box]
    parts, _ = ndimage.label(outside, IN_PLANE)
    borders = (parts[0], parts[-1], parts[:, 0], parts[:, -1])
    open_parts = np.unique(np.concatenate([border.ravel() for border in borders]))
    closed = np.zeros_like(mask)
    closed[box] = ~np.isin(parts, open_parts[open_parts > 0])
    return (closed & brain) | mask
