"""Evidence adds up, missing evidence adds nothing, and a definite call needs evidence of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from gliotype.answer.answer import NO_EVIDENCE, Settings, answer, answer_from
from gliotype.answer.combine import SOURCES, Statements, spread, weigh
from gliotype.answer.model import AnswerModel, Weight, answer_model
from gliotype.answer.site import SiteCalibration
from gliotype.predictors.conformal import ConformalThresholds
from gliotype.result import Call
from support.factory import make_no_tumour, make_result

MODEL = AnswerModel(
    weights={
        "age": Weight(0.7, 0.1, 0.7, 0.15, 4.0, "fitted"),
        "radiomics": Weight(0.6, 0.1, 0.6, 0.2, 5.0, "fitted"),
        "perfusion": Weight(0.0, 0.0, 0.0, 0.0, 5.0, "fixed at 0"),
    },
    correlation=np.eye(3),
    hospital_slope_sd=0.3,
    hospital_offset_sd=0.3,
    thresholds=(0.2, 0.8),
    date="2026-01-01",
    patients=0,
    mutants=0,
)
CERTAIN = replace(
    MODEL,
    weights={name: replace(weight, sd=0.0) for name, weight in MODEL.weights.items()},
    hospital_slope_sd=0.0,
    hospital_offset_sd=0.0,
)


def said(sd: float = 0.0, **methods: float | list[float]) -> Statements:
    """Statements of some methods, for one outline or for several."""
    values = {name: np.atleast_1d(np.asarray(value, float)) for name, value in methods.items()}
    outlines = max((len(v) for v in values.values()), default=1)
    return Statements(
        outlines=("as drawn", *(f"outline {n}" for n in range(1, outlines))),
        log_likelihood_ratios={name: np.broadcast_to(v, (outlines,)) for name, v in values.items()},
        sd=dict.fromkeys(values, sd),
    )


def test_the_log_odds_are_prior_plus_weighted_evidence() -> None:
    found = answer_from(said(age=1.0, radiomics=-2.0), Settings(0.3), MODEL)
    assert found.probability == pytest.approx(expit(logit(0.3) + 0.7 * 1.0 - 0.6 * 2.0))
    assert [each.method for each in found.evidence] == ["radiomics", "age"]
    assert logit(found.probability) == pytest.approx(
        logit(0.3) + sum(each.contribution for each in found.evidence)
    )


def test_missing_evidence_adds_nothing() -> None:
    with_gap = answer_from(said(age=1.0, radiomics=float("nan")), Settings(0.3), MODEL)
    without = answer_from(said(age=1.0), Settings(0.3), MODEL)
    assert with_gap == without


def test_a_method_held_at_0_is_listed_and_moves_nothing() -> None:
    found = answer_from(said(age=1.0, perfusion=4.0), Settings(0.3), MODEL)
    assert found.probability == answer_from(said(age=1.0), Settings(0.3), MODEL).probability
    assert found.evidence[-1].method == "perfusion"
    assert found.evidence[-1].contribution == 0.0


def test_a_fixed_weight_after_the_others_leaves_the_range_of_studies_without_it_as_it_was() -> None:
    """The draws of the range must not depend on methods that a patient does not have."""
    further = replace(MODEL, weights={**MODEL.weights, "mrs": Weight(1.0, 0.0, 1.0, 0.0, 2.3, "literature")})
    without = said(sd=0.3, age=1.0, radiomics=-2.0)
    assert answer_from(without, Settings(0.3), further) == answer_from(without, Settings(0.3), MODEL)
    with_2hg = answer_from(said(sd=0.3, age=1.0, radiomics=-2.0, mrs=2.0), Settings(0.3), further)
    assert with_2hg.evidence[0].method == "mrs"
    assert with_2hg.evidence[0].contribution == pytest.approx(2.0)


def test_without_evidence_the_prevalence_is_all_that_is_known() -> None:
    found = answer_from(said(), Settings(0.42), MODEL)
    assert (found.call, found.probability, found.interval) == (Call.INDETERMINATE, 0.42, (0.0, 1.0))
    assert found.reasons == (NO_EVIDENCE,)
    assert found.method is None


def test_evidence_is_limited_for_each_outline() -> None:
    (evidence,) = weigh(said(age=[9.0, 1.0]), MODEL)
    assert evidence.log_likelihood_ratio == pytest.approx((4.0 + 1.0) / 2)


def test_strong_and_certain_evidence_makes_a_definite_call() -> None:
    assert answer_from(said(age=4.0, radiomics=5.0), Settings(0.3), CERTAIN).call is Call.MUTANT
    assert answer_from(said(age=-3.0, radiomics=-3.0), Settings(0.3), CERTAIN).call is Call.WILDTYPE


def test_a_call_that_the_prevalence_alone_would_make_is_not_made() -> None:
    found = answer_from(said(age=-0.5), Settings(0.1), CERTAIN)
    assert found.probability is not None
    assert found.probability < 0.2
    assert found.call is Call.INDETERMINATE
    assert found.reasons[0].startswith("There is too little evidence")


def test_a_probability_between_the_thresholds_is_too_close_to_call() -> None:
    found = answer_from(said(age=1.0), Settings(0.3), CERTAIN)
    assert found.call is Call.INDETERMINATE
    assert found.reasons[0].startswith("It is too close to call")


def test_outlines_that_disagree_forbid_a_call() -> None:
    found = answer_from(said(radiomics=[-5.0, -5.0, 1.0]), Settings(0.3), CERTAIN)
    assert found.probability is not None
    assert found.probability < 0.2
    assert found.call is Call.INDETERMINATE
    assert any("outlines disagree: 1 of 3" in reason for reason in found.reasons)
    assert found.by_outline["outline 2"] > 0.2


def test_the_range_forbids_a_call_and_says_what_matters_most() -> None:
    unsure = replace(CERTAIN, hospital_slope_sd=0.6)
    found = answer_from(said(age=3.0, radiomics=2.0), Settings(0.5), unsure)
    assert found.call is Call.INDETERMINATE
    assert "difference between hospitals matters most" in found.reasons[0]


def test_a_gate_forbids_a_call_and_leaves_the_probability() -> None:
    settings = Settings(0.3)
    free = answer_from(said(age=4.0, radiomics=5.0), settings, CERTAIN)
    stopped = answer_from(said(age=4.0, radiomics=5.0), settings, CERTAIN, gate=("It is a child.",))
    assert (free.call, stopped.call) == (Call.MUTANT, Call.INDETERMINATE)
    assert stopped.reasons == ("It is a child.",)
    assert stopped.probability == free.probability


def test_thresholds_can_be_set() -> None:
    moved = Settings(0.3, thresholds=(0.05, 0.6))
    assert answer_from(said(age=2.5), moved, CERTAIN).call is Call.MUTANT
    assert answer_from(said(age=2.5), moved, CERTAIN).thresholds == (0.05, 0.6)


def test_no_tumour_has_no_probability() -> None:
    result = make_no_tumour()
    found = answer(result.study, result.prepared, result.tumour, result.measurements, Settings())
    assert (found.call, found.probability, found.interval) == (Call.NO_TUMOUR, None, None)
    assert "below 1 ml is not reported" in found.explanation
    given = replace(result.tumour, source="given")
    found = answer(result.study, result.prepared, given, result.measurements, Settings())
    assert found.explanation == "No tumour was found, so there is nothing to predict."


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tumour": {"doubts": ("A doubtful region may be a tumour.",)}}, "A doubtful region"),
        ({"prepared": {"quality": {"FLAIR to T1C: similarity": 0.2}}}, "The registration of FLAIR"),
        ({"prepared": {"quality": {"brain: agreement with the atlas": 0.4}}}, "The brain was not found"),
    ],
)
def test_a_tumour_that_may_have_been_missed_is_not_denied(
    changed: dict[str, dict[str, object]], reason: str
) -> None:
    result = make_no_tumour()
    prepared = replace(result.prepared, **changed.get("prepared", {}))
    tumour = replace(result.tumour, **changed.get("tumour", {}))
    found = answer(result.study, prepared, tumour, result.measurements, Settings())
    assert (found.call, found.probability, found.interval) == (Call.INDETERMINATE, None, None)
    assert found.reasons[0].startswith(reason)


@given(
    age=st.floats(-6, 6),
    radiomics=st.lists(st.floats(-8, 8), min_size=1, max_size=4),
    prevalence=st.floats(0.02, 0.98),
)
def test_the_range_holds_the_probability_and_sources_are_compared(
    age: float, radiomics: list[float], prevalence: float
) -> None:
    found = answer_from(said(0.3, age=age, radiomics=radiomics), Settings(prevalence), MODEL)
    assert found.probability is not None
    assert found.interval is not None
    assert 0 <= found.interval[0] <= found.probability <= found.interval[1] <= 1
    assert set(found.range_sources) == set(SOURCES)
    assert min(found.range_sources.values()) >= 0


def test_each_source_varies_only_what_it_names() -> None:
    alone = spread(said(0.0, radiomics=[-1.0, 1.0]), CERTAIN, CERTAIN.any_hospital)
    assert alone.largest == "outline"
    assert alone.sources["hospital"] == alone.sources["weights"] == alone.sources["coefficients"] == 0
    own = spread(said(0.5, radiomics=1.0), CERTAIN, CERTAIN.any_hospital)
    assert own.largest == "coefficients"
    assert own.sources["coefficients"] == pytest.approx(0.6 * 0.5, rel=0.05)
    assert spread(said(0.0, radiomics=1.0), CERTAIN, CERTAIN.any_hospital).largest is None


def test_the_same_study_has_the_same_range() -> None:
    first, second = (
        spread(said(0.3, age=1.0, radiomics=[0.0, 2.0]), MODEL, MODEL.any_hospital) for _ in range(2)
    )
    assert first == second


def test_the_shipped_model_is_sound() -> None:
    model = answer_model()
    varying = len(model.correlation)
    assert model.correlation.shape == (varying, varying)
    assert all(weight.sd == 0 for weight in list(model.weights.values())[varying:])
    assert np.linalg.eigvalsh(model.correlation).min() > -1e-6
    assert model.weights["perfusion"].mean == 0.0
    assert model.weights["radiomics"].mean + model.weights["hybrid"].mean <= 1.0 + 1e-3
    assert all(weight.source for weight in model.weights.values())


def test_every_outline_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from gliotype.answer.statements import collect_statements
    from gliotype.study import Outline

    result = make_result()
    grown = np.roll(result.tumour.mask, 2, axis=0)
    tumour = replace(result.tumour, outlines=(Outline("moved", grown),))
    statements = collect_statements(result.prepared, tumour, result.measurements, result.subject)
    assert statements.outlines == ("as drawn", "moved")
    assert len(statements.log_likelihood_ratios["radiomics"]) == 2
    assert (
        statements.log_likelihood_ratios["radiomics"][0] != statements.log_likelihood_ratios["radiomics"][1]
    )


def test_a_local_calibration_scales_the_evidence_and_narrows_the_range() -> None:
    few = ConformalThresholds(0.9, 0, 0, None, None)
    site = SiteCalibration("ours", "2026-11-01", 60, 20, 0.4, 0.5, 0.2, 0.05, 0.05, few)
    statements = said(age=2.0, radiomics=1.0)
    plain = answer_from(statements, Settings(0.4), MODEL)
    local = answer_from(statements, Settings(0.4, site=site), MODEL)
    assert local.site == "ours"
    assert logit(local.probability) == pytest.approx(logit(0.4) + 0.2 + 0.5 * (0.7 * 2.0 + 0.6 * 1.0))
    assert logit(local.probability) == pytest.approx(site.apply(0.7 * 2.0 + 0.6 * 1.0))
    assert local.range_sources["hospital"] < plain.range_sources["hospital"]
