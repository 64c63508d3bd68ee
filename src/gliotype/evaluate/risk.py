"""Risk against coverage: how often definite calls are wrong, and how many patients get one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.evaluate.decisions import Bools, proportion
from gliotype.evaluate.roc import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Risk:
    """The definite calls of a group of patients.

    Attributes:
        stratum: name of the group.
        n: patients.
        mutants: those IDH-mutant.
        coverage: proportion of patients with a definite call.
        error: proportion of wrong calls among the definite ones; None where there are none.
        wrong_mutant: wildtypes called mutant.
        called_mutant: patients called mutant.
        wrong_wildtype: mutants called wildtype.
        called_wildtype: patients called wildtype.
    """

    stratum: str
    n: int
    mutants: int
    coverage: Estimate
    error: Estimate | None
    wrong_mutant: int
    called_mutant: int
    wrong_wildtype: int
    called_wildtype: int


def risk_at(
    mutant: Bools, probability: Floats, *, low: float = 0.2, high: float = 0.8, stratum: str = "all"
) -> Risk:
    """Count definite calls: wildtype at or below `low`, mutant at or above `high`, none in between.

    Args:
        mutant: whether each patient is IDH-mutant, (n,).
        probability: of IDH mutation, NaN for a no-call, (n,).
        low: threshold of a wildtype call.
        high: threshold of a mutant call.
        stratum: name of these patients.

    Example:
        >>> found = risk_at(np.array([True, True, False, False]), np.array([0.9, 0.5, 0.1, 0.85]))
        >>> found.coverage.value, found.error.value, found.wrong_mutant
        (0.75, 0.3333333333333333, 1)
    """
    as_mutant, as_wildtype = probability >= high, probability <= low
    definite = int(as_mutant.sum() + as_wildtype.sum())
    wrong_mutant, wrong_wildtype = int((as_mutant & ~mutant).sum()), int((as_wildtype & mutant).sum())
    return Risk(
        stratum=stratum,
        n=len(mutant),
        mutants=int(mutant.sum()),
        coverage=proportion(definite, len(mutant)),
        error=proportion(wrong_mutant + wrong_wildtype, definite) if definite else None,
        wrong_mutant=wrong_mutant,
        called_mutant=int(as_mutant.sum()),
        wrong_wildtype=wrong_wildtype,
        called_wildtype=int(as_wildtype.sum()),
    )


def risk_by_stratum(
    mutant: Bools, probability: Floats, strata: Mapping[str, Bools], *, low: float = 0.2, high: float = 0.8
) -> tuple[Risk, ...]:
    """Count the definite calls of all patients, and of each stratum that is not empty.

    Args:
        mutant: whether each patient is IDH-mutant, (n,).
        probability: of IDH mutation, NaN for a no-call, (n,).
        strata: by name, who belongs to it, (n,).
        low: threshold of a wildtype call.
        high: threshold of a mutant call.
    """
    groups = {"all": np.full(len(mutant), True), **strata}
    return tuple(
        risk_at(mutant[within], probability[within], low=low, high=high, stratum=name)
        for name, within in groups.items()
        if within.any()
    )


@dataclass(frozen=True)
class Aim:
    """The widest rule that reaches a stated precision.

    Attributes:
        prevalence: of IDH mutation to which it refers.
        threshold: probability at or above which (or, for wildtype, at or below which) a call is made; None where no
            threshold reaches the precision.
        found: proportion of the class that is called.
    """

    prevalence: float
    threshold: float | None
    found: float


def threshold_for_precision(
    mutant: Bools, log_odds: Floats, *, prevalence: float, precision: float = 0.9, rule_in: bool = True
) -> Aim:
    """Find the threshold at which calls reach a precision in patients of a stated prevalence.

    Args:
        mutant: whether each patient is IDH-mutant, (n,).
        log_odds: at a prevalence of one half, from a model that was fitted on other patients, (n,).
        prevalence: of IDH mutation; patients are weighted to it.
        precision: wanted proportion of right calls.
        rule_in: call mutants; False to call wildtypes.

    Example:
        >>> log_odds = np.array([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0])
        >>> aim = threshold_for_precision(np.array([0, 0, 1, 0, 1, 1]) > 0, log_odds, prevalence=0.5)
        >>> round(aim.threshold, 2), round(aim.found, 2)
        (0.88, 0.67)
    """
    sign, hit = (1.0, mutant) if rule_in else (-1.0, ~mutant)
    weights = np.where(mutant, prevalence / mutant.mean(), (1 - prevalence) / (1 - mutant.mean()))
    order = np.argsort(-sign * log_odds, kind="stable")
    right = np.cumsum((weights * hit)[order]) / np.cumsum(weights[order])
    good = np.flatnonzero(right >= precision)
    if good.size == 0:
        return Aim(prevalence, None, 0.0)
    last = int(good[-1])
    at = log_odds[order[last]] + logit(prevalence)
    return Aim(prevalence, float(expit(at)), float(hit[order[: last + 1]].sum() / hit.sum()))
