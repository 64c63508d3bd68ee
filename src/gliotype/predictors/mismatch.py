"""The T2-FLAIR mismatch by digital subtraction, as a likelihood ratio of IDH mutation.

The size of the ratio is that of the sign for IDH mutation at large: sensitivity 29 %, specificity 99 % (meta-analysis
PMID 35169897, 14 studies, 1,986 patients). When the sign counts as present, and how sure the ratio is, follows from
AJNR 2024;45:188, which gives, for IDH-mutant *astrocytoma* against all other non-enhancing gliomas, sensitivity and
specificity at 42, 25 and 15 % mismatch volume in two cohorts (TCIA, 46 astrocytomas and 25 others; one institution, 19
and 15). The counts follow from the percentages and are pooled here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import ClassVar

from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.measure.mismatch import MAX_ENHANCING_PERCENT
from gliotype.predictors.ensemble import Z95
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour

ADULT = 18.0
YOUNG = 25.0

LIMITS = (
    "A sign of IDH-mutant astrocytoma: its absence says little, and oligodendrogliomas seldom show it. "
    "How rare it is in other gliomas is known from 40 non-enhancing ones only; how many of these were "
    "wildtype is not published. "
    "The published cut-offs belong to an image scaling that their paper's abstract does not state; "
    "Gliotype's is described in docs/reference/measurements.md."
)

SENSITIVITY = 0.29
"""Proportion of IDH-mutant gliomas of any kind that show the sign (14 studies, 1,986 patients)."""

LARGEST_RATIO = 20.0
"""A likelihood ratio beyond this, or below its inverse, is not used: it would rest on too few wildtypes."""


@dataclass(frozen=True)
class Stratum:
    """A range of the mismatch fraction and who fell into it.

    Attributes:
        name: of the sign in this range.
        above: percent at or above which the stratum begins.
        astrocytomas: IDH-mutant astrocytomas in it.
        others: other non-enhancing gliomas in it.
    """

    name: str
    above: float
    astrocytomas: int
    others: int


PRESENT, PARTIAL, ABSENT = STRATA = (
    Stratum("present", 42, 15, 0),
    Stratum("partial", 15, 18, 4),
    Stratum("absent", 0, 32, 36),
)
"""Pooled counts: 65 IDH-mutant astrocytomas and 40 others. Between 15 and 42 % they are too few for a finer grading."""

ASTROCYTOMAS_AMONG_MUTANTS = 0.7
"""Proportion of astrocytomas among IDH-mutant gliomas (TCGA: 260 of 369 by their mutations)."""


class MismatchPredictor:
    """Likelihood ratio of IDH mutation for the mismatch fraction of a non-enhancing glioma."""

    name: ClassVar[str] = "mismatch"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset({Sequence.T2, Sequence.FLAIR}),))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the likelihood ratio of the stratum into which the mismatch fraction falls."""
        found = measurements.mismatch
        fraction, enhancing = found.get("mismatch_fraction"), found.get("enhancing_fraction")
        if reason := _obstacle(prepared, enhancing, subject):
            return NotApplicable(self.name, reason)
        if fraction is None:
            return NotApplicable(self.name, "too little of the tumour is neither enhancing nor cystic")
        stratum = next(stratum for stratum in STRATA if fraction >= stratum.above)
        ratio, _ = likelihood_ratio(stratum)
        return Finding(
            method=self.name,
            probability=None,
            likelihood_ratio=ratio,
            sequences=(Sequence.T2, Sequence.FLAIR),
            reasons=tuple(
                Reason(name, found.get(name), measurements.units[name], None, note)
                for name, note in (
                    (
                        "mismatch_fraction",
                        f"{stratum.name}; the sign is absent below 15 %, present at or above 42 %",
                    ),
                    ("mismatch_sign", "1 where the strict sign is present"),
                    ("flair_centre_over_rim", "below 1 where FLAIR is darker in the centre"),
                )
            ),
            limits=_limits(enhancing, subject),
            summary=_summary(fraction, stratum),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the logarithm of the likelihood ratio, and its spread from the published counts."""
        if _obstacle(prepared, measurements.mismatch.get("enhancing_fraction"), subject):
            return None
        fraction = measurements.mismatch.get("mismatch_fraction")
        if fraction is None:
            return None
        ratio, (low, high) = likelihood_ratio(next(s for s in STRATA if fraction >= s.above))
        return Statement(log(ratio), (log(high) - log(low)) / (2 * Z95))


def likelihood_ratio(stratum: Stratum) -> tuple[float, tuple[float, float]]:
    """Return the likelihood ratio of IDH *mutation* in a stratum, and its 95 % interval.

    Where the sign is clearly present or absent, the ratio is the pooled sensitivity over the proportion of other
    gliomas with the sign. Half a patient is added to that proportion (0 of 40), which shrinks the ratio to 24; it is
    then limited to `LARGEST_RATIO`. In between, the counts do not establish a ratio other than 1. The interval is that
    of the counts in the stratum, and of a stratum without others its upper end has no meaning.

    Example:
        >>> for stratum in STRATA:
        ...     ratio, (low, high) = likelihood_ratio(stratum)
        ...     print(f"{stratum.name}: {ratio:.2f} ({low:.1f} to {high:.0f})")
        present: 20.00 (1.5 to 387)
        partial: 1.00 (1.0 to 5)
        absent: 0.72 (0.5 to 1)
    """
    with_sign = (PRESENT.others + 0.5) / (sum(each.others for each in STRATA) + 1)
    astrocytomas = sum(each.astrocytomas + 0.5 for each in STRATA)
    others = sum(each.others + 0.5 for each in STRATA)
    a, o = stratum.astrocytomas + 0.5, stratum.others + 0.5
    spread = Z95 * sqrt(1 / a - 1 / astrocytomas + 1 / o - 1 / others)
    if stratum is PARTIAL:
        low, high = (
            ASTROCYTOMAS_AMONG_MUTANTS * (a / astrocytomas) / (o / others) * exp(shift)
            + 1
            - ASTROCYTOMAS_AMONG_MUTANTS
            for shift in (-spread, spread)
        )
        return 1.0, (low, high)
    ratio = SENSITIVITY / with_sign if stratum is PRESENT else (1 - SENSITIVITY) / (1 - with_sign)
    limited = min(max(ratio, 1 / LARGEST_RATIO), LARGEST_RATIO)
    return limited, (ratio * exp(-spread), ratio * exp(spread))


def _summary(fraction: float, stratum: Stratum) -> str:
    ratio, (low, high) = likelihood_ratio(stratum)
    upper = f"{high:.1f}" if stratum.others else "unbounded"
    total = sum(each.others for each in STRATA)
    return (
        f"{fraction:.0f} % of the tumour is mismatched: the sign is {stratum.name}, with a likelihood ratio for IDH "
        f"mutation of {ratio:.1f} (95 % interval {low:.1f} to {upper}). "
        f"{stratum.others} of {total} non-enhancing gliomas other than IDH-mutant "
        f"astrocytoma were in this range."
    )


def _obstacle(prepared: PreparedStudy, enhancing: float | None, subject: Subject) -> str | None:
    missing = [s.word for s in (Sequence.T2, Sequence.FLAIR) if s not in prepared.images]
    if missing:
        return f"it needs both T2 and FLAIR; {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    if subject.age is not None and subject.age < ADULT:
        return "the patient is under 18, and the sign also occurs in tumours of childhood"
    if enhancing is not None and enhancing > MAX_ENHANCING_PERCENT:
        return f"{enhancing:.0f} % of the tumour enhances, and the sign is for non-enhancing tumours"
    return None


def _limits(enhancing: float | None, subject: Subject) -> str:
    limits = LIMITS
    if enhancing is None:
        limits += " Whether the tumour enhances is not known; the sign is for non-enhancing tumours."
    if subject.age is not None and subject.age < YOUNG:
        limits += " Under 25 years, other tumours show the sign, too."
    return limits
