"""Decisions from probabilities: counts, proportions and the net benefit at a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression

from gliotype.evaluate.roc import Estimate, around

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AtThreshold:
    """The decisions at a threshold: mutant is called where the probability is the threshold or above.

    Attributes:
        threshold: probability; the mean where each patient has his or her own.
        true_positives: mutants called mutant.
        false_positives: wildtypes called mutant.
        true_negatives: wildtypes called wildtype.
        false_negatives: mutants called wildtype.
        accuracy: proportion of right calls.
        sensitivity: proportion of the mutants that are called so.
        specificity: proportion of the wildtypes that are called so.
        ppv: proportion of mutants among those called mutant, None if nobody is.
        npv: proportion of wildtypes among those called wildtype, None if nobody is.
    """

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate | None
    npv: Estimate | None


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit per patient of treating those above a threshold as mutant (Vickers & Elkin 2006).

    Attributes:
        threshold: probability at or above which to treat.
        value: true positives less false positives at the odds of the threshold, per patient.
        treat_all: the same for treating everybody; treating nobody has 0.
        age_alone: the same for the probability that age alone gives (`probability_of_age`), among the patients
            whose age is known; None where too few are.
    """

    threshold: float
    value: Estimate
    treat_all: Estimate
    age_alone: Estimate | None


def proportion(count: int, of: int) -> Estimate:
    """Estimate a proportion with Wilson's interval (Wilson 1927).

    Example:
        >>> print(proportion(9, 10))
        0.900 (0.596-0.982)
    """
    interval = stats.binomtest(count, of).proportion_ci(method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


def mean_of(values: Floats) -> Estimate:
    """Estimate a mean with its normal interval."""
    return around(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def at_threshold(mutant: Bools, score: Floats, threshold: float | Floats) -> AtThreshold:
    """Count the decisions at a threshold, and their proportions.

    Args:
        mutant: whether each patient is IDH-mutant, (n,); both classes must occur.
        score: probabilities, (n,).
        threshold: of all patients, or (n,) of each.
    """
    called = score >= threshold
    tp, fp = int((called & mutant).sum()), int((called & ~mutant).sum())
    fn, tn = int((~called & mutant).sum()), int((~called & ~mutant).sum())
    return AtThreshold(
        threshold=float(np.mean(threshold)),
        true_positives=tp,
        false_positives=fp,
        true_negatives=tn,
        false_negatives=fn,
        accuracy=proportion(tp + tn, len(mutant)),
        sensitivity=proportion(tp, tp + fn),
        specificity=proportion(tn, tn + fp),
        ppv=proportion(tp, tp + fp) if tp + fp else None,
        npv=proportion(tn, tn + fn) if tn + fn else None,
    )


def net_benefit(mutant: Bools, score: Floats, threshold: float) -> Estimate:
    """Estimate the net benefit per patient of treating those at or above a threshold as mutant.

    Example:
        >>> print(net_benefit(np.array([True, True, False, False]), np.array([0.9, 0.1, 0.4, 0.2]), 0.2))
        0.125 (-0.458 to 0.708)
    """
    gain = np.where(mutant, 1.0, -threshold / (1 - threshold))
    return mean_of(np.where(score >= threshold, gain, 0.0))


def treat_all(mutant: Bools, threshold: float) -> Estimate:
    """Estimate the net benefit per patient of treating everybody as mutant."""
    return net_benefit(mutant, np.ones(len(mutant)), threshold)


def probability_of_age(mutant: Bools, age: Floats) -> Floats:
    """Turn ages into probabilities by a logistic model of these very patients, which flatters age.

    Args:
        mutant: whether IDH-mutant; both classes must occur.
        age: years, all known.
    """
    decades = age[:, None] / 10
    fitted = LogisticRegression(C=np.inf).fit(decades, mutant)
    return np.asarray(fitted.predict_proba(decades)[:, 1], dtype=np.float64)
