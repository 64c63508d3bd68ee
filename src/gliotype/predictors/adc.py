"""The apparent diffusion coefficient of the tumour over that of white matter, as evidence of pooled strength.

Bhatti 2025 (Neuro-Oncology Advances, vdaf103; 33 studies, 4,297 patients) pools the AUC of ADC for IDH status at
0.743 to 0.804, whichever region, statistic or normalisation was used. Two normal distributions of equal spread with
these AUC lie 0.92 to 1.21 standard deviations apart; `SEPARATION` is 1.0.

Where the two means lie is an assumption. The cut-offs of Thust 2018 (44 non-enhancing gliomas of grade 2 and 3) are
those of a ratio of about 1.45 in wildtypes, 1.85 in codeleted and 2.10 in other mutants (2.02 together) with a spread
of about 0.25, a separation more than twice that of the pool. Half of that excess is put down to
means that lie nearer together elsewhere, half to a larger spread; the middle stays.
"""

from __future__ import annotations

from math import exp, hypot, log
from typing import ClassVar

from scipy.special import expit, logit

from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.predictors.ensemble import Z95
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour

SEPARATION = 1.0
"""Distance of the means of mutants and wildtypes in standard deviations."""

SEPARATION_RANGE = (0.92, 1.21)
"""The distances that follow from the pooled AUC of 0.743 and 0.804."""

MIDDLE = 1.74
"""Ratio to white matter half-way between the means of single centres, 1.45 and 2.02; it favours neither."""

MIDDLE_SD = 0.1
"""Its standard deviation; published cut-offs range from 1.65 to 1.83."""

SPREAD = 0.38
"""Standard deviation of the ratio within either class: the geometric mean of 0.25 and 2.02 - 1.45."""

WILDTYPE_RATIO, MUTANT_RATIO = MIDDLE - SEPARATION * SPREAD / 2, MIDDLE + SEPARATION * SPREAD / 2
"""Assumed means of the ratio, 1.55 and 1.93."""

MAX_EVIDENCE = 5.0
"""Largest likelihood ratio in either direction; the pooled studies support no more."""

THUST_RATIO, THUST_ADC = 1.65, 1.201
"""Cut-offs of a single centre (Thust 2018, 44 non-enhancing gliomas of grade 2 and 3), ratio and 1e-3 mm2/s."""

LIMITS = (
    "The strength of the evidence is that of pooled studies; where the averages of wildtypes and mutants lie "
    "({wildtype:.2f} and {mutant:.2f}, SD {spread:.2f}) is an assumption between what single centres and pooled "
    "studies report. Codeleted mutants have a lower ADC than other mutants, and ADC differs between scanners, "
    "grades and outlines."
)


class AdcPredictor:
    """Likelihood ratio of IDH mutation for the ADC of the tumour over that of normal-appearing white matter."""

    name: ClassVar[str] = "adc"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset({Sequence.ADC}),))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the likelihood ratio of the tumour's ADC ratio."""
        if Sequence.ADC not in prepared.acquired_grids and prepared.adc is None:
            return NotApplicable(self.name, "it needs an ADC map, or diffusion-weighted images with b-values")
        found = measurements.diffusion
        ratio = found.get("adc_ratio")
        if ratio is None:
            return NotApplicable(self.name, "the ADC could not be measured (the warnings say why)")
        likelihood, (low, high) = likelihood_ratio(ratio), interval(ratio)
        alone = float(expit(logit(self.prevalence) + log(likelihood)))
        return Finding(
            method=self.name,
            probability=None,
            likelihood_ratio=likelihood,
            sequences=(Sequence.ADC,),
            reasons=tuple(
                Reason(name, found.get(name), measurements.units[name], None, note) for name, note in _notes()
            ),
            limits=LIMITS.format(wildtype=WILDTYPE_RATIO, mutant=MUTANT_RATIO, spread=SPREAD),
            summary=(
                f"The ADC of the tumour is {ratio:.2f} times that of white matter: likelihood ratio {likelihood:.1f} "
                f"({low:.1f} to {high:.1f}), which alone would move {100 * self.prevalence:.0f} % to "
                f"{100 * alone:.0f} %."
            ),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the logarithm of the likelihood ratio; its spread is that of the pooled AUC and of the middle."""
        ratio = measurements.diffusion.get("adc_ratio")
        if ratio is None:
            return None
        distance = (ratio - MIDDLE) / SPREAD
        separation_sd = (SEPARATION_RANGE[1] - SEPARATION_RANGE[0]) / (2 * Z95)
        return Statement(
            log(likelihood_ratio(ratio)), hypot(distance * separation_sd, SEPARATION * MIDDLE_SD / SPREAD)
        )


def likelihood_ratio(ratio: float, separation: float = SEPARATION) -> float:
    """Return the likelihood ratio of IDH mutation for an ADC ratio: two normal distributions of equal spread.

    Args:
        ratio: mean ADC of the tumour over that of normal-appearing white matter.
        separation: distance of the two means in standard deviations.

    Returns:
        The ratio, between 1 / `MAX_EVIDENCE` and `MAX_EVIDENCE`.

    Example:
        >>> [round(likelihood_ratio(ratio), 2) for ratio in (1.0, 1.55, 1.74, 1.93, 3.0)]
        [0.2, 0.61, 1.0, 1.65, 5.0]
    """
    evidence = separation * (ratio - MIDDLE) / SPREAD
    return exp(max(-log(MAX_EVIDENCE), min(log(MAX_EVIDENCE), evidence)))


def interval(ratio: float) -> tuple[float, float]:
    """Return the likelihood ratios, lower first, that the range of pooled AUC allows for."""
    one, other = (likelihood_ratio(ratio, separation) for separation in SEPARATION_RANGE)
    return min(one, other), max(one, other)


def _notes() -> tuple[tuple[str, str], ...]:
    return (
        (
            "adc_ratio",
            f"{MUTANT_RATIO:.2f} is assumed for mutants, {WILDTYPE_RATIO:.2f} for wildtypes; single centre: "
            f"below {THUST_RATIO:g} favoured wildtype (Thust 2018, 44 non-enhancing gliomas, 80 % / 92 %)",
        ),
        (
            "adc_mean",
            f"single centre: below {THUST_ADC:g} favoured wildtype "
            "(Thust 2018, 44 non-enhancing gliomas, 83 % / 86 %)",
        ),
        ("adc_p10", "the tenth percentile, used instead of the minimum, which one voxel can decide"),
        ("adc_white_matter", "0.7 to 0.9 in healthy adults"),
        ("adc_fluid_fraction", "cyst, necrosis and CSF, which are left out"),
        ("adc_enhancing_only", "1 where the tumour enhances and the rest of it is left out"),
    )
