"""A few robust numbers: flatness, T1c, T2 and FLAIR over the tumour's surroundings, and age.

A ridge logistic model was fitted for every subset of these parts, and the one that fits what the study has is
used: a missing sequence or age degrades the answer in a stated way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import ClassVar

from gliotype.findings import Finding, NotApplicable, PredictionSet, Reason, Statement
from gliotype.predictors.conformal import ConformalThresholds
from gliotype.predictors.logistic import Answer, LogisticModel, load_models, widest_model
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.runtime import read_weights
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour

PARTS = MappingProxyType(
    {
        "shape": ("Flatness",),
        "T1C": ("T1C_inner_mean_over_tissue", "T1C_inner_p95_over_tissue"),
        "T2": ("T2_inner_p25_over_tissue",),
        "FLAIR": ("FLAIR_inner_p25_over_tissue",),
        "age": ("age",),
    }
)
"""The features of each part."""

ENHANCEMENT, ENHANCING_ABOVE = "T1C_inner_p95_over_tissue", 1.4
"""A tumour enhances on T1c where this number is above this value."""

ENHANCING, NOT_ENHANCING = "T1c enhancing", "T1c not enhancing"
"""Strata of the conformal thresholds."""

LIMITS = (
    "Fitted on one hospital's patients, of whom four fifths had a glioblastoma, with the usual errors of a found "
    "outline added; a larger error of the outline makes these numbers wrong."
)


class RadiomicsPredictor:
    """Ridge logistic regression on shape, signal ratios and age, fitted on the UCSF-PDGM tables."""

    name: ClassVar[str] = "radiomics"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset(),))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the probability from all parts that could be measured."""
        values = _available(measurements, subject)
        model = widest_model(load_models("radiomics.json"), values)
        if model is None:
            return NotApplicable(self.name, "neither the tumour's shape nor its signal could be measured")
        answer = model.answer(values, self.prevalence)
        used = [part for part, features in PARTS.items() if set(features) <= set(model.features)]
        return Finding(
            method=self.name,
            probability=answer.probability,
            interval=answer.interval,
            sequences=tuple(Sequence(part) for part in used if part in Sequence.__members__),
            reasons=_reasons(model, answer, values, measurements),
            limits=_limits(answer),
            summary=_summary(model, used),
            prediction_set=_prediction_set(model, values),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the log likelihood ratio of all parts that could be measured, age left out."""
        values = _available(measurements, Subject(subject.id))
        model = widest_model(load_models("radiomics.json"), values)
        return None if model is None else model.statement(values)


def _prediction_set(model: LogisticModel, values: dict[str, float]) -> PredictionSet | None:
    """Say which classes cannot be excluded among tumours that enhance as this one; None without T1c."""
    strata = _conformal_thresholds().get(frozenset(model.features), {})
    if ENHANCEMENT not in values or not strata:
        return None
    stratum = ENHANCING if values[ENHANCEMENT] > ENHANCING_ABOVE else NOT_ENHANCING
    thresholds = strata[stratum]
    return PredictionSet(
        classes=tuple(sorted(thresholds.prediction_set(model.statement(values).log_likelihood_ratio))),
        level=thresholds.level,
        stratum=stratum,
        patients=thresholds.mutants + thresholds.wildtypes,
        too_few=thresholds.too_few,
    )


@cache
def _conformal_thresholds() -> Mapping[frozenset[str], Mapping[str, ConformalThresholds]]:
    """Read the conformal thresholds of each model by stratum, by the model's features."""
    return read_weights(
        "radiomics.json",
        lambda document: {
            frozenset(model["features"]): {
                name: ConformalThresholds.from_json(each) for name, each in model["conformal"].items()
            }
            for model in document["models"]
        },
    )


def _available(measurements: Measurements, subject: Subject) -> dict[str, float]:
    named = {**measurements.shape, **measurements.signal, "age": subject.age}
    wanted = [feature for features in PARTS.values() for feature in features]
    return {name: value for name in wanted if (value := named.get(name)) is not None}


def _reasons(
    model: LogisticModel, answer: Answer, values: dict[str, float], measurements: Measurements
) -> tuple[Reason, ...]:
    reasons = [
        Reason(
            name,
            values[name],
            "years" if name == "age" else measurements.units[name],
            answer.contributions[name],
            f"training patients: {mean:.3g} ± {sd:.2g}",
        )
        for name, mean, sd in zip(model.features, model.mean, model.sd, strict=True)
    ]
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.contribution or 0.0)))


def _limits(answer: Answer) -> str:
    if not answer.beyond:
        return LIMITS
    names = ", ".join(answer.beyond)
    return f"{LIMITS} Outside the range of the training patients, and therefore limited to it: {names}."


def _summary(model: LogisticModel, used: list[str]) -> str:
    words = {part: Sequence(part).word if part in Sequence.__members__ else part for part in PARTS}
    missing = [words[part] for part in PARTS if part not in used]
    value, low, high = model.auroc
    parts = ", ".join(words[part] for part in used)
    sentence = (
        f"{parts[0].upper()}{parts[1:]} together "
        f"(cross-validated AUROC {value:.2f}, 95 % interval {low:.2f} to {high:.2f}, n = {model.patients})"
    )
    return f"{sentence}; without {', '.join(missing)}." if missing else f"{sentence}."
