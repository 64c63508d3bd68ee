"""Measure the tumour: prepared study and tumour in, named numbers out."""

from __future__ import annotations

from gliotype.measure.loci import LOCI_UNITS, loci
from gliotype.measure.mismatch import MISMATCH_UNITS, mismatch
from gliotype.measure.shape import SHAPE_UNITS, shape_features
from gliotype.measure.signal import SIGNAL_UNITS, signal_ratios
from gliotype.study import Measurements, PreparedStudy, Tumour

__all__ = [
    "LOCI_UNITS",
    "MISMATCH_UNITS",
    "SHAPE_UNITS",
    "SIGNAL_UNITS",
    "loci",
    "measure",
    "mismatch",
    "shape_features",
    "signal_ratios",
]


def measure(prepared: PreparedStudy, tumour: Tumour) -> Measurements:
    """Measure shape, place, signal and T2-FLAIR mismatch of the whole tumour.

    Args:
        prepared: images on the 1 mm grid.
        tumour: label map on the same grid.

    Returns:
        Every number of `SHAPE_UNITS`, `LOCI_UNITS`, `SIGNAL_UNITS` and `MISMATCH_UNITS`, None where it
        cannot be had; definitions in ``docs/reference/measurements.md``.
    """
    whole = tumour.labels.with_array(tumour.mask)
    return Measurements(
        shape=shape_features(whole),
        loci=loci(whole, prepared.mni_from_prepared),
        signal=signal_ratios(prepared, tumour.mask),
        mismatch=mismatch(prepared, tumour),
        units={**SHAPE_UNITS, **LOCI_UNITS, **SIGNAL_UNITS, **MISMATCH_UNITS},
    )
