"""Ridge logistic models of a few numbers, by the formula of the predictors: the widest model that fits a patient."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.errors import InputError
from gliotype.evaluate.roc import Estimate
from gliotype.measure import LOCI_UNITS
from gliotype.predictors.logistic import LogisticModel, widest_model
from gliotype.predictors.slices import NUMBERS
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.common.explanation import Explanation, largest_first
from gliotype.train.common.ridge import fit_model
from gliotype.train.data.examples import Example
from gliotype.train.data.inputs import RADIOMICS

Floats = NDArray[np.float64]

FEWEST = 2
"""Patients of each class who must have all numbers of a model."""

_UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Tuned:
    """The threshold of a method, fixed on the tuning patients.

    Attributes:
        threshold: probability that separates the tuning patients best (Youden), at `prevalence`.
        prevalence: of IDH mutation among the tuning patients to whom the method applies.
    """

    threshold: float = 0.5
    prevalence: float = 0.5


def tune(log_odds: Floats, tuning: list[Example]) -> Tuned:
    """Fix the threshold, or leave it at one half where the method applies to patients of one class alone.

    Args:
        log_odds: of the tuning patients at a prevalence of one half, NaN where the method does not apply.
        tuning: these patients.
    """
    known = np.isfinite(log_odds)
    truth = np.array([each.mutant for each in tuning], dtype=np.bool_)[known]
    if truth.size == 0 or truth.all() or not truth.any():
        return UNTUNED
    prevalence = float(truth.mean())
    probability = np.asarray(expit(log_odds[known] + logit(prevalence)))
    return Tuned(youden_threshold(truth, probability), prevalence)


def at_prevalence(log_odds: Floats, prevalence: float) -> Floats:
    """Turn log-odds at a prevalence of one half into probabilities at another; NaN stays."""
    return np.asarray(expit(log_odds + logit(prevalence)), dtype=np.float64)


UNTUNED = Tuned()


@dataclass(frozen=True, eq=False)
class LogisticModels:
    """Models of several subsets of the numbers; each patient is read by the widest one that fits.

    Attributes:
        models: with log-odds at a prevalence of one half.
        tuned: the threshold.
    """

    models: tuple[LogisticModel, ...]
    tuned: Tuned = UNTUNED

    @property
    def threshold(self) -> float:
        """Probability, at `prevalence`, at or above which mutant is called."""
        return self.tuned.threshold

    @property
    def prevalence(self) -> float:
        """Prevalence of IDH mutation among the tuning patients."""
        return self.tuned.prevalence

    def log_odds(self, examples: list[Example]) -> Floats:
        """Return log-odds at a prevalence of one half, (n,); NaN where no model fits or no tumour was found."""
        found = np.full(len(examples), np.nan)
        for index, example in enumerate(examples):
            values = numbers_of_example(example)
            model = widest_model(self.models, values)
            if model is not None:
                found[index] = model.log_odds(values)
        return found

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence; NaN where no model fits or no tumour was found."""
        return at_prevalence(self.log_odds(examples), prevalence)

    def explain(self, example: Example) -> Explanation | None:
        """Return what each number adds to the log-odds; None where no model fits or no tumour was found."""
        values = numbers_of_example(example)
        model = widest_model(self.models, values)
        if model is None:
            return None
        return Explanation("contributions", numbers=largest_first(model.contributions(values)))


def numbers_of_example(example: Example) -> dict[str, float]:
    """Name the numbers that are known of a patient: age, loci, and radiomics where they were asked for.

    None is known where no tumour was found.
    """
    if not example.found:
        return {}
    loci = {name: float(example.numbers[NUMBERS.index(name)]) for name in LOCI_UNITS}
    asked_for = dict(zip(RADIOMICS, example.inputs.get("radiomics", np.zeros(0)).tolist(), strict=False))
    named = {**loci, **asked_for, "age": float(example.age)}
    return {name: value for name, value in named.items() if math.isfinite(value)}


def fit_subsets(
    method: str, subsets: tuple[tuple[str, ...], ...], examples: list[Example], seed: int
) -> tuple[LogisticModel, ...]:
    """Fit a model of each subset that two patients of each class have complete, without a bootstrap.

    Args:
        method: its name, for the error.
        subsets: features of each model.
        examples: training patients.
        seed: of the folds that choose the penalty.

    Raises:
        InputError: if no subset has two such patients of each class.
    """
    fitted = []
    for features in subsets:
        values, mutant = complete_numbers(features, examples)
        if min(mutant.sum(), (~mutant).sum()) >= FEWEST:
            fitted.append(fit_model(features, values, mutant, _UNKNOWN, resamples=0, seed=seed))
    if not fitted:
        narrowest = min(subsets, key=lambda features: len(tuple(features)))
        raise InputError(
            f"the method {method} needs {' and '.join(narrowest)}, which are known of fewer than two "
            "training patients of a class: fill them in, add patients, or leave the method out"
        )
    return tuple(fitted)


def complete_numbers(features: tuple[str, ...], examples: list[Example]) -> tuple[Floats, NDArray[np.bool_]]:
    """Line up the numbers of the patients who have all of them, (n, features), and whether each is mutant, (n,)."""
    known = [(numbers_of_example(each), each.mutant) for each in examples]
    rows = [
        ([values[name] for name in features], mutant)
        for values, mutant in known
        if set(features) <= set(values)
    ]
    table = np.array([values for values, _ in rows], dtype=np.float64).reshape(len(rows), len(features))
    return table, np.array([mutant for _, mutant in rows], dtype=np.bool_)


def fit_tuned(
    method: str,
    subsets: tuple[tuple[str, ...], ...],
    training: list[Example],
    tuning: list[Example],
    seed: int,
) -> LogisticModels:
    """Fit the models of some subsets on training patients, and fix the threshold on tuning patients."""
    untuned = LogisticModels(fit_subsets(method, subsets, training, seed))
    return replace(untuned, tuned=tune(untuned.log_odds(tuning), tuning))
