"""Class-conditional conformal thresholds from calibration patients, by stratum, and their coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from gliotype.evaluate.decisions import Bools, proportion
from gliotype.evaluate.roc import Estimate
from gliotype.predictors.conformal import ConformalThresholds

Floats = NDArray[np.float64]

LEVEL = 0.9
MIN_PATIENTS = 10
"""With fewer calibration patients of a class, a threshold is not trusted, whatever the level would need."""


@dataclass(frozen=True)
class Coverage:
    """How often the prediction sets hold the true class, in one class of one stratum.

    Attributes:
        stratum: its name.
        mutant: whether the patients are IDH-mutant.
        n: patients.
        too_few: whether they are too few to calibrate on.
        covered: proportion of patients whose set holds their class.
        single: proportion of patients whose set holds one class.
    """

    stratum: str
    mutant: bool
    n: int
    too_few: bool
    covered: Estimate
    single: Estimate


def conformal_thresholds(mutant: Bools, log_odds: Floats, *, level: float = LEVEL) -> ConformalThresholds:
    """Take the thresholds of prediction sets from calibration patients.

    Args:
        mutant: whether each is IDH-mutant, (n,).
        log_odds: at a prevalence of one half, from a model that was fitted on other patients, (n,).
        level: coverage of each class.

    Example:
        >>> log_odds = np.r_[np.arange(20.0), np.arange(10.0, 22.0)]
        >>> found = conformal_thresholds(np.repeat([False, True], [20, 12]), log_odds)
        >>> found.wildtype_most, found.mutant_least
        (18.0, 10.0)
    """
    return ConformalThresholds(
        level=level,
        wildtypes=int((~mutant).sum()),
        mutants=int(mutant.sum()),
        wildtype_most=_quantile(log_odds[~mutant], level),
        mutant_least=None if (least := _quantile(-log_odds[mutant], level)) is None else -least,
    )


def _quantile(scores: Floats, level: float) -> float | None:
    """Return the score that a new one of the same distribution does not exceed with a probability of `level`."""
    n = len(scores)
    beyond = math.floor((n + 1) * (1 - level) + 1e-9)
    if n < MIN_PATIENTS or beyond < 1:
        return None
    return float(np.sort(scores)[n - beyond])


def thresholds_by_stratum(
    mutant: Bools, log_odds: Floats, strata: Mapping[str, Bools], *, level: float = LEVEL
) -> dict[str, ConformalThresholds]:
    """Take thresholds for each stratum from its own patients.

    Args:
        mutant: whether each is IDH-mutant, (n,).
        log_odds: at a prevalence of one half, (n,).
        strata: by name, who belongs to it, (n,).
        level: coverage of each class in each stratum.
    """
    return {
        name: conformal_thresholds(mutant[within], log_odds[within], level=level)
        for name, within in strata.items()
    }


def cross_validated_coverage(
    mutant: Bools,
    log_odds: Floats,
    strata: Mapping[str, Bools],
    *,
    level: float = LEVEL,
    folds: int = 10,
    seed: int = 0,
) -> tuple[Coverage, ...]:
    """Measure coverage on patients who were left out when the thresholds were taken.

    Args:
        mutant: whether each is IDH-mutant, (n,).
        log_odds: out-of-fold predictions at a prevalence of one half, one row for each repeat, (repeats, n).
        strata: by name, who belongs to it; everybody belongs to one.
        level: coverage of each class in each stratum.
        folds: parts into which the patients are split anew for each repeat.
        seed: of the splits.

    Returns:
        For each stratum wildtypes and mutants; proportions are means over the repeats, with Wilson's interval at n.
    """
    group = sum(
        (np.where(within, 2 * i, 0) for i, within in enumerate(strata.values())), np.zeros(len(mutant))
    )
    covered, single = np.zeros_like(log_odds), np.zeros_like(log_odds)
    for repeat, row in enumerate(log_odds):
        for train, test in _splits(group + mutant, folds, seed + repeat):
            for within in strata.values():
                inside = train[within[train]]
                thresholds = conformal_thresholds(mutant[inside], row[inside], level=level)
                for patient in test[within[test]]:
                    classes = thresholds.prediction_set(float(row[patient]))
                    covered[repeat, patient] = ("mutant" if mutant[patient] else "wildtype") in classes
                    single[repeat, patient] = len(classes) == 1
    everyone = thresholds_by_stratum(mutant, log_odds[0], strata, level=level)
    return tuple(
        Coverage(
            stratum=name,
            mutant=is_mutant,
            n=int(chosen.sum()),
            too_few=("mutant" if is_mutant else "wildtype") in everyone[name].too_few,
            covered=_proportion_of(covered[:, chosen]),
            single=_proportion_of(single[:, chosen]),
        )
        for name, within in strata.items()
        for is_mutant in (False, True)
        if (chosen := within & (mutant == is_mutant)).any()
    )


def _splits(group: Floats, folds: int, seed: int) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Split patients into folds with the groups spread evenly, groups smaller than the folds as they come."""
    _, codes, counts = np.unique(group, return_inverse=True, return_counts=True)
    codes = np.where(counts[codes] < folds, -1, codes)
    if (codes == -1).sum() < folds:
        codes = np.where(codes == -1, codes.max(), codes)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in split.split(codes, codes)]


def _proportion_of(flags: Floats) -> Estimate:
    n = flags.shape[1]
    interval = proportion(round(float(flags.mean()) * n), n)
    return Estimate(float(flags.mean()), interval.low, interval.high)
