from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats

from gliotype.evaluate.roc import auroc, compare_aurocs


def by_pairs(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """One row per positive, one column per negative: 1 where the positive scores higher, 1/2 for a tie."""
    higher = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return (higher > 0) + 0.5 * (higher == 0)


def covariance_by_definition(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """DeLong 1988, equation 5 and following, written out with sums over all pairs."""
    a, b = by_pairs(labels, first), by_pairs(labels, second)
    of_positive = np.cov(a.mean(axis=1), b.mean(axis=1))[0, 1]
    of_negative = np.cov(a.mean(axis=0), b.mean(axis=0))[0, 1]
    return of_positive / a.shape[0] + of_negative / a.shape[1]


@pytest.fixture
def cohort() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    labels = (rng.random(83) < 0.3).astype(int)
    first = np.round(rng.normal(size=83) + 1.2 * labels, 1)
    second = np.round(0.5 * first + rng.normal(size=83) + 0.3 * labels, 1)
    return labels, first, second


def test_area_is_the_share_of_pairs_in_order_with_ties_counted_half(cohort):
    labels, scores, _ = cohort
    assert len(np.unique(scores)) < len(scores)
    expected = by_pairs(labels, scores).mean()
    assert auroc(labels, scores).value == pytest.approx(expected)
    mann_whitney = stats.mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic
    assert auroc(labels, scores).value == pytest.approx(mann_whitney / (labels.sum() * (1 - labels).sum()))


def test_interval_is_delongs(cohort):
    labels, scores, _ = cohort
    estimate = auroc(labels, scores)
    half = 1.959964 * np.sqrt(covariance_by_definition(labels, scores, scores))
    assert estimate.high - estimate.value == pytest.approx(half, rel=1e-6)
    assert estimate.value - estimate.low == pytest.approx(half, rel=1e-6)


def test_by_hand():
    # Pairs: 3 over (1, 2) and 2 over (1, 2) with one tie: (1 + 1 + 1 + 0.5) / 4.
    # Positives 1 and 3/4, negatives 1 and 3/4: variance 1/32 / 2 each, 1/32 together.
    estimate = auroc([0, 0, 1, 1], [1, 2, 3, 2])
    assert estimate.value == pytest.approx(0.875)
    assert estimate.low == pytest.approx(0.875 - 1.959964 * np.sqrt(1 / 32), abs=1e-6)
    assert estimate.high == 1.0


def test_proc_gives_the_same_area_and_interval():
    """R's pROC 1.18, `ci.auc(roc(aSAH$outcome, aSAH$wfns))`: 0.8237, 95 % CI 0.7485-0.8988 (DeLong).

    The WFNS grades 1 to 5 of its example patients (Turck 2010, doi 10.1007/s00134-009-1641-y) by outcome; the area to
    all digits is that of the ties in this table.
    """
    good, poor = [37, 20, 3, 8, 4], [2, 12, 1, 8, 18]
    grades = np.r_[np.repeat(range(1, 6), good), np.repeat(range(1, 6), poor)]
    estimate = auroc(np.repeat([0, 1], [72, 41]), grades)
    assert estimate.value == pytest.approx(0.8236789, abs=5e-8)
    assert (estimate.low, estimate.high) == pytest.approx((0.7485, 0.8988), abs=5e-5)


def test_perfect_and_reversed():
    assert auroc([0, 0, 1, 1], [1, 2, 3, 4]).value == 1.0
    assert auroc([0, 0, 1, 1], [4, 3, 2, 1]).value == 0.0


def test_paired_comparison_is_delongs(cohort):
    labels, first, second = cohort
    comparison = compare_aurocs(labels, first, second)
    variance = (
        covariance_by_definition(labels, first, first)
        + covariance_by_definition(labels, second, second)
        - 2 * covariance_by_definition(labels, first, second)
    )
    difference = auroc(labels, first).value - auroc(labels, second).value
    assert comparison.difference.value == pytest.approx(difference)
    assert comparison.p_value == pytest.approx(2 * stats.norm.sf(abs(difference) / np.sqrt(variance)))
    assert comparison.difference.high - comparison.difference.value == pytest.approx(
        1.959964 * np.sqrt(variance), rel=1e-6
    )


def test_a_score_does_not_differ_from_itself(cohort):
    labels, scores, _ = cohort
    comparison = compare_aurocs(labels, scores, 2 * scores)
    assert comparison.p_value == 1.0
    assert comparison.difference.value == 0


def test_interval_covers_the_truth_as_often_as_it_says():
    truth = stats.norm.cdf(1 / np.sqrt(2))
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], [60, 40])
    covered = [
        (estimate := auroc(labels, rng.normal(size=100) + labels)).low <= truth <= estimate.high
        for _ in range(1000)
    ]
    assert 0.92 < np.mean(covered) < 0.97


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 1], [0.1, 0.2], "1 positive and 1 negative"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3], "4 labels"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, np.nan], "not finite"),
    ],
)
def test_what_cannot_be_estimated_is_refused(labels, scores, says):
    with pytest.raises(ValueError, match=says):
        auroc(labels, scores)


def test_published_scores_give_the_published_area(shared_data):
    """PrognosAIs on TCGA (van der Voort 2022): 0.90 in the paper, 0.896 from its released scores."""
    with (shared_data / "tables" / "prognosais_test_predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["IDH_mutated"] in ("0", "1")]
    labels = [int(row["IDH_mutated"]) for row in rows]
    estimate = auroc(labels, [float(row["Prediction_score_IDH_mutated"]) for row in rows])
    assert len(rows) == 217
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.896, 0.851, 0.937), abs=0.005)
