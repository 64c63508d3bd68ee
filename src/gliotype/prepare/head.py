"""What an image shows: where the head is, and whether its skull has been removed already."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.volume import Volume

Mask = NDArray[np.bool_]

BRAIN_VOLUME_ML = (400.0, 2300.0)
"""Brains of adults, atrophy and missing slices included; a whole head is larger."""

BRAIN_AREA_CM2 = 215.0
"""No axial cross-section of a brain is larger; that of a head with its scalp is, even in a thin slab."""


def head_mask(image: Volume) -> Mask:
    """Find the head (or the brain, where the skull was removed) against air.

    The threshold is that of least cross entropy (Li and Tam 1998) of the slightly smoothed image,
    bright outliers clipped; the largest piece is kept and filled slice by slice.

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
    li = sitk.LiThresholdImageFilter()
    li.Execute(sitk.GetImageFromArray(smooth))
    return _largest_filled(smooth > li.GetThreshold())


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


def brain_support(image: Volume) -> Mask | None:
    """Return the brain of an image whose skull was removed, or None where the skull is there.

    The skull was removed if the image has an artificial background and what stands out against it (by
    over 1 % of the 99th percentile) has a brain's volume and a brain's largest axial cross-section.

    Args:
        image: 3D.

    Returns:
        Boolean array, filled; or None.
    """
    empty = background(image)
    if empty is None:
        return None
    contrast = np.abs(np.asarray(image.array, dtype=np.float32) - np.float32(empty))
    if contrast.max() == 0:
        return None
    support = _largest_filled(contrast > 0.01 * np.percentile(contrast[contrast > 0], 99))
    volume_ml = float(support.sum()) * image.grid.voxel_ml
    axial = image.with_array(support).as_ras()
    area_cm2 = float(np.asarray(axial.array).sum(axis=(0, 1)).max() * np.prod(axial.grid.spacing[:2])) / 100
    low, high = BRAIN_VOLUME_ML
    return support if low < volume_ml < high and area_cm2 < BRAIN_AREA_CM2 else None


def _largest_filled(mask: Mask) -> Mask:
    """Keep the largest connected piece, and fill its holes in 3D and in each plane of the third axis."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    for k in range(largest.shape[2]):
        largest[:, :, k] = ndimage.binary_fill_holes(largest[:, :, k])
    return np.asarray(ndimage.binary_fill_holes(largest), dtype=np.bool_)
