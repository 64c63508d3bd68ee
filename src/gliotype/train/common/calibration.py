"""What is fitted on the tuning patients: the calibration of log-odds, and the threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from gliotype.predictors.trained import Calibration

Floats = NDArray[np.float64]

SLOPE_SD = 0.5
"""Standard deviation, around 1, of the slopes that are expected before any tuning patient is seen; a design value.

Without it a dozen patients whom the log-odds happen to separate would ask for a slope without limit.
"""

SHIFT_SD = 5.0
"""The same of the log-odds of the patients' mean, around 0: nearly no restriction."""

LEAST_SLOPE = 0.05
"""The least slope, so that no calibration turns a method round."""


def fit_calibration(truth: NDArray[np.bool_], log_odds: Floats) -> Calibration:
    """Fit the calibration of log-odds (Platt 1999), at a prevalence of one half, with a slope drawn towards 1.

    Args:
        truth: outcome, both classes, (n,).
        log_odds: (n,).

    Example:
        >>> truth = np.repeat([False, True], 50)
        >>> fitted = fit_calibration(truth, np.where(truth, 1.0, -1.0) * np.tile([3.0, 3.0, 3.0, -3.0, 3.0], 20))
        >>> round(fitted.slope, 1), abs(round(fitted.offset, 1))
        (0.5, 0.0)
    """
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    middle = float(np.average(log_odds, weights=weight))
    centred = log_odds - middle

    def loss(values: Floats) -> tuple[float, Floats]:
        slope, shift = values
        said = slope * centred + shift
        excess = weight * (expit(said) - truth)
        penalties = (slope - 1) ** 2 / SLOPE_SD**2 + shift**2 / SHIFT_SD**2
        value = (weight * (np.logaddexp(0, said) - truth * said)).sum() + penalties / 2
        lean = [(slope - 1) / SLOPE_SD**2, shift / SHIFT_SD**2]
        return float(value), np.array([(excess * centred).sum(), excess.sum()]) + lean

    slope, shift = minimize(loss, [1.0, 0.0], jac=True, method="BFGS", options={"gtol": 1e-8}).x
    slope = max(float(slope), LEAST_SLOPE)
    return Calibration(slope, float(shift) - slope * middle)


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
