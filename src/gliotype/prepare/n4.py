"""N4 (Tustison 2010) with one cubic B-spline patch over the image: the smoothest field of that method, fitted fast.

Each iteration sharpens the histogram of the logarithms by a Wiener deconvolution (Sled 1998), and fits what the
sharpening moved by B-splines (Lee 1997). With a single patch of 4 x 4 x 4 control points on a regular grid, the fit
is a product of three small matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HISTOGRAM_BINS = 200
PADDED_BINS = 512
WIENER_NOISE = 0.01
WIDTH = 0.15
"""Full width at half maximum of the logarithm of the field by which histograms are sharpened."""

SPARSE = 1e-6
"""Part of the fullest bin below which the deconvolved histogram is rounding error: values there stay as they are."""

CONVERGED = 0.001
"""Coefficient of variation of the field's change below which iteration ends."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def fit_log_field(image: NDArray[np.floating], mask: Mask, iterations: int) -> Floats:
    """Fit the logarithm of the inhomogeneity.

    Args:
        image: positive intensities, 3D.
        mask: where it is fitted.
        iterations: at most.

    Returns:
        The logarithm of the field on the image's grid.
    """
    basis = [_basis(size) for size in image.shape]
    squares = [(each**2).sum(axis=1) for each in basis]
    share = mask / (squares[0][:, None, None] * squares[1][:, None] * squares[2])
    omega = _project(mask.astype(np.float64), [each**2 for each in basis])
    cubes = [each**3 for each in basis]
    logs = np.log(np.asarray(image, dtype=np.float64)[mask])
    field = np.zeros(image.shape)
    lattice = np.zeros((4, 4, 4))
    residual = np.zeros(image.shape)
    for _ in range(iterations):
        even = logs - field[mask]
        residual[mask] = even - _sharpened(even)
        lattice += _project(residual * share, cubes) / omega
        before, field = field, _project(lattice, [each.T for each in basis])
        change = np.exp((field - before)[mask])
        if change.std(ddof=1) / change.mean() <= CONVERGED:
            break
    return field


def _basis(size: int) -> Floats:
    """Weights of the four control points of a uniform cubic B-spline at each voxel of an axis, (size, 4)."""
    u = np.linspace(0.0, 1.0, size) if size > 1 else np.zeros(1)
    columns = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    return np.stack(columns, axis=1) / 6


def _project(array: Floats, along: list[Floats]) -> Floats:
    """Multiply each axis of an array by a matrix: (i, j, k) to (a, b, c)."""
    for matrix in along:
        array = np.tensordot(array, matrix, axes=(0, 0))
    return array


def _sharpened(values: Floats) -> Floats:
    """Replace values by what is expected of them when their histogram has been deconvolved."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return values
    slope = (high - low) / (HISTOGRAM_BINS - 1)
    place = (values - low) / slope
    cell = np.minimum(place.astype(np.intp), HISTOGRAM_BINS - 2)
    part = place - cell
    counts = np.bincount(cell, 1 - part, HISTOGRAM_BINS) + np.bincount(cell + 1, part, HISTOGRAM_BINS)
    expected = _expectation(np.asarray(counts, dtype=np.float64), low, slope)
    return np.asarray(expected[cell] + (expected[cell + 1] - expected[cell]) * part)


def _expectation(counts: Floats, low: float, slope: float) -> Floats:
    """Expect the true value in each bin of a histogram that was blurred by a Gaussian."""
    offset = (PADDED_BINS - HISTOGRAM_BINS) // 2
    padded = np.zeros(PADDED_BINS)
    padded[offset : offset + HISTOGRAM_BINS] = counts
    width = WIDTH / slope
    away = np.minimum(np.arange(PADDED_BINS), PADDED_BINS - np.arange(PADDED_BINS))
    blur = 2 * np.sqrt(np.log(2) / np.pi) / width * np.exp(-4 * np.log(2) / width**2 * away**2)
    blur_f = np.fft.fft(blur)
    wiener = (np.conj(blur_f) / (np.conj(blur_f) * blur_f + WIENER_NOISE)).real
    sharp = np.maximum(np.fft.ifft(np.fft.fft(padded) * wiener).real, 0.0)
    centres = low + (np.arange(PADDED_BINS) - offset) * slope
    above = np.fft.ifft(np.fft.fft(centres * sharp) * blur_f).real
    below = np.fft.ifft(np.fft.fft(sharp) * blur_f).real
    known = below > SPARSE * below.max()
    expected = np.divide(above, below, out=centres, where=known)
    return np.asarray(expected[offset : offset + HISTOGRAM_BINS])
