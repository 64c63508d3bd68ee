"""Regions of the tumour and normal-appearing white matter, resampled to the grid of a DSC series."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.dsc import DscSeries, Region
from gliotype.masks import read_whole
from gliotype.measure.dsc.warnings import LITTLE_WHITE
from gliotype.prepare.intensity import likely_white
from gliotype.study import STRUCTURAL, Label, PreparedStudy, Tumour
from gliotype.volume import Matrix, Volume

Mask = NDArray[np.bool_]

AWAY_MM = 10.0
"""White matter nearer to the tumour than this is not taken for normal."""

WHITE_WITHIN = 0.25
"""How far an image may be from 1, its level of white matter."""

MOSTLY = 0.75
"""Share of white matter in a DSC voxel from which it is taken."""

ONE_SIDED = 0.25
"""Share of the tumour beyond the midline above which it is taken for bilateral."""

REGION_OF = {
    Label.CORE: Region.NON_ENHANCING,
    Label.OEDEMA: Region.OEDEMA,
    Label.ENHANCING: Region.ENHANCING,
}
"""The region that each label of the tumour is."""


def regions_on(series: DscSeries, prepared: PreparedStudy, tumour: Tumour) -> dict[Region, Mask]:
    """Bring all regions to the grid of a DSC series.

    Labels fill as many voxels as they have volume within the series, however thick its slices are. White matter
    takes only voxels that hold little else.

    Args:
        series: the DSC series.
        prepared: images on the 1 mm grid.
        tumour: label map on the same grid.

    Returns:
        A boolean mask on the grid of the series for each region; of a tumour whose sub-regions are not known, for
        the whole and white matter alone.
    """
    inside = covered(series, prepared)
    labels = tumour.labels.with_array(np.where(inside, np.asarray(tumour.labels.array, dtype=np.uint8), 0))
    prepared_from_dsc = np.asarray(np.linalg.inv(series.dsc_from_prepared))
    found = np.asarray(read_whole(labels, series.brain.grid, prepared_from_dsc).array)
    parts = REGION_OF.items() if tumour.regions_known else ()
    regions: dict[Region, Mask] = {region: np.asarray(found == label) for label, region in parts}
    return regions | {
        Region.WHOLE: np.asarray(found > 0),
        Region.WHITE_MATTER: _normal_white(series, prepared, tumour, prepared_from_dsc) & (found == 0),
    }


def covered(series: DscSeries, prepared: PreparedStudy) -> Mask:
    """Tell which voxels of the prepared grid lie within the DSC series."""
    everywhere = series.brain.with_array(np.ones(series.brain.grid.shape, np.uint8))
    return np.asarray(
        everywhere.resample(prepared.grid, series.dsc_from_prepared, order=0).array, dtype=np.bool_
    )


def _normal_white(
    series: DscSeries, prepared: PreparedStudy, tumour: Tumour, prepared_from_dsc: Matrix
) -> Mask:
    """White matter of the side without tumour; of both sides where that has too little."""
    white = _normal_looking(prepared, tumour)
    opposite = white & opposite_side(prepared, tumour)

    def on_dsc(mask: Mask) -> Mask:
        share = prepared.brain.with_array(mask.astype(np.float32)).resample(
            series.brain.grid, prepared_from_dsc
        )
        return np.asarray((share.array >= MOSTLY) & np.asarray(series.brain.array, dtype=np.bool_))

    contralateral = on_dsc(opposite)
    return contralateral if contralateral.sum() >= LITTLE_WHITE else on_dsc(white)


def _normal_looking(prepared: PreparedStudy, tumour: Tumour) -> Mask:
    """White matter of the atlas, away from the tumour, where every structural image is at its level."""
    white = np.array(likely_white(prepared.grid, prepared.mni_from_prepared).array, dtype=np.bool_)
    white &= np.asarray(prepared.brain.array, dtype=np.bool_)
    if tumour.found:
        white &= ndimage.distance_transform_edt(~tumour.mask, sampling=prepared.grid.spacing) > AWAY_MM
    for sequence in STRUCTURAL:
        if sequence in prepared.images:
            white &= np.abs(np.asarray(prepared.images[sequence].array) - 1) <= WHITE_WITHIN
    return white


def opposite_side(prepared: PreparedStudy, tumour: Tumour) -> Mask:
    """Tell which voxels lie on the side of the head without tumour; all where the tumour has none or both sides."""
    across = np.asarray(prepared.mni_from_prepared @ prepared.grid.affine)[0]
    i, j, k = np.ogrid[tuple(slice(n) for n in prepared.grid.shape)]
    right = across[0] * i + across[1] * j + across[2] * k + across[3] > 0
    on_right = float(right[tumour.mask].mean()) if tumour.found else 0.5
    if min(on_right, 1 - on_right) > ONE_SIDED:
        return np.ones(prepared.grid.shape, dtype=np.bool_)
    return np.asarray(~right if on_right > 0.5 else right)


def covered_fraction(series: DscSeries, prepared: PreparedStudy, tumour: Tumour) -> float | None:
    """Return the percentage of the tumour that lies within the series, None without tumour."""
    return 100 * float(covered(series, prepared)[tumour.mask].mean()) if tumour.found else None


def on_grid(values: Mapping[str, NDArray[np.floating]], voxels: Mask, series: DscSeries) -> dict[str, Volume]:
    """Put maps of some voxels on the grid of the series; NaN elsewhere.

    Args:
        values: by name, (n,).
        voxels: the n voxels, on the grid of the series.
        series: gives the grid.
    """
    maps = {}
    for name, map_ in values.items():
        array = np.full(voxels.shape, np.nan, dtype=np.float32)
        array[voxels] = map_
        maps[name] = series.brain.with_array(array)
    return maps
