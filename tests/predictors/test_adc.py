from __future__ import annotations

from dataclasses import replace
from math import erf, sqrt

import numpy as np
import pytest

from gliotype.findings import Finding, NotApplicable, Statement
from gliotype.measure import DIFFUSION_UNITS
from gliotype.predictors.adc import (
    MAX_EVIDENCE,
    MIDDLE,
    MUTANT_RATIO,
    SEPARATION,
    SEPARATION_RANGE,
    SPREAD,
    WILDTYPE_RATIO,
    AdcPredictor,
    interval,
    likelihood_ratio,
)
from gliotype.study import Measurements, Sequence, Subject
from support.head_phantom import head


def predicted(ratio: float | None, prevalence: float = 0.3) -> Finding | NotApplicable:
    prepared, tumour = head(sequences=(Sequence.T1C,))
    prepared = replace(prepared, acquired_grids={Sequence.ADC: prepared.grid})
    numbers = {**dict.fromkeys(DIFFUSION_UNITS, 1.0), "adc_ratio": ratio}
    measured = Measurements(diffusion=numbers, units=dict(DIFFUSION_UNITS))
    return AdcPredictor(prevalence).predict(prepared, tumour, measured, Subject("a"))


def test_the_separations_are_those_of_the_pooled_auc() -> None:
    """AUC of two normal distributions d' apart: Phi(d' / sqrt 2)."""
    auc = [0.5 * (1 + erf(d / 2)) for d in SEPARATION_RANGE]
    assert auc == pytest.approx([0.743, 0.804], abs=0.001)
    assert auc[0] <= 0.5 * (1 + erf(SEPARATION / 2)) <= auc[1]
    assert pytest.approx(SEPARATION) == (MUTANT_RATIO - WILDTYPE_RATIO) / SPREAD
    assert pytest.approx(sqrt(0.25 * (2.02 - 1.45)), abs=0.005) == SPREAD


def test_the_ratio_is_that_of_two_normal_densities() -> None:
    def density(ratio: float, mean: float) -> float:
        return float(np.exp(-0.5 * ((ratio - mean) / SPREAD) ** 2))

    for ratio in (1.3, 1.6, MIDDLE, 1.9, 2.2):
        expected = density(ratio, MUTANT_RATIO) / density(ratio, WILDTYPE_RATIO)
        assert likelihood_ratio(ratio) == pytest.approx(expected)


def test_the_evidence_is_capped_in_both_directions() -> None:
    assert likelihood_ratio(3.5) == pytest.approx(MAX_EVIDENCE)
    assert likelihood_ratio(0.6) == pytest.approx(1 / MAX_EVIDENCE)
    for ratio in (0.6, 1.4, 1.9, 3.5):
        low, high = interval(ratio)
        assert low <= likelihood_ratio(ratio) <= high


def test_a_high_adc_speaks_for_mutation_without_a_probability() -> None:
    finding = predicted(2.0)
    assert isinstance(finding, Finding)
    assert (finding.probability, finding.interval) == (None, None)
    assert finding.likelihood_ratio == pytest.approx(likelihood_ratio(2.0))
    assert finding.sequences == (Sequence.ADC,)
    assert [reason.name for reason in finding.reasons[:2]] == ["adc_ratio", "adc_mean"]
    for reason, threshold in zip(finding.reasons, ("1.65", "1.201"), strict=False):
        assert "single centre" in reason.note
        assert threshold in reason.note
    assert "assumption" in finding.limits
    odds = 0.3 / 0.7 * likelihood_ratio(2.0)
    assert f"would move 30 % to {100 * odds / (1 + odds):.0f} %" in finding.summary


def test_without_adc_or_without_a_number_it_does_not_apply() -> None:
    prepared, tumour = head()
    answer = AdcPredictor().predict(prepared, tumour, Measurements(), Subject("a"))
    assert answer == NotApplicable("adc", "it needs an ADC map, or diffusion-weighted images with b-values")
    answer = predicted(None)
    assert isinstance(answer, NotApplicable)
    assert "could not be measured" in answer.reason


def test_the_statement_is_the_logarithm_with_a_spread_that_grows_with_the_distance() -> None:
    prepared, tumour = head()

    def said(ratio: float | None) -> Statement | None:
        measured = Measurements(diffusion={"adc_ratio": ratio})
        return AdcPredictor().statement(prepared, tumour, measured, Subject("a"))

    near, far = said(MIDDLE), said(2.2)
    assert near is not None
    assert far is not None
    assert near.log_likelihood_ratio == pytest.approx(0)
    assert near.sd == pytest.approx(0.1 / SPREAD)
    assert far.log_likelihood_ratio == pytest.approx(np.log(likelihood_ratio(2.2)))
    assert far.sd > near.sd
    assert said(None) is None
    assert AdcPredictor().statement(prepared, tumour, Measurements(), Subject("a")) is None
