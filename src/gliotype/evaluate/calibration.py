"""Whether probabilities mean what they say: Brier score and the calibration line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

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
