"""The model card of the answer, written from what was fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gliotype.evaluate.roc import auroc
from gliotype.result import Call
from gliotype.train.answer.records import PatientRecord
from gliotype.train.radiomics.errors import MeasurementErrors

if TYPE_CHECKING:
    from gliotype.train.answer.train import LeftOut


def answer_card(
    document: dict[str, Any],
    errors: MeasurementErrors,
    records: list[PatientRecord],
    left_out: list[LeftOut],
) -> str:
    """Write the card in Markdown.

    Args:
        document: content of ``answer.json``.
        errors: of the numbers on found outlines.
        records: all patients, also those in whom no tumour was found.
        left_out: the answer for each patient whose tumour was found, with weights fitted on the others.
    """
    return "\n".join(
        (
            *_head(document),
            *_weights(document),
            *_errors(errors),
            *_results(records, left_out),
            *_LIMITS,
        )
    )


_LIMITS = (
    "## Limits",
    "",
    "The patients on whom the weights were updated are few and of lower grade.",
    "Choices were made while looking at them.",
    "Leaving a patient out of the weights does not undo those choices.",
    "The spread between hospitals comes from another system's predictions.",
    "The range covers coefficients, weights, hospitals and outlines.",
    "Its coverage on new patients has not been measured.",
    "",
)


def _head(document: dict[str, Any]) -> Iterator[str]:
    low, high = document["thresholds"]
    yield from (
        "# Model card: answer",
        "",
        "P(IDH mutation) from all findings: log-odds = prior + sum of weight times log likelihood ratio.",
        "Age counts once; a finding that is missing adds nothing.",
        "",
        "**Intended use.** Research on adults with diffuse glioma before surgery. Not a medical device.",
        "",
        f"**Fixed on {document['date']}.**",
        f"Calls: wildtype at or below {low:g}, mutant at or above {high:g}, else indeterminate.",
        "A call must also be carried by the evidence at even prior odds, over its whole range, and hold for every",
        "plausible outline, and the gate must let the study pass.",
        "Spread between hospitals (standard deviations):",
        f"slope {document['hospital_slope_sd']:g}, offset {document['hospital_offset_sd']:g}.",
        "",
    )


def _weights(document: dict[str, Any]) -> Iterator[str]:
    yield f"## Weights ({document['patients']} distinct patients, {document['mutants']} mutant)"
    yield ""
    yield "| method | prior | posterior | limit | source |"
    yield "| --- | --- | --- | --- | --- |"
    for method, w in document["weights"].items():
        fitted = f"{w['mean']:.2f} ± {w['sd']:.2f}" if w["prior_sd"] > 0 else f"{w['mean']:.2f} (not fitted)"
        prior = (
            f"{w['prior_mean']:.2f} ± {w['prior_sd']:.2f}" if w["prior_sd"] > 0 else f"{w['prior_mean']:.2f}"
        )
        yield f"| {method} | {prior} | {fitted} | ±{w['cap']:.2f} | {w['source']} |"
    yield ""


def _errors(errors: MeasurementErrors) -> Iterator[str]:
    yield "## Errors of found outlines"
    yield ""
    yield "Natural logarithm of the number on the found outline over that on the expert's mask."
    yield "These errors are carried into the coefficients of `radiomics`."
    yield ""
    yield "| feature | patients | mean | SD |"
    yield "| --- | --- | --- | --- |"
    for name, (patients, mean, sd) in errors.summary().items():
        yield f"| {name} | {patients} | {mean:+.3f} | {sd:.3f} |"
    yield ""


def _results(records: list[PatientRecord], left_out: list[LeftOut]) -> Iterator[str]:
    yield "## Development patients (optimistic), each left out of the weights"
    yield ""
    yield f"No tumour was found in {sum(not record.outlines for record in records)} of {len(records)} records."
    yield ""
    yield "| cohort | n | mutant | AUROC (95 % interval) | called mutant, wrong | wildtype, wrong | indeterminate |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for cohort in dict.fromkeys(each.record.cohort for each in left_out):
        yield _row(cohort, [each for each in left_out if each.record.cohort == cohort])
    covered = [
        each.prediction.interval[0] <= each.from_expert <= each.prediction.interval[1]
        for each in left_out
        if each.from_expert is not None and each.prediction.interval is not None
    ]
    yield ""
    yield (
        "The probability from the expert's outline lies within the range in "
        f"{sum(covered)} of {len(covered)} records."
    )
    yield ""


def _row(cohort: str, results: list[LeftOut]) -> str:
    mutant = np.array([each.record.mutant for each in results])
    probability = np.array([each.prediction.probability for each in results])
    area = "-"
    if 2 <= mutant.sum() <= len(mutant) - 2:
        found = auroc(mutant, probability)
        area = f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})"
    calls = np.array([each.prediction.call for each in results])
    as_mutant, as_wildtype = calls == Call.MUTANT, calls == Call.WILDTYPE
    return (
        f"| {cohort} | {len(results)} | {mutant.sum()} | {area} | {as_mutant.sum()}, {(as_mutant & ~mutant).sum()} "
        f"| {as_wildtype.sum()}, {(as_wildtype & mutant).sum()} | {(calls == Call.INDETERMINATE).sum()} |"
    )
