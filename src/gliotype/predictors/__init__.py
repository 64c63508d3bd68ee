"""The methods that predict IDH status: one file each, registered here.

A new method is one new file with a class like `Predictor`, and one line in `PREDICTORS`.
"""

from __future__ import annotations

from gliotype.errors import UsageError
from gliotype.findings import Finding, NotApplicable
from gliotype.predictors import hybrid, voxelwise
from gliotype.predictors.adc import AdcPredictor
from gliotype.predictors.age import AgePredictor
from gliotype.predictors.hybrid import HybridPredictor
from gliotype.predictors.mismatch import MismatchPredictor
from gliotype.predictors.mrs import MrsPredictor
from gliotype.predictors.perfusion import PerfusionPredictor
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs, Predictor
from gliotype.predictors.radiomics import RadiomicsPredictor
from gliotype.predictors.voxelwise import T2NetPredictor, TSNetPredictor
from gliotype.predictors.warnings import subject_warnings
from gliotype.runtime import in_parallel
from gliotype.study import Measurements, PreparedStudy, Subject, Tumour

__all__ = [
    "DEFAULT_PREVALENCE",
    "PREDICTORS",
    "Needs",
    "Predictor",
    "load_networks",
    "predict_all",
    "subject_warnings",
]

PREDICTORS: tuple[type[Predictor], ...] = (
    RadiomicsPredictor,
    HybridPredictor,
    T2NetPredictor,
    TSNetPredictor,
    PerfusionPredictor,
    AgePredictor,
    MismatchPredictor,
    AdcPredictor,
    MrsPredictor,
)
"""Every method, in the order in which reports list them."""


def load_networks() -> None:
    """Load the networks that most studies need, ahead of their first use."""
    hybrid.load_model()
    for name in (T2NetPredictor.name, TSNetPredictor.name):
        voxelwise.load_model(name)


def predict_all(
    prepared: PreparedStudy,
    tumour: Tumour,
    measurements: Measurements,
    subject: Subject,
    prevalence: float = DEFAULT_PREVALENCE,
) -> tuple[tuple[Finding, ...], tuple[NotApplicable, ...]]:
    """Ask every method.

    Args:
        prepared: images on the 1 mm grid.
        tumour: label map; where it is empty, no method applies.
        measurements: of this tumour.
        subject: the patient.
        prevalence: of IDH mutation, to which every probability will refer.

    Returns:
        Findings in the order of `PREDICTORS`, and the methods that do not apply, with the reason.

    Raises:
        UsageError: if the prevalence is not between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise UsageError(f"the prevalence {prevalence:g} is not between 0 and 1: give a fraction such as 0.3")
    if not tumour.found:
        return (), tuple(NotApplicable(each.name, "no tumour was found") for each in PREDICTORS)
    answers = in_parallel(
        lambda method: method(prevalence).predict(prepared, tumour, measurements, subject), PREDICTORS
    )
    return (
        tuple(answer for answer in answers if isinstance(answer, Finding)),
        tuple(answer for answer in answers if isinstance(answer, NotApplicable)),
    )
