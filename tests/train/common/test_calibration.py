from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from gliotype.train.common.calibration import LEAST_SLOPE, fit_calibration

FEW = np.array([False] * 3 + [True] * 9)


def test_few_patients_whom_the_log_odds_separate_get_no_extreme_slope() -> None:
    separated = np.where(FEW, 0.7, -0.9) + np.linspace(-0.3, 0.3, 12)
    assert 1.0 < fit_calibration(FEW, separated).slope < 2.0


def test_few_patients_in_the_wrong_order_flatten_the_slope_and_do_not_turn_it_round() -> None:
    assert LEAST_SLOPE <= fit_calibration(FEW, np.where(FEW, -2.0, 2.0)).slope < 0.3


def test_many_patients_have_the_slope_and_offset_that_they_ask_for() -> None:
    rng = np.random.default_rng(4)
    truth = rng.random(4000) < 0.3
    log_odds = rng.normal(np.where(truth, 2.0, -1.0), 1.0)  # log likelihood ratio: 3 x - 1.5
    fitted = fit_calibration(truth, log_odds)
    assert fitted.slope == pytest.approx(3.0, abs=0.25)
    assert fitted.offset == pytest.approx(-1.5, abs=0.2)


def test_log_odds_far_from_zero_are_shifted_back() -> None:
    log_odds = np.where(FEW, -38.0, -42.0) + np.tile([-1.0, 2.5, 0.0], 4)
    fitted = fit_calibration(FEW, log_odds)
    probability = fitted.probability(log_odds, 0.75)
    assert probability[FEW].mean() > 0.75 > probability[~FEW].mean()


def test_what_says_nothing_leaves_the_prevalence() -> None:
    fitted = fit_calibration(FEW, np.full(12, 0.3))
    assert logit(fitted.probability(np.array([0.3]), 0.5))[0] == pytest.approx(0.0, abs=0.1)
