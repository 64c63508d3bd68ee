"""What is fitted on the tuning patients: the calibration of log-odds, and the threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gliotype.predictors.trained import Calibration

Floats = NDArray[np.float64]


def fit_calibration(truth: NDArray[np.bool_], log_odds: Floats) -> Calibration:
    """Fit the calibration of log-odds (Platt 1999), at a prevalence of one half.

    Args:
        truth: outcome, both classes, (n,).
        log_odds: (n,).

    Example:
        >>> truth = np.repeat([False, True], 50)
        >>> fitted = fit_calibration(truth, np.where(truth, 1.0, -1.0) * np.tile([3.0, 3.0, 3.0, -3.0, 3.0], 20))
        >>> round(fitted.slope, 1), round(fitted.offset, 1)
        (0.5, 0.0)
    """
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    fit = LogisticRegression(C=10.0).fit(log_odds[:, None], truth, sample_weight=weight)
    return Calibration(max(float(fit.coef_[0, 0]), 0.05), float(fit.intercept_[0]))


def youden_threshold(truth: NDArray[np.bool_], probability: Floats) -> float:
    """Return the threshold with the largest sum of sensitivity and specificity, midway between two patients.

    Example:
        >>> round(youden_threshold(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.6, 0.9])), 3)
        0.5
    """
    order = np.unique(probability)
    thresholds = np.r_[(order[1:] + order[:-1]) / 2] if len(order) > 1 else order
    gains = [(probability[truth] >= c).mean() + (probability[~truth] < c).mean() for c in thresholds]
    return float(thresholds[int(np.argmax(gains))])
