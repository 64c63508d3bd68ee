"""The perfusion of a study: regions to the grid of its DSC series, analysis of its voxels, maps back on that grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gliotype.dsc import Perfusion, Region
from gliotype.errors import InputError
from gliotype.measure.acquired_grid import covered_fraction
from gliotype.measure.dsc.analyse import NoPerfusion, analyse
from gliotype.measure.dsc.regions import grid_of, on_grid, regions_on
from gliotype.study import PreparedStudy, Tumour
from gliotype.volume import Volume

WHOLE_TUMOUR = 95.0
"""Percentage of the tumour within the series below which the rest is mentioned."""


def perfusion(
    prepared: PreparedStudy, tumour: Tumour, arteries: Volume | None = None
) -> Perfusion | NoPerfusion:
    """Measure the perfusion of a prepared study.

    Args:
        prepared: brings the DSC series, motion-corrected on its own grid.
        tumour: label map on the prepared grid.
        arteries: boolean mask of the arterial input in the space of the series; None to find it.

    Returns:
        Curves, maps on the grid of the series, and every number of `PERFUSION_UNITS`; or, where there is no
        series or no bolus in it, the reason.

    Raises:
        InputError: if the given arteries lie outside the series.
    """
    series = prepared.dsc
    if series is None:
        return NoPerfusion("The study has no DSC series that can be used: perfusion was not measured.")
    regions = regions_on(series, prepared, tumour)
    given = None if arteries is None else _on_series(arteries, series.brain)
    voxels = np.asarray(series.brain.array, dtype=np.bool_) | regions[Region.WHOLE]
    voxels = voxels if given is None else voxels | given
    found = analyse(
        np.asarray(series.signal.array[voxels]),
        series.times_s,
        series.te_ms,
        brain=np.asarray(series.brain.array, dtype=np.bool_)[voxels],
        regions={region: mask[voxels] for region, mask in regions.items()},
        spin_echo=series.spin_echo,
        arteries=None if given is None else given[voxels],
    )
    if isinstance(found, NoPerfusion):
        return found
    arterial = np.zeros(voxels.shape, dtype=np.bool_)
    arterial[voxels] = found.arterial.voxels
    coverage = covered_fraction(grid_of(series), prepared, tumour)
    return Perfusion(
        times_s=found.times_s,
        te_ms=found.te_ms,
        bolus=found.bolus,
        arterial=replace(found.arterial, voxels=arterial),
        curves=found.curves,
        maps=on_grid(found.maps, voxels, series),
        numbers=dict(found.numbers) | {"tumour_coverage": coverage},
        warnings=(*found.warnings, *_of_coverage(coverage)),
    )


def _of_coverage(coverage: float | None) -> tuple[str, ...]:
    if coverage is None or coverage >= WHOLE_TUMOUR:
        return ()
    if coverage == 0:
        return ("The tumour lies outside the DSC series: its perfusion was not measured.",)
    return (
        f"Only {coverage:.0f} % of the tumour lies within the DSC series: perfusion is that of this part.",
    )


def _on_series(arteries: Volume, brain: Volume) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Bring a given mask to the grid of the series."""
    mask = arteries.with_array(np.asarray(arteries.array, dtype=np.bool_).astype(np.uint8))
    found = np.asarray(mask.resample(brain.grid, order=0).array, dtype=np.bool_)
    if not found.any():
        raise InputError("the given arteries lie outside the DSC series: mark them on one of its frames")
    return found
