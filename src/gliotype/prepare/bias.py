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
    for axis, size in enumerate(image.array.shape):  # each time, the first axis gives way to a new last one
        factor = max(1, round(FIT_SPACING_MM / image.grid.spacing[axis]))
        centres = (np.arange(size) - (factor - 1) / 2) / factor - corner[axis]
        field = np.tensordot(field, _interpolation(field.shape[0], centres), axes=(0, 0))
    return image.with_array(field)


def correct_inhomogeneity(image: Volume, brain: Volume) -> Volume:
    """Divide an image by its inhomogeneity; see `inhomogeneity`."""
    field = np.asarray(inhomogeneity(image, brain).array, dtype=np.float32)
    return image.with_array(np.asarray(image.array, dtype=np.float32) / field)


def _interpolation(count: int, index: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weights of points along an axis at fractional indices, linear, (count, indices); beyond the ends, as at the ends.

    Example:
        >>> _interpolation(3, np.array([-1.0, 0.5, 2.0])).T.tolist()
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    at = np.clip(index, 0, count - 1)
    return np.asarray(np.maximum(1 - np.abs(at - np.arange(count)[:, None]), 0), dtype=np.float32)
