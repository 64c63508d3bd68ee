"""Bring the tumour and normal-appearing white matter to the grid of a series that stays as it was acquired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from gliotype.masks import box_around, read_whole, within_mm
from gliotype.prepare.intensity import likely_white
from gliotype.study import STRUCTURAL, PreparedStudy, Tumour
from gliotype.volume import Grid, Matrix

Mask = NDArray[np.bool_]

AWAY_MM = 10.0
"""White matter nearer to the tumour than this is not taken for normal."""

WHITE_WITHIN = 0.25
"""How far an image may be from 1, its level of white matter."""

MOSTLY = 0.75
"""Fraction of white matter at or above which a voxel of the series counts as white matter."""

MARGIN_VOXELS = 12
"""Width of the margin in which labels are smoothed for thick slices."""

ONE_SIDED = 0.25
"""Fraction of the tumour beyond the midline above which it counts as bilateral."""


@dataclass(frozen=True, eq=False)
class AcquiredGrid:
    """The grid of a series, and how the prepared grid lies to it.

    Attributes:
        grid: of the series as acquired.
        from_prepared: rigid transform, world of the prepared grid to that of the series (RAS mm).
    """

    grid: Grid
    from_prepared: Matrix

    @property
    def to_prepared(self) -> Matrix:
        """Rigid transform, world of the series to that of the prepared grid (RAS mm)."""
        return np.asarray(np.linalg.inv(self.from_prepared))


def covered(series: AcquiredGrid, prepared: PreparedStudy, mask: Mask) -> Mask:
    """Return the voxels of a mask on the prepared grid that lie within a series."""
    voxels = np.argwhere(mask)
    series_from_prepared = np.linalg.inv(series.grid.affine) @ series.from_prepared @ prepared.grid.affine
    index = apply_affine(series_from_prepared, voxels)
    inside = ((index >= -0.5) & (index < np.array(series.grid.shape) - 0.5)).all(axis=1)
    found = np.zeros_like(mask)
    found[tuple(voxels[inside].T)] = True
    return found


def covered_fraction(series: AcquiredGrid, prepared: PreparedStudy, tumour: Tumour) -> float | None:
    """Return the percentage of the tumour that lies within a series, None without tumour."""
    mask = tumour.mask
    return 100 * float(covered(series, prepared, mask).sum() / mask.sum()) if tumour.found else None


def labels_on(series: AcquiredGrid, prepared: PreparedStudy, tumour: Tumour) -> NDArray[np.uint8]:
    """Bring the tumour's labels to the grid of a series.

    Labels fill as many voxels as they have volume within the series, however thick its slices are.
    """
    inside = covered(series, prepared, tumour.mask)
    if not inside.any():
        return np.zeros(series.grid.shape, np.uint8)
    box = box_around(inside, MARGIN_VOXELS)
    part = tumour.labels.cropped(box)
    labels = part.with_array(np.where(inside[box], np.asarray(part.array, dtype=np.uint8), 0))
    return np.asarray(read_whole(labels, series.grid, series.to_prepared).array)


def normal_white_on(
    series: AcquiredGrid, prepared: PreparedStudy, tumour: Tumour, within: Mask, enough: int
) -> Mask:
    """Bring normal-appearing white matter to the grid of a series: voxels that hold little else.

    Args:
        series: where it is wanted.
        prepared: images on the 1 mm grid.
        tumour: label map on the same grid.
        within: voxels of the series that count, such as the brain.
        enough: voxels of the side without tumour below which both sides are taken.
    """
    white = _normal_looking(prepared, tumour)
    opposite = white & opposite_side(prepared, tumour)

    def on_series(mask: Mask) -> Mask:
        fraction = prepared.brain.with_array(mask.astype(np.float32)).resample(
            series.grid, series.to_prepared
        )
        return np.asarray((fraction.array >= MOSTLY) & within)

    contralateral = on_series(opposite)
    return contralateral if contralateral.sum() >= enough else on_series(white)


def _normal_looking(prepared: PreparedStudy, tumour: Tumour) -> Mask:
    """White matter of the atlas, away from the tumour, where every structural image is at its level."""
    white = np.array(likely_white(prepared.grid, prepared.mni_from_prepared).array, dtype=np.bool_)
    white &= np.asarray(prepared.brain.array, dtype=np.bool_)
    if tumour.found:
        white &= ~within_mm(tumour.mask, AWAY_MM, prepared.grid.spacing)
    candidates = np.flatnonzero(white)
    normal = np.ones(candidates.size, dtype=np.bool_)
    for sequence in STRUCTURAL:
        if sequence in prepared.images:
            values = np.asarray(prepared.images[sequence].array).ravel()[candidates]
            normal &= np.abs(values - 1) <= WHITE_WITHIN
    white.ravel()[candidates[~normal]] = False
    return white


def opposite_side(prepared: PreparedStudy, tumour: Tumour) -> Mask:
    """Return the voxels on the side of the head without tumour; all if the tumour lies on neither side or on both."""
    across = np.asarray(prepared.mni_from_prepared @ prepared.grid.affine)[0]
    i, j, k = np.ogrid[tuple(slice(n) for n in prepared.grid.shape)]
    right = across[0] * i + across[1] * j + across[2] * k + across[3] > 0
    on_right = float(right[tumour.mask].mean()) if tumour.found else 0.5
    if min(on_right, 1 - on_right) > ONE_SIDED:
        return np.ones(prepared.grid.shape, dtype=np.bool_)
    return np.asarray(~right if on_right > 0.5 else right)
