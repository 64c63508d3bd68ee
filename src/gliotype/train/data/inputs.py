"""Further arrays of an example, which only some methods read; each is made where a method asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gliotype.predictors import Predictor
from gliotype.predictors.adc import AdcPredictor
from gliotype.predictors.curves import CHANNELS, POINTS, curves_of, lacking
from gliotype.predictors.mismatch import MismatchPredictor
from gliotype.predictors.radiomics import PARTS
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour
from gliotype.train.data.voxels import VOXELS, voxels_of

Mask = NDArray[np.bool_]
InputMaker = Callable[[PreparedStudy, Tumour, Measurements, Mask | None], NDArray[np.generic]]
"""Makes an array from a study, the tumour that was found, its measurements, and the true tumour, if it is known."""

CURVES = "curves"

RADIOMICS: tuple[str, ...] = tuple(name for part in PARTS.values() for name in part if name != "age")
"""Measurements of the array ``radiomics``, in order."""


def _radiomics(
    prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, truth: Mask | None
) -> NDArray[np.generic]:
    """Line up the measurements of `RADIOMICS`; NaN where one is missing."""
    found = [measurements[name] for name in RADIOMICS]
    return np.array([np.nan if value is None else value for value in found])


def _statement_of(predictor: type[Predictor]) -> InputMaker:
    """Make the log likelihood ratio of a method without parameters, (1,); NaN where it does not apply."""

    def make(
        prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, truth: Mask | None
    ) -> NDArray[np.generic]:
        said = predictor().statement(prepared, tumour, measurements, Subject("patient"))
        return np.array([np.nan if said is None else said.log_likelihood_ratio])

    return make


def _curves(
    prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, truth: Mask | None
) -> NDArray[np.generic]:
    """Build the perfusion network's input, (1, channels, points); (0, channels, points) where it cannot be built."""
    perfusion = measurements.dsc
    if perfusion is None or lacking(perfusion):
        return np.zeros((0, len(CHANNELS), POINTS), np.float32)
    return curves_of(perfusion)[None]


def _voxels(
    prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, truth: Mask | None
) -> NDArray[np.generic]:
    """Pack the images on the grid of T2-net and TS-net, with the true tumour, or else with the one that was found."""
    return voxels_of(prepared, tumour.mask if truth is None else truth)


INPUTS: Mapping[str, InputMaker] = MappingProxyType(
    {
        "radiomics": _radiomics,
        "mismatch": _statement_of(MismatchPredictor),
        "adc": _statement_of(AdcPredictor),
        CURVES: _curves,
        VOXELS: _voxels,
    }
)
"""The arrays by name."""

SEQUENCES: Mapping[str, Sequence] = MappingProxyType({"adc": Sequence.ADC, CURVES: Sequence.DSC})
"""The further sequence from which an array is made; the others are made from the structural images alone."""


def make_inputs(
    names: Iterable[str],
    prepared: PreparedStudy,
    tumour: Tumour,
    measurements: Measurements,
    truth: Mask | None,
) -> dict[str, NDArray[np.generic]]:
    """Make the arrays that methods ask for.

    Args:
        names: of the arrays, keys of `INPUTS`.
        prepared: the study.
        tumour: that was found; not empty.
        measurements: of the tumour.
        truth: the true whole tumour on the prepared grid, if it is known.
    """
    return {name: INPUTS[name](prepared, tumour, measurements, truth) for name in sorted(names)}
