from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy.special import expit

from gliotype.evaluate.calibration import brier, calibration_line, flexible_calibration, line_estimates


def test_brier_by_hand():
    assert brier([1, 0, 1, 0], [1.0, 0.0, 0.5, 0.2]).value == pytest.approx((0.25 + 0.04) / 4)


@pytest.fixture
def cohort() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    log_odds = rng.normal(-0.5, 1.5, 40_000)
    return (rng.random(40_000) < expit(log_odds)).astype(int), log_odds


def test_true_probabilities_are_calibrated(cohort):
    labels, log_odds = cohort
    line = calibration_line(labels, expit(log_odds))
    assert line.slope == pytest.approx(1, abs=0.03)
    assert line.intercept == pytest.approx(0, abs=0.03)


def test_exaggerated_probabilities_have_half_the_slope(cohort):
    labels, log_odds = cohort
    assert calibration_line(labels, expit(2 * log_odds)).slope == pytest.approx(0.5, abs=0.02)


def test_shifted_probabilities_show_their_shift(cohort):
    labels, log_odds = cohort
    line = calibration_line(labels, expit(log_odds - 0.8))
    assert line.slope == pytest.approx(1, abs=0.03)
    assert line.intercept == pytest.approx(0.8, abs=0.03)


def test_slope_and_intercept_are_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(8)
    log_odds = rng.normal(size=300)
    labels = (rng.random(300) < expit(0.6 * log_odds + 0.4)).astype(int)
    line = calibration_line(labels, expit(log_odds))
    design, beta = np.column_stack([np.ones(300), log_odds]), np.zeros(2)
    for _ in range(20):
        fitted = expit(design @ beta)
        beta += np.linalg.solve(
            design.T @ (design * (fitted * (1 - fitted))[:, None]), design.T @ (labels - fitted)
        )
    assert line.slope == pytest.approx(beta[1], rel=1e-4)
    assert (labels - expit(log_odds + line.intercept)).sum() == pytest.approx(0, abs=1e-6)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class"):
        calibration_line([1, 1, 1], [0.2, 0.3, 0.4])


def test_published_scores_have_the_known_calibration(shared_data):
    with (shared_data / "tables" / "prognosais_test_predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["IDH_mutated"] in ("0", "1")]
    labels = np.array([int(row["IDH_mutated"]) for row in rows])
    scores = np.array([float(row["Prediction_score_IDH_mutated"]) for row in rows])
    line = calibration_line(labels, scores)
    assert line.slope == pytest.approx(0.44, abs=0.01)
    assert line.intercept == pytest.approx(1.59, abs=0.02)
    assert brier(labels, scores).value == pytest.approx(0.131, abs=0.001)


def test_the_curve_of_true_probabilities_is_the_diagonal_within_its_band(cohort):
    labels, log_odds = cohort
    index, curve = flexible_calibration(labels[:3000], expit(log_odds[:3000]), resamples=60)
    assert index.value < 0.03
    assert [point.predicted for point in curve] == pytest.approx(np.arange(1, 20) / 20)
    inside = [point.observed.low <= point.predicted <= point.observed.high for point in curve]
    assert np.mean(inside) > 0.7, "neighbouring points go astray together"
    assert max(abs(point.observed.value - point.predicted) for point in curve) < 0.06


def test_the_curve_of_bent_probabilities_bends(cohort):
    labels, log_odds = cohort
    bent = expit(2 * log_odds[:3000] + 1)
    index, curve = flexible_calibration(labels[:3000], bent, resamples=60)
    truth = expit((np.log([p.predicted / (1 - p.predicted) for p in curve]) - 1) / 2)
    assert [point.observed.value for point in curve] == pytest.approx(truth, abs=0.06)
    assert index.value == pytest.approx(np.abs(bent - expit(log_odds[:3000])).mean(), abs=0.02)
    assert index.low < index.value < index.high


def test_the_curve_stays_within_the_predictions_and_has_none_for_one_prediction():
    labels = np.array([0, 1] * 30)
    _, curve = flexible_calibration(labels, np.linspace(0.22, 0.58, 60), resamples=20)
    assert [point.predicted for point in curve] == pytest.approx([0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55])
    index, curve = flexible_calibration(labels, np.full(60, 0.32), resamples=20)
    assert (index.value, curve) == (pytest.approx(0.18), ())


def test_probabilities_that_hardly_differ_have_a_slope_with_its_interval():
    """As networks give that have learned for an epoch or two: the slope is in the hundreds."""
    mutant = np.array([False, False, True, False, True, True])
    spread = np.array([0.0, 0.2, 0.5, 0.55, 0.8, 1.0])
    slope, intercept = line_estimates(mutant, expit(-0.7 + spread / 50))
    scaled, _ = line_estimates(mutant, expit(-0.7 + spread))
    assert slope.value > 100
    assert slope.value == pytest.approx(50 * scaled.value, rel=0.02)
    assert slope.high == pytest.approx(50 * scaled.high, rel=0.02)
    assert intercept.value == pytest.approx(0.7, abs=0.02)
