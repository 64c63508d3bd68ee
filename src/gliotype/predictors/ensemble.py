"""One answer from the networks of an ensemble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri, stdtrit

Z95 = float(ndtri(0.975))
"""Standard deviations of a normal distribution on either side of its mean that hold 95 % of it."""


def ensemble_answer(log_odds: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    """Return the probability of the members' mean log-odds, and the 95 % interval of one more member.

    The interval is the prediction interval of a normal sample: mean +- t(k - 1, 0.975) sqrt(1 + 1/k) SD for k members,
    4.97 SD for three. A single member has no spread, and its interval no width.

    Args:
        log_odds: of each member, (members,).

    Example:
        >>> probability, (low, high) = ensemble_answer(np.array([-0.5, 0.0, 0.5]))
        >>> round(probability, 2), round(low, 2), round(high, 2)
        (0.5, 0.08, 0.92)
    """
    middle, spread = float(log_odds.mean()), Z95 * ensemble_sd(log_odds)
    return float(expit(middle)), (float(expit(middle - spread)), float(expit(middle + spread)))


def ensemble_sd(log_odds: NDArray[np.float64]) -> float:
    """Return the standard deviation of a normal distribution whose 95 % interval is that of `ensemble_answer`.

    Args:
        log_odds: of each member, (members,).
    """
    if log_odds.size < 2:
        return 0.0
    return prediction_factor(log_odds.size) / Z95 * float(log_odds.std(ddof=1))


def prediction_factor(members: int) -> float:
    """Return how many standard deviations of two or more members cover one more member in 95 %.

    Example:
        >>> round(prediction_factor(3), 2), round(prediction_factor(5), 2)
        (4.97, 3.04)
    """
    return float(stdtrit(members - 1, 0.975) * np.sqrt(1 + 1 / members))
