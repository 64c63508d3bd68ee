"""Smooth random fields: the stuff of texture, of bias fields and of deformations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Field:
    """Make Gaussian noise of unit standard deviation and a given correlation length.

    Args:
        rng: source of randomness.
        shape: of the result.
        scale: correlation length (about the standard deviation of the smoothing kernel), in voxels.

    Returns:
        float32 array of `shape`, mean about 0, standard deviation 1.

    Example:
        >>> field = smooth_noise(np.random.default_rng(0), (24, 24, 24), 3.0)
        >>> field.shape, round(float(field.std()), 3)
        ((24, 24, 24), 1.0)
    """
    if scale < 2.0:
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, scale, mode="wrap", truncate=3.0)
    else:
        coarse = tuple(max(3, int(np.ceil(n / scale)) + 2) for n in shape)
        noise = enlarge(rng.standard_normal(coarse, dtype=np.float32), shape)
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-6), dtype=np.float32)


def enlarge(field: Field, shape: tuple[int, ...]) -> Field:
    """Interpolate a coarse field to a finer grid of the same extent, smoothly and axis by axis.

    Args:
        field: coarse samples; each axis holds at least 2.
        shape: of the result.
    """
    for axis, size in enumerate(shape):
        weights = _spline_weights(field.shape[axis], size)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field, dtype=np.float32)


def _spline_weights(coarse: int, fine: int) -> Field:
    """Weights (fine, coarse) of a uniform cubic B-spline whose knots span the fine grid."""
    at = np.linspace(0.0, coarse - 1.0, fine)[:, None] - np.arange(coarse)[None, :]
    distance = np.abs(at)
    near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance) ** 3 / 6
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
