from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

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


def test_interval_is_that_of_the_logit_with_delongs_variance(cohort):
    labels, scores, _ = cohort
    estimate = auroc(labels, scores)
    area = estimate.value
    half = 1.959964 * np.sqrt(covariance_by_definition(labels, scores, scores)) / (area * (1 - area))
    assert logit(estimate.high) - logit(area) == pytest.approx(half, rel=1e-6)
    assert logit(area) - logit(estimate.low) == pytest.approx(half, rel=1e-6)


def test_by_hand():
    # Pairs: 3 over (1, 2) and 2 over (1, 2) with one tie: (1 + 1 + 1 + 0.5) / 4.
    # Positives 1 and 3/4, negatives 1 and 3/4: variance 1/32 / 2 each, 1/32 together.
    estimate = auroc([0, 0, 1, 1], [1, 2, 3, 2])
    assert estimate.value == pytest.approx(0.875)
    # Odds of 7; standard error of the logit sqrt(1/32) / (7/64): odds of 7 / exp(3.16778) and 7 exp(3.16778).
    assert estimate.low == pytest.approx(0.227608, abs=1e-6)
    assert estimate.high == pytest.approx(0.994022, abs=1e-6)


def test_proc_gives_the_same_area_and_interval():
    """R's pROC 1.18, `ci.auc(roc(aSAH$outcome, aSAH$wfns))`: 0.8237, 95 % CI 0.7485-0.8988 (DeLong, not on the logit).

    The WFNS grades 1 to 5 of its example patients (Turck 2010, doi 10.1007/s00134-009-1641-y) by outcome; the area to
    all digits is that of the ties in this table.
    """
    good, poor = [37, 20, 3, 8, 4], [2, 12, 1, 8, 18]
    grades = np.r_[np.repeat(range(1, 6), good), np.repeat(range(1, 6), poor)]
    estimate = auroc(np.repeat([0, 1], [72, 41]), grades)
    assert estimate.value == pytest.approx(0.8236789, abs=5e-8)
    half = (logit(estimate.high) - logit(estimate.low)) / 2
    assert half * estimate.value * (1 - estimate.value) == pytest.approx((0.8988 - 0.7485) / 2, abs=5e-5)
    assert logit(estimate.low) + half == pytest.approx(logit(estimate.value))


@pytest.mark.parametrize("wildtypes", [2, 8])
def test_a_perfect_or_reversed_order_has_the_exact_bound_of_independent_pairs(wildtypes: int):
    """Clopper and Pearson's lower bound of a proportion for k of k, where k is the smaller class."""
    labels = np.repeat([0, 1], [wildtypes, 28])
    bound = stats.binomtest(wildtypes, wildtypes).proportion_ci(method="exact").low
    perfect, reversed_order = auroc(labels, labels), auroc(labels, -labels)
    assert (perfect.value, perfect.low, perfect.high) == pytest.approx((1.0, bound, 1.0))
    assert (reversed_order.value, reversed_order.low, reversed_order.high) == pytest.approx((0, 0, 1 - bound))


@pytest.mark.parametrize(("truth", "least"), [(0.8, 0.975), (0.95, 0.975)])
def test_the_exact_bound_excludes_the_truth_as_seldom_as_it_says(truth: float, least: float):
    """With classes separated by d = sqrt(2) z(truth), the probability that all 6 + 4 patients are ordered is known."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [4, 6])
    shift = np.sqrt(2) * stats.norm.ppf(truth)
    lows = [auroc(labels, rng.normal(size=10) + shift * labels) for _ in range(800)]
    assert np.mean([not (each.value == 1 and each.low > truth) for each in lows]) >= least


@pytest.mark.parametrize(("truth", "expected"), [(0.75, 0.94), (0.88, 0.945), (0.95, 0.98)])
def test_interval_covers_the_truth_with_few_wildtypes(truth: float, expected: float):
    """28 mutants and 8 wildtypes, normal scores; DeLong's interval without the logit covers 90, 85 and 79 %."""
    rng = np.random.default_rng(17)
    labels = np.repeat([1, 0], [28, 8])
    shift = np.sqrt(2) * stats.norm.ppf(truth)
    covered = [
        (estimate := auroc(labels, rng.normal(size=36) + shift * labels)).low <= truth <= estimate.high
        for _ in range(2000)
    ]
    assert np.mean(covered) == pytest.approx(expected, abs=0.015)


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
    """PrognosAIs on TCGA (van der Voort 2022): 0.90 in the paper, 0.896 from its released scores.

    The known interval without the logit is 0.851-0.937: its width over the slope of the logit is that of ours.
    """
    with (shared_data / "tables" / "prognosais_test_predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["IDH_mutated"] in ("0", "1")]
    labels = [int(row["IDH_mutated"]) for row in rows]
    estimate = auroc(labels, [float(row["Prediction_score_IDH_mutated"]) for row in rows])
    assert len(rows) == 217
    assert estimate.value == pytest.approx(0.896, abs=0.0005)
    slope = 1 / (0.896 * (1 - 0.896))
    assert logit(estimate.high) - logit(estimate.low) == pytest.approx(
        (0.937 - 0.851) * slope, abs=0.01 * slope
    )


@pytest.mark.parametrize(("pairs", "significant"), [(2, False), (5, False), (6, True), (20, True)])
def test_two_areas_without_variance_are_not_compared_as_if_they_were_certain(pairs, significant):
    labels = np.repeat([0, 1], pairs)
    up = np.arange(2.0 * pairs)
    found = compare_aurocs(labels, up, -up)
    assert found.difference.value == 1.0
    assert (found.p_value < 0.05) is significant
    assert (found.difference.low > 0) is significant
    assert found.difference.high == 1.0
    reverse = compare_aurocs(labels, -up, up)
    assert (reverse.difference.low, reverse.difference.high) == (-1.0, -found.difference.low)
    assert reverse.p_value == found.p_value


def test_the_interval_of_a_difference_stays_within_what_a_difference_can_be():
    labels = np.array([0, 0, 1, 1])
    found = compare_aurocs(labels, [1, 2, 3, 4], [3, 4, 1, 3.5]).difference
    assert found.value == 0.75
    assert 0 < found.low < found.value
    assert found.high == 1.0
