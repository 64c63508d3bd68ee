"""Similarity of several pairs of images at the coarsest level, fast enough to be asked thousands of times.

It is the measure of `gliotype.prepare.similarity` with two simplifications that a coarse search does not notice: the
moving images are read at the nearest point of a fine grid on which their histogram bins are tabulated, and the samples
are divided among the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from gliotype.prepare.similarity import BINS, FEWEST, Pair, histogram_bins
from gliotype.volume import Grid, Matrix

SPACING_MM = 2.0
"""Voxel size of the table; images at the coarsest level are smooth over 8 mm."""

Counts = NDArray[np.intp]


class CoarseSimilarity:
    """Mean similarity of pairs, by the transform from the world in which registration is wanted to the moving world.

    Args:
        pairs: their moving images lie in one world.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        grid = _padded(pairs[0].moving.levels[0].grid.bounding(SPACING_MM))
        every = len(pairs)
        world = [_world_of(pair)[::every] for pair in pairs]
        sizes = [len(points) for points in world]
        number = np.repeat(np.arange(len(pairs), dtype=np.int32), sizes)
        rows = np.concatenate([histogram_bins(pair.fixed.samples[0].ranks[::every]) for pair in pairs])
        self._index_from_moving = np.linalg.inv(grid.affine)
        self._last = np.array(grid.shape, dtype=np.float32)[:, None] - 1
        self._strides = (grid.shape[1] * grid.shape[2], grid.shape[2])
        self._table = np.concatenate([_bins_of(pair, grid) for pair in pairs])
        self._first_cell = number * np.int32(np.prod(grid.shape))
        self._first_bin = (number * BINS + rows.astype(np.int32)) * BINS
        self._points = np.ones((4, len(number)), dtype=np.float32)
        self._points[:3] = np.concatenate(world).T
        self._sizes = np.array(sizes)
        counts = np.arange(max(sizes) + 1, dtype=np.float64)
        self._count_log = counts * np.log(np.maximum(counts, 1.0))

    def __call__(self, moving_from_world: Matrix) -> float:
        """Measure the similarity at a transform."""
        matrix = (self._index_from_moving @ moving_from_world)[:3]
        index = matrix.astype(np.float32) @ self._points
        index += np.float32(0.5)
        np.clip(index, 0, self._last, out=index)
        i, j, k = index.astype(np.int32)
        cell = i * self._strides[0] + j * self._strides[1] + k + self._first_cell
        pairs = len(self._sizes)
        joint = np.bincount(self._first_bin + self._table[cell], minlength=pairs * BINS**2)
        joint = joint.reshape(pairs, BINS, BINS)
        information = (
            self._entropy(joint.sum(axis=1))
            + self._entropy(joint.sum(axis=2))
            - self._entropy(joint.reshape(pairs, -1))
        )
        similar = np.sqrt(1 - np.exp(-2 * np.maximum(information, 0.0)))
        return float(np.where(self._sizes < FEWEST, 0.0, similar).mean())

    def _entropy(self, counts: Counts) -> NDArray[np.float64]:
        """Estimate the entropy (nats) of each row's histogram, bias corrected."""
        plain = np.log(self._sizes) - self._count_log[counts].sum(axis=1) / self._sizes
        return np.asarray(plain + ((counts > 0).sum(axis=1) - 1) / (2 * self._sizes))


def _world_of(pair: Pair) -> NDArray[np.float64]:
    """Return the samples of a fixed image in the world in which the registration is wanted."""
    points = pair.fixed.samples[0].points
    if pair.fixed_from_world is None:
        return points
    return np.asarray(apply_affine(np.linalg.inv(pair.fixed_from_world), points))


def _bins_of(pair: Pair, grid: Grid) -> NDArray[np.uint8]:
    """Tabulate the bins of a moving image on a grid, flat, with air around it."""
    image = pair.moving.levels[0].resample(grid, antialias=False)
    return histogram_bins(np.asarray(image.array)).astype(np.uint8).ravel()


def _padded(grid: Grid) -> Grid:
    """Add a voxel on every side, where there is air."""
    affine = grid.affine.copy()
    affine[:3, 3] -= affine[:3, :3].sum(axis=1)
    i, j, k = (n + 2 for n in grid.shape)
    return Grid((i, j, k), affine)
