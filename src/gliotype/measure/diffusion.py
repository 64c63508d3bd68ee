"""The apparent diffusion coefficient (ADC) of the tumour, and over that of normal-appearing white matter.

Vasogenic oedema and necrosis raise ADC whatever the tumour is; therefore only the enhancing part of an enhancing tumour
is assessed, its solid tissue. Of a tumour that hardly enhances the whole is, as in the studies of volumetric ADC (Thust
2018). Cyst, necrosis and CSF within are left out by their ADC.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gliotype.measure.acquired_grid import AcquiredGrid, covered_fraction, labels_on, normal_white_on
from gliotype.measure.mismatch import MAX_ENHANCING_PERCENT
from gliotype.study import Label, Numbers, PreparedStudy, Sequence, Tumour

DIFFUSION_UNITS = MappingProxyType(
    {
        "adc_mean": "1e-3 mm2/s",
        "adc_median": "1e-3 mm2/s",
        "adc_p10": "1e-3 mm2/s",
        "adc_ratio": "1",
        "adc_white_matter": "1e-3 mm2/s",
        "adc_assessed_volume": "ml",
        "adc_fluid_fraction": "%",
        "adc_enhancing_only": "1",
        "adc_coverage": "%",
    }
)
"""Names of all diffusion measurements, and the unit of each."""

FLUID_ADC = 2.5
"""Above this ADC (1e-3 mm2/s) a voxel counts as cyst, necrosis or CSF."""

MIN_ADC = 0.1
"""Below this ADC (1e-3 mm2/s) a voxel counts as noise, calcification or signal that was lost."""

MIN_ASSESSED_ML = 0.5
FEWEST_WHITE = 20
"""Voxels of white matter below which there is no ratio."""
ENOUGH_WHITE = 100
"""Voxels of white matter on the side without tumour below which both sides are taken."""
WHOLE_TUMOUR = 95.0
"""Percentage of the tumour within the map below which the rest is mentioned."""

Mask = NDArray[np.bool_]


def diffusion(prepared: PreparedStudy, tumour: Tumour) -> tuple[Numbers, tuple[str, ...]]:
    """Measure the ADC of the tumour on the grid of the ADC map.

    Args:
        prepared: brings the ADC map.
        tumour: label map on the prepared grid.

    Returns:
        The measurements of `DIFFUSION_UNITS`, each None where it cannot be computed (no entries without an ADC map),
        and warnings, one sentence each.
    """
    if prepared.adc is None:
        return {}, ()
    found: dict[str, float | None] = dict.fromkeys(DIFFUSION_UNITS)
    if not tumour.found:
        return found, ()
    adc = np.asarray(prepared.adc.array, dtype=np.float64)
    place = AcquiredGrid(prepared.adc.grid, prepared.acquired_from_prepared[Sequence.ADC])
    labels = labels_on(place, prepared, tumour)
    measured = adc >= MIN_ADC
    tissue = measured & (adc <= FLUID_ADC)
    coverage = covered_fraction(place, prepared, tumour) or 0.0
    enhancing_only = _enhances(tumour)
    part = labels == Label.ENHANCING if enhancing_only else labels > 0
    found |= {"adc_enhancing_only": float(enhancing_only), "adc_coverage": coverage}
    if (part & measured).any():
        found["adc_fluid_fraction"] = 100 * float((adc[part & measured] > FLUID_ADC).mean())
    white = normal_white_on(place, prepared, tumour, tissue, ENOUGH_WHITE) & (labels == 0)
    if int(white.sum()) >= FEWEST_WHITE:
        found["adc_white_matter"] = float(np.median(adc[white]))
    found |= _of_part(adc[part & tissue], prepared.adc.grid.voxel_ml, found["adc_white_matter"])
    return found, _remarks(found, coverage)


def _enhances(tumour: Tumour) -> bool:
    """Whether more of the tumour enhances than of one that counts as non-enhancing."""
    enhancing = np.asarray(tumour.labels.array)[tumour.mask] == Label.ENHANCING
    return tumour.regions_known and 100 * float(enhancing.mean()) > MAX_ENHANCING_PERCENT


def _of_part(values: NDArray[np.float64], voxel_ml: float, white: float | None) -> dict[str, float | None]:
    volume_ml = values.size * voxel_ml
    if volume_ml < MIN_ASSESSED_ML:
        return {"adc_assessed_volume": volume_ml}
    mean = float(values.mean())
    return {
        "adc_assessed_volume": volume_ml,
        "adc_mean": mean,
        "adc_median": float(np.median(values)),
        "adc_p10": float(np.percentile(values, 10)),
        "adc_ratio": None if white is None else mean / white,
    }


def _remarks(found: Numbers, coverage: float) -> tuple[str, ...]:
    remarks = []
    if coverage == 0:
        return ("The tumour lies outside the ADC map: its ADC was not measured.",)
    if coverage < WHOLE_TUMOUR:
        remarks.append(
            f"Only {coverage:.0f} % of the tumour lies within the ADC map: its ADC is that of this part."
        )
    if found["adc_mean"] is None:
        remarks.append(
            f"Less than {MIN_ASSESSED_ML:g} ml of the tumour is neither fluid nor without signal on the ADC map: "
            "its ADC was not measured."
        )
    elif found["adc_white_matter"] is None:
        remarks.append(
            "Too little normal-appearing white matter was found on the ADC map: there is no ADC ratio."
        )
    return tuple(remarks)
