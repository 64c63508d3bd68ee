"""Mutual information of two images at a given alignment.

Intensities are replaced by ranks, so that one measure serves all contrasts: mutual information, from
joint histograms of a few thousand voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.prepare.head import Mask, head_mask, shrink
from gliotype.volume import Matrix, Volume

LEVELS_MM = (8.0, 4.0, 2.0)
SAMPLES = (4_000, 10_000, 15_000)
"""Voxels in which the similarity is evaluated, at each level."""
BINS = 24
AIR_MM = 8.0
"""Width of the air around the head that counts as well."""

FEWEST = 300
"""Samples below which two images have nothing to do with each other."""

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Samples:
    """Voxels over the head and the air around it: where (world), ranks (0 to 1), in the head or not."""

    points: Points
    ranks: NDArray[np.float32]
    inside: Mask


@dataclass(frozen=True, eq=False)
class RegistrationImage:
    """One image of a registration, ready at each level.

    Attributes:
        levels: the image at about 8, 4 and 2 mm (never finer than it is), intensities equalised.
        head: mask of the head, or of the brain where the skull was removed, on the 4 mm level's grid.
        around: the head and `AIR_MM` of air around it, on the grid of each level.
        samples: a fixed selection of voxels of `around`, at each level.
        focus: what matters most in this image, where it is the moving one: the last steps of a registration
            look nowhere else. None for all of it.
    """

    levels: tuple[Volume, ...]
    head: Volume
    around: tuple[Volume, ...]
    samples: tuple[_Samples, ...]
    focus: Volume | None = None

    @classmethod
    def of(cls, image: Volume, head: Mask | None = None, focus: Volume | None = None) -> RegistrationImage:
        """Prepare an image.

        Args:
            image: 3D.
            head: mask on the same grid; found when None.
            focus: mask, see above.
        """
        middle = shrink(image, LEVELS_MM[1])
        if head is None:
            mask = middle.with_array(head_mask(middle))
        else:
            fraction = shrink(image.with_array(head), LEVELS_MM[1])
            mask = fraction.with_array(np.asarray(fraction.array, dtype=np.float32) >= 0.5)
        fine = _equalise_histogram(shrink(image, LEVELS_MM[2]), mask)
        levels = (shrink(fine, LEVELS_MM[0]), shrink(fine, LEVELS_MM[1]), fine)
        if not np.asarray(mask.array).any():
            mask = mask.with_array(np.ones(mask.array.shape, dtype=np.bool_))
        away = ndimage.distance_transform_edt(~np.asarray(mask.array, np.bool_), sampling=mask.grid.spacing)
        wide = mask.with_array(away < AIR_MM)
        around = tuple(wide.resample(level.grid, order=0) for level in levels)
        samples = tuple(_samples(*each, mask) for each in zip(levels, around, SAMPLES, strict=True))
        return cls(levels, mask, around, samples, focus)

    @property
    def points(self) -> Points:
        """World coordinates of some thousand voxels of the head, shape (n, 3)."""
        return self.samples[0].points[self.samples[0].inside]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images to be aligned.

    Attributes:
        fixed: the image that stays.
        moving: the image that is aligned with it.
        fixed_from_world: from the world in which the registration is wanted to that of `fixed`; None
            where they are the same.
    """

    fixed: RegistrationImage
    moving: RegistrationImage
    fixed_from_world: Matrix | None = None

    def similarity(self, moving_from_world: Matrix, level: int = 1, *, focused: bool = False) -> float:
        """Measure the similarity at a transform; see `similarity`."""
        matrix = self._moving_from_fixed(moving_from_world)
        return similarity(self.fixed, self.moving, matrix, level, focused=focused)

    def overlap(self, moving_from_world: Matrix) -> float:
        """Measure the overlap of the heads at a transform; see `overlap`."""
        return overlap(self.fixed, self.moving, self._moving_from_fixed(moving_from_world))

    def _moving_from_fixed(self, moving_from_world: Matrix) -> Matrix:
        if self.fixed_from_world is None:
            return moving_from_world
        return np.asarray(moving_from_world @ np.linalg.inv(self.fixed_from_world))


def similarity(
    fixed: RegistrationImage,
    moving: RegistrationImage,
    moving_from_fixed: Matrix,
    level: int = 1,
    *,
    focused: bool = False,
) -> float:
    """Measure the mutual information of two images around the fixed head; 0 (none) to 1.

    Informational coefficient of correlation, sqrt(1 - exp(-2 MI)) (Linfoot 1957), from a joint histogram
    of ranks, with the bias of the entropies corrected (Miller 1955). What the moving image does not cover
    counts as air.

    Args:
        fixed: where it is measured.
        moving: the other image.
        moving_from_fixed: transform between their worlds.
        level: of `LEVELS_MM`.
        focused: look only where the moving image has its focus.
    """
    here, there = fixed.samples[level], moving.levels[level]
    points = apply_affine(moving_from_fixed, here.points)
    pair = np.stack([here.ranks, _read(there, points, order=1)])
    if focused and moving.focus is not None:
        pair = pair[:, _read(moving.focus, points, order=0) > 0]
    if pair.shape[1] < FEWEST:
        return 0.0
    row, column = histogram_bins(pair)
    joint = np.bincount(row * BINS + column, minlength=BINS**2).reshape(BINS, BINS)
    information = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint.ravel())
    return float(np.sqrt(1 - np.exp(-2 * max(information, 0.0))))


def overlap(fixed: RegistrationImage, moving: RegistrationImage, moving_from_fixed: Matrix) -> float:
    """Measure the Dice overlap of the two heads within the field that both images cover."""
    grid = fixed.head.grid
    here = np.asarray(fixed.head.array, dtype=np.bool_)
    field = moving.head.with_array(np.ones(moving.head.array.shape, np.uint8))
    seen = np.asarray(field.resample(grid, moving_from_fixed, order=0).array, dtype=np.bool_)
    there = np.asarray(moving.head.resample(grid, moving_from_fixed, order=0).array, dtype=np.bool_)
    total = int((here & seen).sum() + there.sum())
    return float(2 * (here & there).sum() / total) if total else 0.0


def _read(image: Volume, points: Points, order: int) -> NDArray[np.float32]:
    """Read an image at world points; 0 outside."""
    index = apply_affine(np.linalg.inv(image.affine), points)
    array = np.asarray(image.array, dtype=np.float32)
    return np.asarray(ndimage.map_coordinates(array, index.T, order=order, prefilter=False), np.float32)


def histogram_bins(ranks: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the bin of the joint histogram into which each rank (0 to 1) falls."""
    return np.asarray(np.minimum((ranks * BINS).astype(np.intp), BINS - 1))


def _entropy(counts: NDArray[np.int64]) -> float:
    """Estimate the entropy (nats) of a histogram, bias corrected."""
    n = counts.sum()
    p = counts[counts > 0] / n
    return float(-(p * np.log(p)).sum() + (len(p) - 1) / (2 * n))


def _samples(image: Volume, around: Volume, count: int, head: Volume) -> _Samples:
    """Pick about `count` voxels of a mask, evenly."""
    candidates = np.flatnonzero(np.asarray(around.array, dtype=np.bool_))
    chosen = candidates[:: max(1, len(candidates) // count)]
    index = np.column_stack(np.unravel_index(chosen, image.array.shape))
    inside = np.asarray(head.resample(image.grid, order=0).array, dtype=np.bool_).ravel()[chosen]
    ranks = np.asarray(image.array, dtype=np.float32).ravel()[chosen]
    return _Samples(apply_affine(image.affine, index), ranks, inside)


def _equalise_histogram(image: Volume, head: Volume) -> Volume:
    """Replace intensities by their rank within the head (0 to 1), so that histogram bins are well used."""
    array = np.asarray(image.array, dtype=np.float32)
    inside = np.asarray(head.resample(image.grid, order=0).array, dtype=np.bool_)
    known = array[inside] if inside.any() else array.ravel()
    levels, first = np.unique(np.quantile(known, np.linspace(0, 1, 129)), return_index=True)
    return image.with_array(np.interp(array, levels, first / 128.0).astype(np.float32))
