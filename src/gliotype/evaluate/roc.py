"""The area under the ROC curve with its uncertainty, and the comparison of two methods on the same patients.

Variances after DeLong, DeLong & Clarke-Pearson (Biometrics 1988;44:837), computed from mid-ranks after
Sun & Xu (IEEE Signal Process Lett 2014;21:1389). The interval of one area is that of its logit (Pepe, The Statistical
Evaluation of Medical Tests, 2003, section 5.2.5): with few patients of a class, that of the area itself covers too
rarely. Differences of areas keep the normal interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import expit, logit

from gliotype.predictors.ensemble import Z95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval.

    Attributes:
        value: point estimate.
        low: lower end of the interval.
        high: upper end of the interval.

    Example:
        >>> print(Estimate(0.9, 0.8, 0.95), Estimate(-0.05, -0.2, 0.1))
        0.900 (0.800-0.950) -0.050 (-0.200 to 0.100)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        between = " to " if self.low < 0 else "-"
        return f"{self.value:.3f} ({self.low:.3f}{between}{self.high:.3f})"


def around(value: float, standard_error: float) -> Estimate:
    """Return the normal 95 % interval of a number."""
    return Estimate(value, value - Z95 * standard_error, value + Z95 * standard_error)


def around_on_logit(area: float, standard_error: float) -> Estimate:
    """Return the 95 % interval of an area, normal on the scale of its logit (delta method).

    Args:
        area: between 0 and 1, both excluded.
        standard_error: of the area itself.

    Example:
        >>> print(around_on_logit(0.982, 0.025))
        0.982 (0.773-0.999)
    """
    on_logit = around(float(logit(area)), standard_error / (area * (1 - area)))
    return Estimate(area, float(expit(on_logit.low)), float(expit(on_logit.high)))


@dataclass(frozen=True)
class Comparison:
    """Two AUROCs on the same patients.

    Attributes:
        difference: first minus second, with its 95 % interval.
        p_value: two-sided, of no difference.
    """

    difference: Estimate
    p_value: float


def auroc(labels: ArrayLike, scores: ArrayLike) -> Estimate:
    """Estimate the area under the ROC curve with its 95 % interval.

    DeLong's variance is carried over to the logit of the area. At an area of 1 or 0, where that variance is 0, the
    interval is a one-sided exact bound: k disjoint pairs of a positive and a negative patient, k the smaller class, are
    independent and all in order with a probability of area^k, so that areas below 0.025^(1/k) are excluded.

    Args:
        labels: 1 or True for the positive class; both classes must occur twice or more.
        scores: higher for the positive class; ties count half.

    Raises:
        ValueError: if the lengths differ, a score is not finite, or a class is too small.

    Example:
        >>> print(auroc([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.35, 0.8, 0.3, 0.9]))
        0.778 (0.173-0.983)
        >>> print(auroc([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.7, 0.9]))
        1.000 (0.292-1.000)
    """
    areas, covariance = _areas_and_covariance(labels, [scores])
    area = float(areas[0])
    if area in (0.0, 1.0):
        positives = int(np.asarray(labels).astype(bool).sum())
        bound = _exact_bound(min(positives, np.size(labels) - positives))
        return Estimate(area, bound, 1.0) if area == 1 else Estimate(area, 0.0, 1 - bound)
    return around_on_logit(area, float(np.sqrt(covariance[0, 0])))


def compare_aurocs(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> Comparison:
    """Compare two scores of the same patients (DeLong's test for correlated curves).

    Where DeLong's variance is 0, as between an area of 1 and one of 0, the limits are those of the two areas, and the
    test is a sign test on k disjoint pairs of a positive and a negative patient, k the smaller class.

    Raises:
        ValueError: as `auroc`.

    Example:
        >>> compare_aurocs([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1]).p_value
        0.5
    """
    areas, covariance = _areas_and_covariance(labels, [first, second])
    difference = float(areas[0] - areas[1])
    spread = float(np.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0)))
    if spread > 0:
        wald = around(difference, spread)
        within = Estimate(difference, max(wald.low, -1.0), min(wald.high, 1.0))
        return Comparison(within, float(2 * stats.norm.sf(abs(difference) / spread)))
    if difference == 0:
        return Comparison(around(0.0, 0.0), 1.0)
    one, other = auroc(labels, first), auroc(labels, second)
    positive = np.asarray(labels).astype(bool)
    pairs = int(min(positive.sum(), (~positive).sum()))
    return Comparison(
        Estimate(difference, one.low - other.high, one.high - other.low), min(2 * 0.5**pairs, 1.0)
    )


def _exact_bound(pairs: int) -> float:
    """Return the lower 97.5 % bound of a proportion when all of `pairs` are successes (Clopper & Pearson 1934).

    Example:
        >>> round(_exact_bound(8), 3)
        0.631
    """
    return float(0.025 ** (1 / pairs))


def _areas_and_covariance(labels: ArrayLike, scores: list[ArrayLike]) -> tuple[Floats, Floats]:
    """Return the area of each score and the covariance matrix of the areas."""
    positive = np.asarray(labels).astype(bool)
    table = np.asarray(scores, dtype=np.float64)
    if table.shape[1:] != positive.shape:
        raise ValueError(f"{positive.size} labels do not go with scores of shape {table.shape[1:]}")
    if not np.isfinite(table).all():
        raise ValueError("a score is not finite: leave such patients out, and count them")
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise ValueError(
            f"{m} positive and {n} negative patients: at least two of each are needed for an AUROC"
        )
    of_all = stats.rankdata(table, axis=1)
    within_positive = stats.rankdata(table[:, positive], axis=1)
    within_negative = stats.rankdata(table[:, ~positive], axis=1)
    of_positive = (of_all[:, positive] - within_positive) / n
    of_negative = 1 - (of_all[:, ~positive] - within_negative) / m
    covariance = np.atleast_2d(np.cov(of_positive)) / m + np.atleast_2d(np.cov(of_negative)) / n
    return of_positive.mean(axis=1), covariance
