"""The T2-FLAIR mismatch by digital subtraction, with the published cut-offs.

AJNR 2024;45:188 gives, for IDH-mutant *astrocytoma* against all other non-enhancing gliomas, sensitivity and
specificity at 42, 25 and 15 % mismatch volume in two cohorts (TCIA, 46 astrocytomas and 25 others; one
institution, 19 and 15). The counts follow from the percentages and are pooled here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import ClassVar

from gliotype.measure.mismatch import MOST_ENHANCING_PERCENT
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.study import (
    Finding,
    Measurements,
    NotApplicable,
    PreparedStudy,
    Reason,
    Sequence,
    Subject,
    Tumour,
)

ADULT = 18.0
YOUNG = 25.0

LIMITS = (
    "A sign of IDH-mutant astrocytoma: its absence says little, and oligodendrogliomas seldom show it. "
    "The published cut-offs belong to an image scaling that their paper's abstract does not state; ours is "
    "that of docs/reference/measurements.md."
)


@dataclass(frozen=True)
class Stratum:
    """A range of the mismatch fraction and who fell into it.

    Attributes:
        above: percent from which the stratum begins.
        astrocytomas: IDH-mutant astrocytomas in it.
        others: other non-enhancing gliomas in it.
    """

    above: float
    astrocytomas: int
    others: int


STRATA = (Stratum(42, 15, 0), Stratum(25, 12, 2), Stratum(15, 6, 2), Stratum(0, 32, 36))
"""Pooled counts: 65 IDH-mutant astrocytomas and 40 others."""

ASTROCYTOMAS_AMONG_MUTANTS = 0.7
"""Share of astrocytomas among IDH-mutant gliomas (TCGA: 260 of 369 by their mutations)."""


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
        ratio, (low, high) = likelihood_ratio(stratum)
        odds = self.prevalence / (1 - self.prevalence) * ratio
        return Finding(
            method=self.name,
            probability=None,
            likelihood_ratio=ratio,
            sequences=(Sequence.T2, Sequence.FLAIR),
            reasons=tuple(
                Reason(name, found.get(name), measurements.units[name], None, note)
                for name, note in (
                    ("mismatch_fraction", f"published cut-offs 15, 25 and 42; this one is {_place(stratum)}"),
                    ("mismatch_sign", "1 where the strict sign is present"),
                    ("flair_centre_over_rim", "below 1 where FLAIR is darker in the centre"),
                )
            ),
            limits=_limits(enhancing, subject),
            summary=(
                f"{fraction:.0f} % of the tumour is mismatched: likelihood ratio {ratio:.1f} "
                f"({low:.1f} to {high:.1f}), which alone would move {100 * self.prevalence:.0f} % to "
                f"{100 * odds / (1 + odds):.0f} %."
            ),
        )


def likelihood_ratio(stratum: Stratum) -> tuple[float, tuple[float, float]]:
    """Return the likelihood ratio of IDH *mutation* in a stratum, and its 95 % interval.

    Half a patient is added to every count, so that a stratum without others has a finite ratio. The ratio for
    astrocytoma is then diluted with the mutants that are no astrocytomas, taken to be spread as the others
    are (they show the sign as seldom).

    Example:
        >>> ratio, interval = likelihood_ratio(STRATA[1])
        >>> round(ratio, 1), tuple(round(end, 1) for end in interval)
        (2.5, (0.9, 8.4))
    """
    astrocytomas = sum(each.astrocytomas + 0.5 for each in STRATA)
    others = sum(each.others + 0.5 for each in STRATA)
    a, o = stratum.astrocytomas + 0.5, stratum.others + 0.5
    of_astrocytoma = (a / astrocytomas) / (o / others)
    spread = 1.96 * sqrt(1 / a - 1 / astrocytomas + 1 / o - 1 / others)
    low, middle, high = (
        ASTROCYTOMAS_AMONG_MUTANTS * exp(log(of_astrocytoma) + shift) + 1 - ASTROCYTOMAS_AMONG_MUTANTS
        for shift in (-spread, 0.0, spread)
    )
    return middle, (low, high)


def _obstacle(prepared: PreparedStudy, enhancing: float | None, subject: Subject) -> str | None:
    missing = [s.word for s in (Sequence.T2, Sequence.FLAIR) if s not in prepared.images]
    if missing:
        return f"{' and '.join(missing)} missing"
    if subject.age is not None and subject.age < ADULT:
        return "under 18 years the sign also occurs in tumours of childhood"
    if enhancing is not None and enhancing > MOST_ENHANCING_PERCENT:
        return f"{enhancing:.0f} % of the tumour enhances, and the sign is for non-enhancing tumours"
    return None


def _place(stratum: Stratum) -> str:
    return f"above {stratum.above:g}" if stratum.above else "below all"


def _limits(enhancing: float | None, subject: Subject) -> str:
    limits = LIMITS
    if enhancing is None:
        limits += " Whether the tumour enhances is not known; the sign is for non-enhancing tumours."
    if subject.age is not None and subject.age < YOUNG:
        limits += " Under 25 years other tumours show the sign, too."
    return limits
