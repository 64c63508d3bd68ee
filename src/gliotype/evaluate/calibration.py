"""Whether probabilities mean what they say: Brier score, calibration line and integrated calibration index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from gliotype.evaluate.roc import Estimate

_EDGE = 1e-6


@dataclass(frozen=True)
class CalibrationLine:
    """How the observed log-odds follow the predicted ones (Cox 1958; Van Calster 2019, level "weak").

    Attributes:
        slope: 1 is ideal; below 1 the predictions are too extreme.
        intercept: calibration in the large: what to add to every log-odds (slope kept at 1) so that the mean
            prediction equals the observed frequency; 0 is ideal, above 0 the predictions are too low.
    """

    slope: float
    intercept: float


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared difference between outcome (0 or 1) and probability.

    Example:
        >>> round(brier([0, 1], [0.1, 0.7]), 6)
        0.05
    """
    return float(np.mean((np.asarray(labels, dtype=float) - np.asarray(probabilities)) ** 2))


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
    log_odds = logit(np.clip(np.asarray(probabilities, dtype=float), _EDGE, 1 - _EDGE))
    recalibration = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    recalibration.fit(log_odds[:, None], outcome)
    intercept = brentq(lambda shift: float(expit(log_odds + shift).mean() - outcome.mean()), -50, 50)
    return CalibrationLine(slope=float(recalibration.coef_[0, 0]), intercept=float(intercept))


def integrated_calibration_index(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = 200, seed: int = 0
) -> Estimate:
    """Estimate the mean distance between the probabilities and a smooth calibration curve (ICI).

    After Austin & Steyerberg (Stat Med 2019;38:4051), with a cubic spline of the log-odds in a logistic model as the
    smooth curve. The interval is the bootstrap's over patients; the index is biased upwards in few patients.

    Args:
        labels: 1 or True for the positive class; both classes must occur.
        probabilities: predicted; those beyond 1e-6 and 1 - 1e-6 count as these.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Example:
        >>> p = np.tile([0.1, 0.3, 0.5, 0.7, 0.9], 40)
        >>> said = np.repeat(np.arange(40), 5) / 40 < p
        >>> integrated_calibration_index(said, p).value < 0.02
        True
    """
    outcome = np.asarray(labels).astype(int)
    predicted = np.clip(np.asarray(probabilities, dtype=float), _EDGE, 1 - _EDGE)
    rng = np.random.default_rng(seed)
    drawn: list[float] = []
    while len(drawn) < resamples:
        chosen = rng.integers(len(outcome), size=len(outcome))
        if 0 < outcome[chosen].sum() < len(outcome):
            drawn.append(_ici(outcome[chosen], predicted[chosen]))
    value = _ici(outcome, predicted)
    low, high = (float(end) for end in np.percentile(drawn, (2.5, 97.5)))
    return Estimate(value, min(low, value), max(high, value))


def _ici(outcome: NDArray[np.int_], predicted: NDArray[np.float64]) -> float:
    log_odds = logit(predicted)[:, None]
    if np.ptp(log_odds) < 1e-9:
        return float(abs(predicted.mean() - outcome.mean()))
    smooth = make_pipeline(
        SplineTransformer(n_knots=4, degree=3, extrapolation="linear", include_bias=False),
        LogisticRegression(C=100.0, max_iter=1000),
    )
    curve = smooth.fit(log_odds, outcome).predict_proba(log_odds)[:, 1]
    return float(np.abs(curve - predicted).mean())
