"""The numbers of a tumour's perfusion, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import TUMOUR_REGIONS, Bolus, Floats
from gliotype.measure.dsc.curves import full_width, signal_recovery, time_to_peak

Mask = NDArray[np.bool_]
Values = NDArray[np.floating]

FEWEST_VOXELS = 20
"""A region with fewer voxels has no curve and no numbers."""

REGION_UNITS = MappingProxyType(
    {
        "nrcbv_mean": "1",
        "nrcbv_p90": "1",
        "nrcbv_p95": "1",
        "nrcbv_uncorrected_mean": "1",
        "nrcbv_uncorrected_p95": "1",
        "k2": "1/s",
        "psr": "%",
        "fwhm": "s",
        "ttp": "s",
        "ncbf": "1",
        "mtt": "s",
    }
)
"""What is measured in each region of the tumour, and the unit of each."""

QUALITY_UNITS = MappingProxyType(
    {
        "dsc_frames": "1",
        "dsc_interval": "s",
        "baseline_frames": "1",
        "arterial_voxels": "1",
        "white_matter_voxels": "1",
        "tumour_voxels": "1",
        "tumour_coverage": "%",
    }
)
"""How good the series is, and the unit of each."""

PERFUSION_UNITS: Mapping[str, str] = MappingProxyType(
    {f"{region}_{name}": unit for region in TUMOUR_REGIONS for name, unit in REGION_UNITS.items()}
    | dict(QUALITY_UNITS)
)
"""Names of all perfusion measurements, and the unit of each."""


def mean(values: Values) -> float | None:
    """Return the mean of what was measured, or None where nothing was."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else None


def percentile(values: Values, percent: float) -> float | None:
    """Return a percentile of what was measured, or None where nothing was."""
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percent)) if known.size else None


def of_maps(maps: Mapping[str, Values], voxels: Mask) -> dict[str, float | None]:
    """Take a region's numbers from the maps.

    Args:
        maps: by name (see `gliotype.dsc.Perfusion`), (n,) each.
        voxels: of the region, (n,).
    """
    corrected, plain = maps["rcbv"][voxels], maps["rcbv_uncorrected"][voxels]
    return {
        "nrcbv_mean": mean(corrected),
        "nrcbv_p90": percentile(corrected, 90),
        "nrcbv_p95": percentile(corrected, 95),
        "nrcbv_uncorrected_mean": mean(plain),
        "nrcbv_uncorrected_p95": percentile(plain, 95),
        "k2": mean(maps["k2"][voxels]),
        "ncbf": mean(maps["cbf"][voxels]),
        "mtt": percentile(maps["mtt"][voxels], 50),
    }


def of_curve(relative: Floats, delta_r2: Floats, times_s: Floats, bolus: Bolus) -> dict[str, float | None]:
    """Take a region's numbers from its mean curves.

    Args:
        relative: mean S/S0, (t,).
        delta_r2: mean dR2* without leakage, (t,).
        times_s: (t,).
        bolus: when the bolus passes.
    """
    return {
        "psr": mean(signal_recovery(relative[None], times_s, bolus)),
        "fwhm": mean(full_width(delta_r2[None], times_s, bolus)),
        "ttp": mean(time_to_peak(delta_r2[None], times_s, bolus)),
    }
