"""Predictive values at a stated prevalence, from the decisions at a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from gliotype.evaluate.roc import Estimate
from gliotype.predictors.ensemble import Z95

PREVALENCES = (0.1, 0.2, 0.3, 0.5)
"""Of IDH mutation: about that of glioblastomas, of mixed cohorts, of this tool's default, of mixed lower grades."""


@dataclass(frozen=True)
class AtPrevalence:
    """What a call would mean where IDH mutation is as frequent as stated.

    Attributes:
        prevalence: stated.
        ppv: proportion of mutants among those called mutant; None if nobody would be.
        npv: proportion of wildtypes among those called wildtype; None if nobody would be.
    """

    prevalence: float
    ppv: Estimate | None
    npv: Estimate | None


def at_prevalence(
    hits: int, mutants: int, rejections: int, wildtypes: int, prevalence: float
) -> AtPrevalence:
    """Carry sensitivity and specificity over to another prevalence (Bayes), as if both stayed the same.

    The intervals are those of the logits, from sensitivity and specificity after Agresti and Coull (Mercaldo, Lau &
    Zhou, Stat Med 2007;26:2170), so that 0 and 1 have an interval, too, whose end they then are.

    Args:
        hits: mutants called mutant.
        mutants: all of them.
        rejections: wildtypes called wildtype.
        wildtypes: all of them.
        prevalence: of IDH mutation where the calls are to be made.

    Example:
        >>> print(at_prevalence(90, 100, 80, 100, 0.5).ppv)
        0.818 (0.742-0.860)
    """
    found, spared = hits / mutants, rejections / wildtypes
    sensitivity = (hits + Z95**2 / 2) / (mutants + Z95**2)
    specificity = (rejections + Z95**2 / 2) / (wildtypes + Z95**2)
    odds = float(logit(prevalence))
    ppv = np.log(sensitivity / (1 - specificity)) + odds
    npv = np.log(specificity / (1 - sensitivity)) - odds
    of_mutants, of_wildtypes = mutants + Z95**2, wildtypes + Z95**2
    ppv_error = np.sqrt(
        (1 - sensitivity) / sensitivity / of_mutants + specificity / (1 - specificity) / of_wildtypes
    )
    npv_error = np.sqrt(
        sensitivity / (1 - sensitivity) / of_mutants + (1 - specificity) / specificity / of_wildtypes
    )
    return AtPrevalence(
        prevalence,
        _estimate(prevalence * found, (1 - prevalence) * (1 - spared), ppv, ppv_error),
        _estimate((1 - prevalence) * spared, prevalence * (1 - found), npv, npv_error),
    )


def _estimate(right: float, wrong: float, log_odds: float, error: float) -> Estimate | None:
    """Take the proportion of right calls among all of a kind, with the interval of its adjusted log-odds."""
    if right + wrong == 0:
        return None
    value = right / (right + wrong)
    low, high = (float(expit(log_odds + shift)) for shift in (-Z95 * error, Z95 * error))
    return Estimate(value, min(low, value), max(high, value))
