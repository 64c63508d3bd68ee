"""Ridge logistic regression for small tables: penalty, bootstrap and cross-validation, the same for a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from gliotype.evaluate.roc import Estimate, auroc
from gliotype.predictors.logistic import LogisticModel

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]

PENALTIES = tuple(float(c) for c in np.logspace(-2.5, 1.5, 9))
"""Inverse strengths (scikit-learn's C) among which the penalty is chosen."""


def fit_model(
    features: tuple[str, ...], values: Floats, mutant: Labels, *, resamples: int, seed: int
) -> LogisticModel:
    """Fit a model with its bootstrap and its cross-validated AUROC.

    Args:
        features: names of the columns.
        values: (patients, features), without gaps.
        mutant: whether each patient has an IDH mutation.
        resamples: of the bootstrap, drawn within each class so that the prevalence stays.
        seed: of all random steps.

    Returns:
        The model, its intercepts at a prevalence of one half.
    """
    mean, sd = values.mean(axis=0), values.std(axis=0)
    standardised = (values - mean) / sd
    penalty = choose_penalty(standardised, mutant, seed)
    balanced = float(logit(mutant.mean()))

    def coefficients(rows: NDArray[np.int_]) -> Floats:
        fitted = _regression(penalty).fit(standardised[rows], mutant[rows])
        return np.r_[fitted.intercept_ - balanced, fitted.coef_[0]]

    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(mutant), np.flatnonzero(~mutant)]
    drawn = [np.concatenate([rng.choice(rows, len(rows)) for rows in classes]) for _ in range(resamples)]
    everyone = coefficients(np.arange(len(mutant)))
    estimate = cross_validated_auroc(values, mutant, seed=seed)
    return LogisticModel(
        features=features,
        mean=mean,
        sd=sd,
        low=values.min(axis=0),
        high=values.max(axis=0),
        intercept=float(everyone[0]),
        coefficients=everyone[1:],
        bootstrap=np.array([coefficients(rows) for rows in drawn]),
        patients=len(mutant),
        mutants=int(mutant.sum()),
        auroc=(estimate.value, estimate.low, estimate.high),
    )


def choose_penalty(standardised: Floats, mutant: Labels, seed: int, folds: int = 5) -> float:
    """Return the penalty with the smallest log-loss in cross-validation."""
    losses = np.zeros(len(PENALTIES))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in split.split(standardised, mutant):
        for index, penalty in enumerate(PENALTIES):
            model = _regression(penalty).fit(standardised[train], mutant[train])
            margin = np.where(mutant[test], 1, -1) * model.decision_function(standardised[test])
            losses[index] += np.logaddexp(0, -margin).sum()
    return PENALTIES[int(losses.argmin())]


def out_of_fold_log_odds(
    values: Floats, mutant: Labels, *, seed: int, folds: int = 5, repeats: int = 5
) -> Floats:
    """Predict every patient from the others: (repeats, patients) log-odds.

    Scaling and penalty are fitted anew in each training part.
    """
    log_odds = np.zeros((repeats, len(mutant)))
    for repeat in range(repeats):
        split = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        for train, test in split.split(values, mutant):
            mean, sd = values[train].mean(axis=0), values[train].std(axis=0)
            standardised = (values - mean) / sd
            penalty = choose_penalty(standardised[train], mutant[train], seed)
            model = _regression(penalty).fit(standardised[train], mutant[train])
            log_odds[repeat, test] = model.decision_function(standardised[test])
    return log_odds


def cross_validated_auroc(values: Floats, mutant: Labels, *, seed: int) -> Estimate:
    """Return the AUROC of 5 x 5 cross-validation: area and DeLong interval, averaged over the repeats."""
    return mean_auroc(mutant, out_of_fold_log_odds(values, mutant, seed=seed))


def mean_auroc(mutant: Labels, log_odds: Floats) -> Estimate:
    """Average area and DeLong interval over rows of log-odds."""
    estimates = [auroc(mutant, row) for row in log_odds]
    value, low, high = np.mean([(each.value, each.low, each.high) for each in estimates], axis=0)
    return Estimate(float(value), float(low), float(high))


def _regression(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=penalty, tol=1e-6, max_iter=1000)
