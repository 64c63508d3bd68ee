"""Regions of the tumour and normal-appearing white matter on the grid of a DSC series, and maps back on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import DscSeries, Region
from gliotype.measure.acquired_grid import AcquiredGrid, labels_on, normal_white_on
from gliotype.measure.dsc.warnings import LITTLE_WHITE
from gliotype.study import Label, PreparedStudy, Tumour
from gliotype.volume import Volume

Mask = NDArray[np.bool_]

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
    place = grid_of(series)
    found = labels_on(place, prepared, tumour)
    brain = np.asarray(series.brain.array, dtype=np.bool_)
    parts = REGION_OF.items() if tumour.regions_known else ()
    regions: dict[Region, Mask] = {region: np.asarray(found == label) for label, region in parts}
    return regions | {
        Region.WHOLE: np.asarray(found > 0),
        Region.WHITE_MATTER: normal_white_on(place, prepared, tumour, brain, LITTLE_WHITE) & (found == 0),
    }


def grid_of(series: DscSeries) -> AcquiredGrid:
    """Return where a DSC series lies."""
    return AcquiredGrid(series.brain.grid, series.dsc_from_prepared)


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
