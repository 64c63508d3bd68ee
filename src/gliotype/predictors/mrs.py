"""2HG in a spectrum of the tumour, as evidence of the strength of published counts.

The metabolite is the product of the mutant enzyme. A measurement counts only if it was made with one of the sequences
that were optimised for 2HG, of a box that holds enough of a tumour of enough volume, and with enough quality. At short
echo times 2HG is indistinguishable from glutamate and glutamine: a routine series reports an AUC of 0.51 (Kume 2026,
n = 90).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log
from typing import ClassVar

from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.mrs import PROTON_MHZ_PER_T, SpectrumFit, is_dedicated
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.study import Measurements, Numbers, PreparedStudy, Sequence, Subject, Tumour


@dataclass(frozen=True)
class Counts:
    """Patients of published studies before surgery, by what the spectrum showed.

    Attributes:
        study: which.
        mutants: IDH-mutant.
        detected: of these, with 2HG.
        wildtypes: IDH-wildtype.
        false: of these, with 2HG.
    """

    study: str
    mutants: int
    detected: int
    wildtypes: int
    false: int


COUNTS = (
    Counts("Zhou 2018, PRESS 97, single voxel", 7, 6, 10, 0),
    Counts("MEGA-PRESS 68 against PRESS 97: PRESS", 5, 2, 0, 0),
    Counts("MEGA-PRESS 68 against PRESS 97: MEGA-PRESS", 5, 5, 1, 0),
)
"""Published counts of sequences for 2HG, as far as they can be derived from what is reported."""

MOST_FOR, MOST_AGAINST = 10.0, 0.2
"""Limits of the likelihood ratio: so few patients support no more."""

LOG_SD_FOR, LOG_SD_AGAINST = 0.6, 0.45
"""Standard deviation of the logarithm of the two likelihood ratios.

The first is that between the pooled ratios of 5.8 for lower-grade gliomas and 28 for glioblastomas (Bhandari 2021, 181
and 77 patients); the second is that of the counts.
"""

LEAST_FIELD_T = 2.5
LEAST_TUMOUR_PERCENT = 50.0
"""Part of the box that must be tumour."""

LEAST_TUMOUR_ML = 6.0
"""Volume of the tumour below which 2HG is missed: 8 % of tumours below 3.4 ml were detected (de la Fuente 2016)."""

LEAST_BRAIN_PERCENT = 80.0
MOST_FWHM_PPM = 0.10
LEAST_SNR = 10.0

DETECTED_MM = 1.0
"""Concentration at or above which 2HG counts as detected (Choi C 2016)."""

DETECTED_BOUND_PERCENT = 30.0
"""Cramer-Rao bound up to which it does."""

ABSENT_SD_MM = 0.6
"""Bound of the standard deviation up to which less than `DETECTED_MM` counts as absent: more would have been seen."""

LIMITS = (
    "The likelihood ratio rests on {mutants} mutants and {wildtypes} wildtypes of published studies, and is limited to "
    "{most:g} and {least:g}. Simulated, not shaped, pulses make the basis; pulses and chemical-shift displacement of "
    "the scanner are not modelled. The spectrum cannot be registered: the box lies where its file has it."
)


class Outcome(StrEnum):
    """What a spectrum says of 2HG."""

    DETECTED = "detected"
    ABSENT = "absent"
    UNDECIDED = "undecided"


class MrsPredictor:
    """Likelihood ratio of IDH mutation for 2HG that was or was not detected."""

    name: ClassVar[str] = "mrs"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset({Sequence.MRS}),))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the likelihood ratio of what the spectrum shows, or only its numbers where it cannot count."""
        if prepared.mrs is None:
            return NotApplicable(self.name, "it needs a single-voxel spectrum (MRS) that can be measured")
        found, fitted = measurements.spectroscopy, measurements.mrs
        if fitted is None or found.get("2HG") is None:
            return NotApplicable(self.name, "2HG could not be measured (the warnings say why)")
        obstacle = obstacles(found, fitted, tumour, assumed=prepared.mrs.assumed)
        outcome = outcome_of(found)
        ratio = None if obstacle or outcome is Outcome.UNDECIDED else likelihood_ratio(outcome)
        return Finding(
            method=self.name,
            probability=None,
            likelihood_ratio=ratio,
            sequences=(Sequence.MRS,),
            reasons=tuple(
                Reason(name, found.get(name), measurements.units[name], None, note)
                for name, note in _notes(fitted)
            ),
            limits=LIMITS.format(
                mutants=sum(each.mutants for each in COUNTS),
                wildtypes=sum(each.wildtypes for each in COUNTS),
                most=MOST_FOR,
                least=MOST_AGAINST,
            ),
            summary=self._summary(found, outcome, ratio, obstacle),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the logarithm of the likelihood ratio; None where the measurement does not count."""
        found, fitted = measurements.spectroscopy, measurements.mrs
        if prepared.mrs is None or fitted is None or found.get("2HG") is None:
            return None
        outcome = outcome_of(found)
        if outcome is Outcome.UNDECIDED or obstacles(found, fitted, tumour, assumed=prepared.mrs.assumed):
            return None
        sd = LOG_SD_FOR if outcome is Outcome.DETECTED else LOG_SD_AGAINST
        return Statement(log(likelihood_ratio(outcome)), sd)

    def _summary(
        self, found: Numbers, outcome: Outcome, ratio: float | None, obstacle: tuple[str, ...]
    ) -> str:
        level, sd = found["2HG"] or 0.0, found["2HG_sd"] or 0.0
        measured = f"2HG is {level:.1f} mM (Cramer-Rao bound of the standard deviation {sd:.1f} mM)"
        if obstacle:
            return f"{measured}; it gives no evidence, since {'; '.join(obstacle)}."
        if ratio is None:
            return f"{measured}: neither detected nor absent, which gives no evidence."
        odds = self.prevalence / (1 - self.prevalence) * ratio
        word = "detected" if outcome is Outcome.DETECTED else "not detected"
        return (
            f"{measured}, {word}: likelihood ratio {ratio:.2g}, which alone would move "
            f"{100 * self.prevalence:.0f} % to {100 * odds / (1 + odds):.0f} %."
        )


def outcome_of(found: Numbers) -> Outcome:
    """Decide whether 2HG was detected.

    Args:
        found: measurements of spectroscopy, with a concentration and its bound.

    Example:
        >>> [str(outcome_of({"2HG": c, "2HG_sd": sd})) for c, sd in ((3.0, 0.5), (0.2, 0.4), (1.5, 0.9))]
        ['detected', 'absent', 'undecided']
    """
    level, sd = found["2HG"], found["2HG_sd"]
    if level is None or sd is None:
        return Outcome.UNDECIDED
    if level >= DETECTED_MM and 100 * sd <= DETECTED_BOUND_PERCENT * level:
        return Outcome.DETECTED
    if level < DETECTED_MM and sd <= ABSENT_SD_MM:
        return Outcome.ABSENT
    return Outcome.UNDECIDED


def likelihood_ratio(outcome: Outcome) -> float:
    """Return the likelihood ratio of IDH mutation: from the counts, half a patient added to each, and limited.

    Example:
        >>> likelihood_ratio(Outcome.DETECTED), round(likelihood_ratio(Outcome.ABSENT), 2)
        (10.0, 0.26)
    """
    mutants, detected = sum(each.mutants for each in COUNTS), sum(each.detected for each in COUNTS)
    wildtypes, false = sum(each.wildtypes for each in COUNTS), sum(each.false for each in COUNTS)
    sensitivity = (detected + 0.5) / (mutants + 1)
    false_positive = (false + 0.5) / (wildtypes + 1)
    if outcome is Outcome.DETECTED:
        return min(sensitivity / false_positive, MOST_FOR)
    return max((1 - sensitivity) / (1 - false_positive), MOST_AGAINST)


def obstacles(found: Numbers, fitted: SpectrumFit, tumour: Tumour, *, assumed: bool) -> tuple[str, ...]:
    """List why a measurement does not count, one clause each; none where it does.

    Args:
        found: measurements of spectroscopy.
        fitted: the fit.
        tumour: with its volume.
        assumed: whether the sequence was only assumed.
    """
    timing = fitted.timing
    share, brain = found.get("box_tumour"), found.get("box_brain")
    field_t = fitted.frequency_mhz / PROTON_MHZ_PER_T
    checks = (
        (not is_dedicated(timing), f"{timing} cannot tell 2HG from glutamate and glutamine"),
        (assumed, "nothing names the sequence"),
        (field_t < LEAST_FIELD_T, f"{field_t:.1f} T separate the lines too little"),
        (share is None, "it is unknown how much tumour the box holds"),
        (
            share is not None and share < LEAST_TUMOUR_PERCENT,
            f"only {share or 0:.0f} % of the box are tumour ({LEAST_TUMOUR_PERCENT:g} % are needed)",
        ),
        (
            brain is not None and brain < LEAST_BRAIN_PERCENT,
            f"only {brain or 0:.0f} % of the box lie within the brain",
        ),
        (
            tumour.volume_ml < LEAST_TUMOUR_ML,
            f"the tumour has only {tumour.volume_ml:.1f} ml ({LEAST_TUMOUR_ML:g} ml are needed)",
        ),
        (
            fitted.fwhm_ppm > MOST_FWHM_PPM,
            f"the lines are {fitted.fwhm_ppm:.2f} ppm wide ({MOST_FWHM_PPM:g} ppm at most)",
        ),
        (fitted.snr < LEAST_SNR, f"the signal to noise is {fitted.snr:.1f} ({LEAST_SNR:g} are needed)"),
    )
    return tuple(clause for failed, clause in checks if failed)


def _notes(fitted: SpectrumFit) -> tuple[tuple[str, str], ...]:
    return (
        ("2HG", f"from {fitted.timing}; {DETECTED_MM:g} mM and more count as detected"),
        ("2HG_bound", f"Cramer-Rao bound; at most {DETECTED_BOUND_PERCENT:g} % where 2HG counts as detected"),
        ("2HG_over_tCr", "single centre: 0.11 and more spoke for mutation (Zhou 2018, PRESS 97)"),
        ("tCho_over_tCr", "higher in tumours than in healthy brain; no evidence of IDH status"),
        ("tNAA_over_tCr", "lower in tumours than in healthy brain; no evidence of IDH status"),
        ("box_tumour", f"at least {LEAST_TUMOUR_PERCENT:g} % are needed"),
        ("spectrum_fwhm", f"at most {MOST_FWHM_PPM:g} ppm"),
        ("spectrum_snr", f"at least {LEAST_SNR:g}"),
    )
