"""The answer of one run, and all its values in a `Result`; all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gliotype.findings import Evidence, Finding, NotApplicable
from gliotype.study import Measurements, PreparedStudy, Study, Subject, Tumour


class Call(StrEnum):
    """What a prediction says in one word."""

    MUTANT = "mutant"
    WILDTYPE = "wildtype"
    INDETERMINATE = "indeterminate"
    NO_TUMOUR = "no_tumour"


@dataclass(frozen=True)
class Prediction:
    """The answer.

    Attributes:
        call: the answer in one word.
        probability: P(IDH-mutant) at `prevalence`; None when no tumour was found.
        interval: the range of the probability over `range_sources`; not a 95 % confidence interval.
        prevalence: the prevalence of IDH mutation among all gliomas sent to the clinic, before images and age are
            seen, to which the probability refers.
        explanation: one sentence, how the answer came about.
        thresholds: probabilities at or below which the call is wildtype, and at or above which it is mutant.
        evidence: what each finding adds to the prior log-odds, largest contribution first.
        reasons: why the call is indeterminate, one sentence each; empty for any other call.
        range_sources: standard deviation of the log-odds by what varies: ``"coefficients"``, ``"weights"``,
            ``"hospital"``, ``"outline"``.
        by_outline: probability for each plausible outline, by its name; the drawn one is ``"as drawn"``.
        site: name of the local calibration that was applied, or None; with one, what the evidence adds is multiplied
            by its slope, and its intercept is added.
    """

    call: Call
    probability: float | None
    interval: tuple[float, float] | None
    prevalence: float
    explanation: str
    thresholds: tuple[float, float] = (0.2, 0.8)
    evidence: tuple[Evidence, ...] = ()
    reasons: tuple[str, ...] = ()
    range_sources: Mapping[str, float] = field(default_factory=dict)
    by_outline: Mapping[str, float] = field(default_factory=dict)
    site: str | None = None

    @property
    def method(self) -> str | None:
        """The finding that contributes most, or None where there is no evidence."""
        return self.evidence[0].method if self.evidence else None


@dataclass(frozen=True, eq=False)
class Result:
    """All values of one run; what `gliotype.predict` returns.

    Attributes:
        threads: on how many the run computed; the last digits of its numbers depend on it.
        paths: of everything in the input. They may name the patient, so no reader is shown one.
    """

    study: Study
    prepared: PreparedStudy
    tumour: Tumour
    measurements: Measurements
    findings: tuple[Finding, ...]
    not_applicable: tuple[NotApplicable, ...]
    prediction: Prediction
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    weights: Mapping[str, str]
    threads: int
    paths: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """The patient."""
        return self.study.subject

    @property
    def call(self) -> Call:
        """The answer in one word."""
        return self.prediction.call

    @property
    def probability(self) -> float | None:
        """P(IDH-mutant), or None when no tumour was found."""
        return self.prediction.probability
