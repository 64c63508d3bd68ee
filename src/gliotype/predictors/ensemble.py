"""One answer from the networks of an ensemble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


def ensemble_answer(log_odds: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    """Return the probability of the members' mean log-odds, and the 95 % interval of one member around it.

    Args:
        log_odds: of each member, (members,).

    Example:
        >>> probability, (low, high) = ensemble_answer(np.array([-0.5, 0.0, 0.5]))
        >>> round(probability, 2), round(low, 2), round(high, 2)
        (0.5, 0.27, 0.73)
    """
    middle = float(log_odds.mean())
    spread = 1.96 * float(log_odds.std(ddof=1)) if log_odds.size > 1 else 0.0
    return float(expit(middle)), (float(expit(middle - spread)), float(expit(middle + spread)))
