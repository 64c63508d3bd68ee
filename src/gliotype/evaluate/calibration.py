"""Whether probabilities mean what they say: Brier score, calibration line and curve, reliability in bins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from gliotype.evaluate.decisions import Bools, mean_of, proportion
from gliotype.evaluate.roc import Estimate, around

Floats = NDArray[np.float64]

BINS = 10
CURVE_AT = np.arange(1, 20) / 20
"""Predicted probabilities at which the calibration curve is reported, within the range of the predictions."""

MIN_SPREAD = 0.01
"""Of the log-odds; probabilities more alike than this have no calibration slope."""

RESAMPLES = 200
"""Of the bootstrap of the calibration curve."""

_EDGE = 1e-6


@dataclass(frozen=True)
class CalibrationLine:
    """How the observed log-odds follow the predicted ones (Cox 1958; Van Calster 2019, level "weak").

    Attributes:
        slope: 1 is ideal; below 1 the predictions are too extreme.
        intercept: calibration in the large: what to add to every log-odds (slope fixed at 1) so that the mean
            prediction equals the observed frequency; 0 is ideal, above 0 the predictions are too low.
    """

    slope: float
    intercept: float


@dataclass(frozen=True)
class CurvePoint:
    """A point of the flexible calibration curve (Van Calster 2019, level "moderate").

    Attributes:
        predicted: probability.
        observed: smoothed proportion of mutants among those with this prediction.
    """

    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class ReliabilityBin:
    """The patients with similar probabilities.

    Attributes:
        low: lower end of the bin, included.
        high: upper end, excluded except in the last bin.
        n: patients in it; a bin without any is left out.
        mean_probability: predicted.
        observed: proportion of mutants.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: Estimate


@dataclass(frozen=True)
class Calibration:
    """Whether the probabilities mean what they say.

    Attributes:
        slope: 1 is ideal; None where a threshold separates the classes without error, since it is then unbounded.
        intercept: calibration in the large, on the log-odds; 0 is ideal, above 0 the predictions are too low.
        ici: integrated calibration index, the mean distance of the curve from the predictions; 0 is ideal.
        curve: flexible calibration curve at `CURVE_AT`.
        reliability: observed against predicted in `BINS` bins of equal width.
    """

    slope: Estimate | None
    intercept: Estimate
    ici: Estimate
    curve: tuple[CurvePoint, ...]
    reliability: tuple[ReliabilityBin, ...]


def brier(labels: ArrayLike, probabilities: ArrayLike) -> Estimate:
    """Estimate the mean squared difference between outcome (0 or 1) and probability (Brier 1950).

    Example:
        >>> round(brier([0, 1], [0.1, 0.7]).value, 6)
        0.05
    """
    error = mean_of((np.asarray(labels, dtype=float) - np.asarray(probabilities)) ** 2)
    return replace(error, low=max(0.0, error.low))


def calibration_line(labels: ArrayLike, probabilities: ArrayLike) -> CalibrationLine:
    """Fit the calibration slope, and the intercept in the large.

    Args:
        labels: 1 or True for the positive class; both classes must occur.
        probabilities: predicted; those beyond 1e-6 and 1 - 1e-6 count as these.

    Raises:
        ValueError: if only one class occurs.
    """
    outcome = np.asarray(labels).astype(int)
    if len(np.unique(outcome)) < 2:
        raise ValueError("all patients are of one class: calibration needs both")
    log_odds = _log_odds(probabilities)
    recalibration = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    recalibration.fit(log_odds[:, None], outcome)
    return CalibrationLine(
        slope=float(recalibration.coef_[0, 0]), intercept=_shift_to(log_odds, float(outcome.mean()))
    )


def calibration(mutant: Bools, score: Floats, *, resamples: int = RESAMPLES) -> Calibration:
    """Estimate line (Wald's intervals), curve and index (the bootstrap's) and reliability (Wilson's).

    Args:
        mutant: outcome; both classes must occur.
        score: predicted probabilities.
        resamples: of the bootstrap of curve and index.
    """
    slope, intercept = line_estimates(mutant, score)
    ici, curve = flexible_calibration(mutant, score, resamples=resamples)
    return Calibration(
        slope=slope,
        intercept=intercept,
        ici=ici,
        curve=curve,
        reliability=_reliability(mutant, score),
    )


def line_estimates(mutant: Bools, score: Floats) -> tuple[Estimate | None, Estimate]:
    """Estimate calibration slope and intercept in the large with Wald's intervals.

    Args:
        mutant: outcome; both classes must occur.
        score: predicted probabilities.

    Returns:
        The slope, None where it has no bound, and the intercept.
    """
    line = calibration_line(mutant, score)
    log_odds = _log_odds(score)
    shifted = expit(log_odds + line.intercept)
    lowest, highest = score[mutant].min(), score[mutant].max()
    overlap = score[~mutant].max() > lowest and highest > score[~mutant].min()
    bounded = overlap and bool(np.ptp(log_odds) > MIN_SPREAD)
    return (
        around(line.slope, _slope_error(mutant, line.slope * log_odds, log_odds)) if bounded else None,
        around(line.intercept, 1 / np.sqrt((shifted * (1 - shifted)).sum())),
    )


def flexible_calibration(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Estimate, tuple[CurvePoint, ...]]:
    """Estimate the smooth calibration curve, and its mean distance from the probabilities (ICI).

    After Austin & Steyerberg (Stat Med 2019;38:4051), with a cubic spline of the log-odds in a logistic model as the
    smooth curve. Intervals are the bootstrap's over patients; the index is biased upwards in few patients.

    Args:
        labels: 1 or True for the positive class; both classes must occur.
        probabilities: predicted; those beyond 1e-6 and 1 - 1e-6 count as these.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The index, and the curve at those of `CURVE_AT` that lie within the predictions.

    Example:
        >>> p = np.tile([0.1, 0.3, 0.5, 0.7, 0.9], 40)
        >>> said = np.repeat(np.arange(40), 5) / 40 < p
        >>> index, curve = flexible_calibration(said, p)
        >>> index.value < 0.02, [point.predicted for point in curve][:2]
        (True, [0.1, 0.15])
    """
    outcome, log_odds = np.asarray(labels).astype(int), _log_odds(probabilities)
    predicted = expit(log_odds)
    at = CURVE_AT[(predicted.min() - 1e-9 <= CURVE_AT) & (predicted.max() + 1e-9 >= CURVE_AT)]

    def index_and_curve(chosen: NDArray[np.int_]) -> Floats:
        observed = _smooth(outcome[chosen], log_odds[chosen])
        index = np.abs(observed(log_odds[chosen]) - predicted[chosen]).mean()
        return np.r_[index, observed(logit(at))] if at.size else np.array([index])

    rng = np.random.default_rng(seed)
    drawn: list[Floats] = []
    while len(drawn) < resamples:
        chosen = rng.integers(len(outcome), size=len(outcome))
        if 0 < outcome[chosen].sum() < len(outcome):
            drawn.append(index_and_curve(chosen))
    values = index_and_curve(np.arange(len(outcome)))
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    index, *curve = map(
        Estimate, values.tolist(), np.minimum(low, values).tolist(), np.maximum(high, values).tolist()
    )
    return index, tuple(map(CurvePoint, at.tolist(), curve))


def _smooth(outcome: NDArray[np.int_], log_odds: Floats) -> Callable[[Floats], Floats]:
    """Fit the observed proportion of mutants as a smooth function of the predicted log-odds."""
    if np.ptp(log_odds) < 1e-9:
        return lambda at: np.full(len(at), outcome.mean())
    model = make_pipeline(
        SplineTransformer(n_knots=4, degree=3, extrapolation="linear", include_bias=False),
        LogisticRegression(C=100.0, solver="newton-cholesky"),
    ).fit(log_odds[:, None], outcome)
    return lambda at: np.asarray(model.predict_proba(at[:, None])[:, 1])


def _log_odds(probabilities: ArrayLike) -> Floats:
    return np.asarray(logit(np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)))


def _slope_error(mutant: Bools, sloped: Floats, log_odds: Floats) -> float:
    """Return the standard error of the slope, from the information of the fitted logistic model."""
    fitted = expit(sloped + _shift_to(sloped, float(mutant.mean())))
    weights = fitted * (1 - fitted)
    spread = weights @ (log_odds - np.average(log_odds, weights=weights)) ** 2
    return float(1 / np.sqrt(spread))


def _shift_to(log_odds: Floats, proportion: float) -> float:
    """Return what to add to log-odds, however large, for probabilities with a mean between 0 and 1."""
    low, high = -float(log_odds.max()) - 50, 50 - float(log_odds.min())
    return float(brentq(lambda shift: float(expit(log_odds + shift).mean() - proportion), low, high))


def _reliability(mutant: Bools, score: Floats) -> tuple[ReliabilityBin, ...]:
    edges = np.arange(BINS + 1) / BINS
    index = np.minimum(np.searchsorted(edges, score, side="right") - 1, BINS - 1)
    return tuple(
        ReliabilityBin(
            low=float(edges[each]),
            high=float(edges[each + 1]),
            n=int((index == each).sum()),
            mean_probability=float(score[index == each].mean()),
            observed=proportion(int(mutant[index == each].sum()), int((index == each).sum())),
        )
        for each in np.unique(index)
    )
