"""Measure the tumour: prepared study and tumour in, named numbers out."""

from __future__ import annotations

from dataclasses import replace

from gliotype.dsc import Perfusion
from gliotype.measure.cest import CEST_UNITS, cest
from gliotype.measure.diffusion import DIFFUSION_UNITS, diffusion
from gliotype.measure.dsc import PERFUSION_UNITS, NoPerfusion, VoxelPerfusion, analyse, perfusion
from gliotype.measure.loci import LOCI_UNITS, loci
from gliotype.measure.mismatch import MISMATCH_UNITS, mismatch, subtract_flair
from gliotype.measure.mrs import SPECTROSCOPY_UNITS, spectroscopy
from gliotype.measure.shape import SHAPE_UNITS, shape_features
from gliotype.measure.signal import SIGNAL_UNITS, signal_ratios
from gliotype.study import Measurements, PreparedStudy, Tumour
from gliotype.volume import Volume

__all__ = [
    "CEST_UNITS",
    "DIFFUSION_UNITS",
    "LOCI_UNITS",
    "MISMATCH_UNITS",
    "PERFUSION_UNITS",
    "SHAPE_UNITS",
    "SIGNAL_UNITS",
    "SPECTROSCOPY_UNITS",
    "NoPerfusion",
    "VoxelPerfusion",
    "analyse",
    "cest",
    "diffusion",
    "loci",
    "measure",
    "mismatch",
    "perfusion",
    "shape_features",
    "signal_ratios",
    "spectroscopy",
    "subtract_flair",
]


ARTERIES_UNUSED = "arteries were given, but there is no DSC series to measure: they were not used"
"""What is said where the caller's arterial input has no series."""


def measure(prepared: PreparedStudy, tumour: Tumour, arteries: Volume | None = None) -> Measurements:
    """Measure shape, location, signal and T2-FLAIR mismatch of the tumour, its perfusion, diffusion, 2HG and CEST.

    Args:
        prepared: images on the 1 mm grid, and the DSC series, ADC map, spectrum and Z-spectra that there are.
        tumour: label map on the same grid.
        arteries: mask of the arterial input in the space of the DSC series; None to find it.

    Returns:
        Every number of `SHAPE_UNITS`, `LOCI_UNITS`, `SIGNAL_UNITS` and `MISMATCH_UNITS`, with a DSC series those of
        `PERFUSION_UNITS`, with an ADC map those of `DIFFUSION_UNITS`, with a spectrum those of `SPECTROSCOPY_UNITS`,
        and with Z-spectra those of `CEST_UNITS`; None where a number cannot be computed. Definitions in
        ``docs/reference/measurements.md``.
    """
    whole = tumour.labels.with_array(tumour.mask)
    numbers, remarks = diffusion(prepared, tumour)
    metabolites, fitted, notes = spectroscopy(prepared, tumour)
    asymmetries, maps, cest_notes = cest(prepared, tumour)
    remarks = (*remarks, *notes, *cest_notes)
    measurements = Measurements(
        shape=shape_features(whole),
        loci=loci(whole, prepared.mni_from_prepared),
        signal=signal_ratios(prepared, tumour.mask),
        mismatch=mismatch(prepared, tumour),
        diffusion=numbers,
        spectroscopy=metabolites,
        mrs=fitted,
        cest=asymmetries,
        cest_maps=maps,
        units={
            **SHAPE_UNITS,
            **LOCI_UNITS,
            **SIGNAL_UNITS,
            **MISMATCH_UNITS,
            **(DIFFUSION_UNITS if numbers else {}),
            **(SPECTROSCOPY_UNITS if metabolites else {}),
            **(CEST_UNITS if asymmetries else {}),
        },
        warnings=remarks,
    )
    if prepared.dsc is None:
        return (
            measurements if arteries is None else replace(measurements, warnings=(*remarks, ARTERIES_UNUSED))
        )
    return _with_perfusion(measurements, perfusion(prepared, tumour, arteries))


def _with_perfusion(measurements: Measurements, found: Perfusion | NoPerfusion) -> Measurements:
    """Add the perfusion; all its numbers are None where the series shows none."""
    units = {**measurements.units, **PERFUSION_UNITS}
    if isinstance(found, NoPerfusion):
        nothing = dict.fromkeys(PERFUSION_UNITS)
        return replace(
            measurements, perfusion=nothing, units=units, warnings=(*measurements.warnings, found.reason)
        )
    warnings = (*measurements.warnings, *found.warnings)
    return replace(measurements, perfusion=found.numbers, units=units, dsc=found, warnings=warnings)
