"""What an image shows: where the head is, and whether its skull has been removed already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.volume import Volume, volume_from_sitk

Mask = NDArray[np.bool_]

BRAIN_VOLUME_ML = (400.0, 2300.0)
"""Brains of adults, atrophy and missing slices included; a whole head is larger."""

BRAIN_AREA_CM2 = 215.0
"""No axial cross-section of a brain is larger; that of a head with its scalp is, even in a thin slab."""

LI_SCALE = 10_000.0
"""Brightest value while the threshold of a head is sought: ITK rounds that threshold to whole numbers as it goes."""


def head_mask(image: Volume) -> Mask:
    """Find the head (or the brain, where the skull was removed) against air.

    The threshold is that of least cross entropy (Li and Tam 1998) of the slightly smoothed image,
    bright outliers clipped; the largest piece is selected and filled slice by slice.

    Args:
        image: 3D, any contrast and any orientation; best at 2 to 4 mm.

    Returns:
        Boolean array of the image's shape; all False for a constant image.
    """
    array = np.asarray(image.array, dtype=np.float32)
    smooth = ndimage.gaussian_filter(array, 2.0 / np.array(image.grid.spacing))
    smooth = np.minimum(smooth, np.percentile(smooth, 99))
    if smooth.max() <= smooth.min():
        return np.zeros(array.shape, dtype=np.bool_)
    smooth *= np.float32(LI_SCALE / np.abs(smooth).max())
    li = sitk.LiThresholdImageFilter()
    li.Execute(sitk.GetImageFromArray(smooth))
    return _fill_largest_part(smooth > li.GetThreshold())


def shrink(image: Volume, spacing_mm: float) -> Volume:
    """Average whole voxels until no axis is finer than about a spacing, or has only two; float32."""
    factors = [max(1, round(spacing_mm / s)) for s in image.grid.spacing]
    factors = [min(f, max(1, n // 2)) for f, n in zip(factors, image.array.shape, strict=True)]
    block = Volume(np.zeros(factors, np.uint8), image.affine).to_sitk()
    affine = volume_from_sitk(sitk.BinShrink(block, factors)).affine
    return Volume(block_means(np.asarray(image.array), factors), affine)


def block_means(array: NDArray[Any], factors: Sequence[int]) -> NDArray[np.float32]:
    """Average blocks of voxels; what does not fill a block at the end of an axis is left out."""
    count = math.prod(factors)
    exact = np.uint16 if array.dtype in (np.uint8, np.bool_) and count <= 257 else np.float64
    total = array
    for axis in np.argsort(array.strides)[::-1]:  # the most distant voxels first: rows are added to rows
        factor, before = factors[axis], (slice(None),) * int(axis)
        end = array.shape[axis] // factor * factor
        parts = [total[(*before, slice(n, end, factor))] for n in range(factor)]
        total = parts[0] if factor == 1 else np.add(parts[0], parts[1], dtype=exact)
        for part in parts[2:]:
            total += part
    return np.ascontiguousarray(total / count, dtype=np.float32)


def zero_background(image: Volume) -> Volume:
    """Make air 0 and nothing negative, so that intensities can be scaled.

    Magnitude images are like that, and come back as they are. Two kinds are not: images with another
    artificial background, from which that is subtracted; and signed images, in which part of the head is
    darker than air (inversion recovery reconstructed with its phase, or z-scores): there the darkest
    tissue becomes 0, and the air around the head 0 too.

    Args:
        image: 3D.

    Example:
        >>> head = np.full((40, 40, 40), 100.0); head[10:30, 10:30, 10:30] = 250.0; head[18:22] = 40.0
        >>> level = zero_background(Volume(head, np.diag([4.0, 4.0, 4.0, 1.0])))
        >>> float(level.array[0, 0, 0]), float(level.array[15, 15, 15]), float(level.array[20, 15, 15])
        (0.0, 210.0, 0.0)
    """
    array = np.asarray(image.array, dtype=np.float32)
    coarse = shrink(image, 4.0)
    values = np.asarray(coarse.array, dtype=np.float32)
    edge = [max(1, n // 10) for n in values.shape]
    corners = values[
        np.ix_(*([*range(e), *range(n - e, n)] for e, n in zip(edge, values.shape, strict=True)))
    ]
    air = float(np.median(corners))
    contrast = float(np.percentile(values, 99.5)) - air
    if contrast > 0 and float((values < air - 0.1 * contrast).mean()) > 0.01:
        inside = coarse.with_array(head_mask(coarse.with_array(np.abs(values - air))))
        head = np.asarray(inside.resample(image.grid, order=0).array, dtype=np.bool_)
        return image.with_array(np.where(head, np.maximum(array - np.percentile(array[head], 0.5), 0), 0))
    constant = background(image)
    return image.with_array(np.maximum(array - (constant or 0.0), 0.0))


def background(image: Volume) -> float | None:
    """Return the value of an artificial background: exactly constant on most of the image's border.

    Example:
        >>> box = np.full((8, 8, 8), 7.0); box[2:6, 2:6, 2:6] = np.arange(64).reshape(4, 4, 4)
        >>> background(Volume(box, np.eye(4)))
        7.0
    """
    array = np.asarray(image.array)
    faces = [array[[0, -1]], array[:, [0, -1]], array[:, :, [0, -1]]]
    border = np.concatenate([face.ravel() for face in faces])
    values, counts = np.unique(border, return_counts=True)
    return float(values[counts.argmax()]) if counts.max() > 0.75 * border.size else None


def is_stripped(image: Volume) -> bool:
    """Determine whether the skull was removed.

    It was if the image has an artificial background, and what stands out against it has a brain's volume
    and a brain's largest axial cross-section. Checked in every second or third voxel.
    """
    if background(image) is None:
        return False
    thin = [max(1, round(2.0 / s)) for s in image.grid.spacing]
    some = np.asarray(image.array)[:: thin[0], :: thin[1], :: thin[2]]
    brain = Volume(some, image.affine @ np.diag([*thin, 1.0]))
    brain = brain.with_array(support(brain)).as_ras()
    mask = np.asarray(brain.array, dtype=np.bool_)
    area_cm2 = float(mask.sum(axis=(0, 1)).max() * np.prod(brain.grid.spacing[:2])) / 100
    low, high = BRAIN_VOLUME_ML
    return low < float(mask.sum()) * brain.grid.voxel_ml < high and area_cm2 < BRAIN_AREA_CM2


def support(image: Volume) -> Mask:
    """Return what stands out against an artificial background (or 0), by over 1 % of the 99th percentile.

    The largest piece, filled.
    """
    contrast = np.abs(np.asarray(image.array, dtype=np.float32) - np.float32(background(image) or 0.0))
    signal = contrast[contrast > 0]
    if signal.size == 0:
        return np.zeros(contrast.shape, dtype=np.bool_)
    return _fill_largest_part(contrast > 0.01 * np.percentile(signal, 99))


def _fill_largest_part(mask: Mask) -> Mask:
    """Keep the largest connected piece, and fill its holes in 3D and in each plane of the third axis."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    for k in range(largest.shape[2]):
        largest[:, :, k] = ndimage.binary_fill_holes(largest[:, :, k])
    return np.asarray(ndimage.binary_fill_holes(largest), dtype=np.bool_)
