"""Remove the slow brightness changes that coils leave (N4, Tustison 2010), fitted small and applied large."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.prepare.head import shrink
from gliotype.prepare.n4 import fit_log_field
from gliotype.volume import Volume

FIT_SPACING_MM = 6.0
ITERATIONS = 40
"""Most iterations of the fit. It has one level alone, the smoothest field: finer ones take a large bright
tumour for inhomogeneity and flatten it (Dice of Model 1 fell by 0.05 to 0.13 on three development patients)."""
FEWEST = 300
"""Voxels of `FIT_SPACING_MM` without which nothing is fitted."""


def inhomogeneity(image: Volume, brain: Volume) -> Volume:
    """Estimate the multiplicative inhomogeneity of an image within the brain.

    Args:
        image: non-negative intensities.
        brain: boolean mask on the same grid.

    Returns:
        Smooth positive field on the image's grid with a median of 1 in the brain; outside the brain's box it
        continues as at its border. 1 everywhere where the brain holds no signal.
    """
    fraction = np.asarray(shrink(brain, FIT_SPACING_MM).array)
    whole = shrink(image, FIT_SPACING_MM)
    inside = (fraction > 0.5) & (np.asarray(whole.array) > 0)
    if inside.sum() < FEWEST:
        return image.with_array(np.ones(image.array.shape, np.float32))
    corner = np.argwhere(inside).min(axis=0)
    box = tuple(slice(a, b) for a, b in zip(corner, np.argwhere(inside).max(axis=0) + 1, strict=True))
    values, mask = np.asarray(whole.array, dtype=np.float32)[box], inside[box]
    log_field = fit_log_field(np.maximum(values, 1e-3 * np.median(values[mask])), mask, ITERATIONS)
    log_field = np.clip(log_field - np.median(log_field[mask]), -1.5, 1.5)
    field = np.exp(log_field).astype(np.float32)
    for axis, size in enumerate(image.array.shape):
        factor = max(1, round(FIT_SPACING_MM / image.grid.spacing[axis]))
        centres = (np.arange(size) - (factor - 1) / 2) / factor - corner[axis]
        field = _interpolate_along(field, centres, axis)
    return image.with_array(field)


def correct_inhomogeneity(image: Volume, brain: Volume) -> Volume:
    """Divide an image by its inhomogeneity; see `inhomogeneity`."""
    field = np.asarray(inhomogeneity(image, brain).array, dtype=np.float32)
    return image.with_array(np.asarray(image.array, dtype=np.float32) / field)


def _interpolate_along(
    array: NDArray[np.float32], index: NDArray[np.float64], axis: int
) -> NDArray[np.float32]:
    """Read an array linearly at fractional indices along one axis; beyond the ends, as at the ends."""
    at = np.clip(index, 0, array.shape[axis] - 1)
    low = np.minimum(at.astype(int), max(array.shape[axis] - 2, 0))
    weight = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(array.ndim)])
    first, second = (
        np.take(array, low, axis),
        np.take(array, np.minimum(low + 1, array.shape[axis] - 1), axis),
    )
    return np.asarray(first * (1 - weight) + second * weight, dtype=np.float32)
