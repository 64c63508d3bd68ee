"""What the first screen of the page, the PDF and the terminal say: one set of words and numbers for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import expit

from gliotype.findings import Evidence, Finding
from gliotype.report import words
from gliotype.report.waterfall import Waterfall, log_odds, signed, waterfall
from gliotype.result import Call, Prediction, Result
from gliotype.study import Sequence
from gliotype.text import percent

DECISIVE = (Sequence.T1C, Sequence.FLAIR, Sequence.T2, Sequence.ADC, Sequence.MRS)
"""Sequences that provide evidence that counts."""

NEGLIGIBLE_LOG_ODDS = 0.05
"""A piece of evidence that contributes less is not worth asking what the answer would be without it."""


@dataclass(frozen=True)
class EvidenceLine:
    """What one piece of evidence adds, in words."""

    name: str
    contribution: str
    weight: str
    source: str


@dataclass(frozen=True)
class Summary:
    """The answer and its grounds in words; no text holds a path of the study.

    Attributes:
        subject: the caller's id of the patient.
        patient: age and sex.
        call: the answer.
        title: the call in words.
        probability: in percent, or None where no tumour was found.
        range: of the probability, or None where no tumour was found.
        prevalence: to which the probability refers.
        age_alone: what age says by itself, or why it says nothing; None where no tumour was found.
        explanation: how the answer came about.
        reasons: why the call is indeterminate.
        waterfall: the sum, or None where there is no probability.
        evidence: one line for each piece, the largest first.
        changes: what would change the answer.
        missing: what the study does not have, and what was not used.
        warnings: what a referee should know.
    """

    subject: str
    patient: str
    call: Call
    title: str
    probability: str | None
    range: str | None
    prevalence: str
    age_alone: str | None
    explanation: str
    reasons: tuple[str, ...]
    waterfall: Waterfall | None
    evidence: tuple[EvidenceLine, ...]
    changes: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def headline(self) -> str | None:
        """Probability, range and prevalence in one line; None where no tumour was found."""
        if self.probability is None:
            return None
        return f"{self.probability} ({self.range}) at a prevalence of {self.prevalence}"


def summarise(result: Result) -> Summary:
    """Put a result into words.

    Args:
        result: of a run.
    """
    prediction, subject = result.prediction, result.subject
    unsourced = words.without_sources(result)
    known = prediction.probability is not None
    sex = {"M": "male", "F": "female"}.get(subject.sex or "", "sex not given")
    return Summary(
        subject=subject.id,
        patient=f"{words.age_words(subject.age)}, {sex}",
        call=prediction.call,
        title=words.CALL_WORDS[prediction.call],
        probability=None if prediction.probability is None else percent(prediction.probability),
        range=words.range_words(prediction.interval) if known else None,
        prevalence=percent(prediction.prevalence),
        age_alone=_age_alone(result.findings, subject.age) if known else None,
        explanation=unsourced(prediction.explanation),
        reasons=tuple(unsourced(reason) for reason in prediction.reasons),
        waterfall=waterfall(prediction),
        evidence=tuple(_line(evidence) for evidence in prediction.evidence),
        changes=tuple(_changes(result)) if known else (),
        missing=tuple(unsourced(sentence) for sentence in _missing(result)),
        warnings=tuple(unsourced(warning) for warning in result.warnings),
    )


def _line(evidence: Evidence) -> EvidenceLine:
    return EvidenceLine(
        name=words.method_words(evidence.method),
        contribution=signed(evidence.contribution),
        weight=f"log LR {signed(evidence.log_likelihood_ratio)} × weight {evidence.weight:.2f}",
        source=evidence.source,
    )


def _age_alone(findings: tuple[Finding, ...], age: float | None) -> str:
    finding = next((f for f in findings if f.method == "age" and f.probability is not None), None)
    if finding is not None and finding.probability is not None:
        return f"{percent(finding.probability)} ({words.interval_words(finding.interval)})"
    return "not known, as no age was given" if age is None else "not estimated at this age"


def _changes(result: Result) -> list[str]:
    """Say what moves the answer most, from the values alone."""
    prediction = result.prediction
    return [
        *_range_source(prediction),
        *_without_the_largest(prediction),
        *_other_outlines(prediction),
        *_even_odds(prediction),
        *_further_evidence(result),
    ]


def _range_source(prediction: Prediction) -> list[str]:
    sources = sorted(prediction.range_sources.items(), key=lambda item: -item[1])
    if not sources or sources[0][1] <= 0:
        return []
    (name, spread), advice = sources[0], words.SOURCE_ADVICE.get(sources[0][0])
    said = words.SOURCE_WORDS.get(name, words.label_words(name))
    return [
        f"The range comes mostly from {said} (standard deviation {spread:.2f} in log-odds)"
        f"{f': {advice}' if advice else ''}."
    ]


def _without_the_largest(prediction: Prediction) -> list[str]:
    """Take the largest evidence away; after a local calibration this no longer follows from the sum."""
    if prediction.probability is None or prediction.site is not None or not prediction.evidence:
        return []
    largest = prediction.evidence[0]
    if abs(largest.contribution) < NEGLIGIBLE_LOG_ODDS:
        return []
    without = float(expit(log_odds(prediction.probability) - largest.contribution))
    name = words.method_words(largest.method)
    return [
        f"Without {name} the probability would be {percent(without)} instead of {percent(prediction.probability)}."
    ]


def _other_outlines(prediction: Prediction) -> list[str]:
    """Say how much the plausible outlines differ."""
    values = prediction.by_outline.values()
    if len(values) < 2:
        return []
    low, high = percent(min(values)), percent(max(values))
    return [f"Across {len(values)} plausible outlines the probability ranges from {low} to {high}."]


def _even_odds(prediction: Prediction) -> list[str]:
    """Say what the evidence says by itself."""
    if prediction.probability is None or prediction.site is not None or not prediction.evidence:
        return []
    if prediction.prevalence == 0.5:
        return []
    alone = float(expit(log_odds(prediction.probability) - log_odds(prediction.prevalence)))
    return [f"At a prevalence of 50 % the same evidence would give {percent(alone)}."]


def _further_evidence(result: Result) -> list[str]:
    """Name what would add evidence if it were there."""
    names = [each.word for each in DECISIVE if each not in result.study.chosen]
    if result.subject.age is None:
        names.append("age")
    return [f"Not given, but would add evidence: {', '.join(names)}."] if names else []


def _missing(result: Result) -> list[str]:
    """List what the study does not have, the methods that do not apply, and evidence that does not count."""
    absent = [each.word for each in Sequence if each not in result.study.chosen]
    if result.subject.age is None:
        absent.append("age")
    sentences = [f"Not in the study: {', '.join(absent)}."] if absent else []
    sentences += [
        f"{_capital(words.method_words(each.method))} was not used: {each.reason}."
        for each in result.not_applicable
        if result.tumour.found
    ]
    sentences += [
        f"{_capital(words.method_words(each.method))} was not counted: {each.source}."
        for each in result.prediction.evidence
        if each.weight == 0
    ]
    return sentences


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
