"""Findings to prediction: evidence, range, gate, and the call."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import expit, logit

from gliotype.answer.call import call_of
from gliotype.answer.combine import Statements, evidence_by_outline, spread, total_evidence, weigh
from gliotype.answer.gate import gate, gate_without_tumour
from gliotype.answer.model import AnswerModel, Hospital, answer_model
from gliotype.answer.site import SiteCalibration
from gliotype.answer.statements import collect_statements
from gliotype.predictors import DEFAULT_PREVALENCE
from gliotype.result import Call, Prediction
from gliotype.runtime import side_by_side
from gliotype.study import Measurements, PreparedStudy, Study, Tumour

NO_TUMOUR = "No tumour was found, so there is nothing to predict."
WOULD_BE_SEEN = (
    "A tumour below 1 ml is not reported, and of faint ones between 5 and 40 ml about one in ten is missed."
)
"""What Model 1 sees; simulated tumours (`benchmarks/faint.py`)."""
PERHAPS_MISSED = "No tumour was found, but one may have been missed, so nothing is predicted."
NO_EVIDENCE = "No method applies to this study, so nothing is known beyond the prevalence."


@dataclass(frozen=True)
class Settings:
    """What the caller decides about the answer.

    Attributes:
        prevalence: of IDH mutation among all gliomas sent to the clinic, before images and age are seen.
        thresholds: probabilities at or below which the call is wildtype, and at or above which it is mutant; None for
            those of the model.
        site: local calibration, or None.
    """

    prevalence: float = DEFAULT_PREVALENCE
    thresholds: tuple[float, float] | None = None
    site: SiteCalibration | None = None

    def hospital(self, model: AnswerModel) -> Hospital:
        """Return how the evidence counts: as the site's calibration says, or as in a hospital unknown to us."""
        if self.site is None:
            return model.any_hospital
        return Hospital(self.site.slope, self.site.intercept, self.site.slope_sd, self.site.intercept_sd)


def answer(
    study: Study,
    prepared: PreparedStudy,
    tumour: Tumour,
    measurements: Measurements,
    settings: Settings,
) -> Prediction:
    """Ask every method for every plausible outline, add the evidence to the prior, and make the call.

    Args:
        study: as it was read.
        prepared: its images on the 1 mm grid.
        tumour: with its other plausible outlines. Where none was found, the call is `no_tumour`, or indeterminate if
            something speaks against that (`gate_without_tumour`), and there is no probability.
        measurements: of the drawn outline.
        settings: prevalence and thresholds.
    """
    if not tumour.found:
        return _without_tumour(tumour, gate_without_tumour(study, prepared, tumour), settings)
    statements, reasons = side_by_side(
        lambda: collect_statements(prepared, tumour, measurements, study.subject),
        lambda: gate(study, prepared, tumour, measurements),
    )
    return answer_from(statements, settings, answer_model(), reasons)


def _without_tumour(tumour: Tumour, doubts: tuple[str, ...], settings: Settings) -> Prediction:
    """Say that there is no tumour and what would have been seen, or, where there are doubts, that this is not known."""
    if doubts:
        return Prediction(Call.INDETERMINATE, None, None, settings.prevalence, PERHAPS_MISSED, reasons=doubts)
    said = NO_TUMOUR if tumour.source == "given" else f"{NO_TUMOUR} {WOULD_BE_SEEN}"
    return Prediction(Call.NO_TUMOUR, None, None, settings.prevalence, said)


def answer_from(
    statements: Statements, settings: Settings, model: AnswerModel, gate: tuple[str, ...] = ()
) -> Prediction:
    """Add the evidence to the prior, and make the call.

    Args:
        statements: what each method says, for each plausible outline.
        settings: prevalence and thresholds.
        model: weights.
        gate: reasons why no definite call may be made, whatever the evidence.

    Returns:
        The answer. Without any evidence it is indeterminate, at the prevalence, and its range is 0 to 1.
    """
    prevalence, thresholds = settings.prevalence, settings.thresholds or model.thresholds
    evidence = weigh(statements, model)
    if not evidence:
        return Prediction(
            Call.INDETERMINATE,
            prevalence,
            (0.0, 1.0),
            prevalence,
            NO_EVIDENCE,
            thresholds,
            reasons=(NO_EVIDENCE, *gate),
        )
    hospital, prior = settings.hospital(model), float(logit(prevalence))
    added, reach = total_evidence(evidence, hospital), spread(statements, model, hospital)
    by_outline = {
        name: prior + value for name, value in evidence_by_outline(statements, model, hospital).items()
    }
    call, reasons = call_of(prior + added, added, reach, by_outline, thresholds)
    return Prediction(
        call=Call.INDETERMINATE if gate else call,
        probability=float(expit(prior + added)),
        interval=(float(expit(prior + min(reach.low, added))), float(expit(prior + max(reach.high, added)))),
        prevalence=prevalence,
        explanation=_explanation(len(evidence), len(statements.outlines)),
        thresholds=thresholds,
        evidence=evidence,
        reasons=(*gate, *reasons),
        range_sources=reach.sources,
        by_outline={name: float(expit(value)) for name, value in by_outline.items()},
        site=None if settings.site is None else settings.site.name,
    )


def _explanation(findings: int, outlines: int) -> str:
    drawn = f", each averaged over {outlines} plausible outlines" if outlines > 1 else ""
    return (
        f"The prior log-odds of the prevalence plus the weighted evidence of {findings} "
        f"finding{'s' if findings > 1 else ''}{drawn}."
    )
