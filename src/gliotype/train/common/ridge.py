"""Ridge logistic regression for small tables: penalty, bootstrap and cross-validation, the same for a seed.

Thousands of small fits are needed; Newton's method in numpy does one in a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedKFold

from gliotype.evaluate.roc import Estimate, auroc
from gliotype.predictors.logistic import LogisticModel

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Weights of half the squared length of the coefficients among which the penalty is chosen."""

COPIES = 20
"""Copies of the patients, each with independent errors, where errors of a measurement are added."""

SMALLEST_SD = 1e-9
"""A number that is the same in all patients is divided by this, and counts for nothing."""

Perturbation = Callable[[Floats, np.random.Generator], Floats]

_NEWTON_STEPS = 50


def ridge_logistic(standardised: Floats, mutant: Labels, penalty: float) -> Floats:
    """Return intercept and coefficients that minimise log-loss plus penalty * |coefficients|^2 / 2.

    Args:
        standardised: (patients, features).
        mutant: outcome.
        penalty: above 0; the intercept is not penalised.

    Example:
        >>> ridge_logistic(np.array([[-1.0], [0.0], [1.0], [2.0]]), np.array([0, 1, 0, 1]) > 0, 1.0).round(3)
        array([-0.226,  0.453])
    """
    design = np.column_stack([np.ones(len(standardised)), standardised])
    ridge = penalty * np.eye(design.shape[1])
    ridge[0, 0] = 0
    beta = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        fitted = expit(design @ beta)
        gradient = design.T @ (mutant - fitted) - ridge @ beta
        curvature = design.T @ (design * (fitted * (1 - fitted))[:, None]) + ridge
        step = np.linalg.solve(curvature, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta


def fit_model(
    features: tuple[str, ...],
    values: Floats,
    mutant: Labels,
    estimate: Estimate,
    *,
    resamples: int,
    seed: int,
    perturb: Perturbation | None = None,
) -> LogisticModel:
    """Fit a model with its bootstrap.

    Args:
        features: names of the columns.
        values: (patients, features), without gaps.
        mutant: whether each patient has an IDH mutation.
        estimate: cross-validated AUROC, stored with the model.
        resamples: of the bootstrap, drawn within each class so that the prevalence stays.
        seed: of all random steps.
        perturb: adds the errors of a measurement to the values; None where they are what will be measured.

    Returns:
        The model, its intercepts at a prevalence of one half.
    """
    rng = np.random.default_rng(seed)
    copies = 1 if perturb is None else COPIES
    measured = np.vstack([values if perturb is None else perturb(values, rng) for _ in range(copies)])
    mean, sd = measured.mean(axis=0), np.maximum(measured.std(axis=0), SMALLEST_SD)
    standardised = ((measured - mean) / sd).reshape(copies, *values.shape)
    penalty = choose_penalty(standardised[0], mutant, seed)
    balanced = float(logit(mutant.mean()))

    def coefficients(rows: NDArray[np.int_], which: slice) -> Floats:
        taken = standardised[which][:, rows]
        beta = ridge_logistic(
            taken.reshape(-1, values.shape[1]), np.tile(mutant[rows], len(taken)), penalty * len(taken)
        )
        beta[0] -= balanced
        return beta

    classes = [np.flatnonzero(mutant), np.flatnonzero(~mutant)]
    drawn = [np.concatenate([rng.choice(rows, len(rows)) for rows in classes]) for _ in range(resamples)]
    single = [slice(n % copies, n % copies + 1) for n in range(resamples)]
    everyone = coefficients(np.arange(len(mutant)), slice(None))
    return LogisticModel(
        features=features,
        mean=mean,
        sd=sd,
        low=values.min(axis=0),
        high=values.max(axis=0),
        intercept=float(everyone[0]),
        coefficients=everyone[1:],
        bootstrap=np.array([coefficients(*each) for each in zip(drawn, single, strict=True)]).reshape(
            resamples, 1 + len(features)
        ),
        patients=len(mutant),
        mutants=int(mutant.sum()),
        auroc=(estimate.value, estimate.low, estimate.high),
    )


def choose_penalty(standardised: Floats, mutant: Labels, seed: int, folds: int = 5) -> float:
    """Return the penalty with the smallest log-loss in cross-validation.

    Args:
        standardised: (patients, features).
        mutant: outcome; two of each class at least.
        seed: of the folds.
        folds: how many; no more than the smaller class has patients.
    """
    folds = min(folds, int(mutant.sum()), int((~mutant).sum()))
    losses = np.zeros(len(PENALTIES))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in split.split(standardised, mutant):
        for index, penalty in enumerate(PENALTIES):
            beta = ridge_logistic(standardised[train], mutant[train], penalty)
            log_odds = beta[0] + standardised[test] @ beta[1:]
            losses[index] += np.logaddexp(0, np.where(mutant[test], -log_odds, log_odds)).sum()
    return PENALTIES[int(losses.argmin())]


def out_of_fold_log_odds(
    values: Floats,
    mutant: Labels,
    *,
    seed: int,
    folds: int = 5,
    repeats: int = 5,
    perturb: Perturbation | None = None,
) -> Floats:
    """Predict every patient from the others: (repeats, patients) log-odds.

    Scaling and penalty are fitted anew in each training part. With `perturb`, errors of the measurement are drawn
    anew for each repeat, in training and in testing.
    """
    rng = np.random.default_rng(seed)
    exact = values
    log_odds = np.zeros((repeats, len(mutant)))
    for repeat in range(repeats):
        split = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        values = exact if perturb is None else perturb(exact, rng)
        for train, test in split.split(values, mutant):
            mean, sd = values[train].mean(axis=0), values[train].std(axis=0)
            standardised = (values - mean) / sd
            penalty = choose_penalty(standardised[train], mutant[train], seed)
            beta = ridge_logistic(standardised[train], mutant[train], penalty)
            log_odds[repeat, test] = beta[0] + standardised[test] @ beta[1:]
    return log_odds


def mean_auroc(mutant: Labels, log_odds: Floats) -> Estimate:
    """Average area and DeLong interval over rows of log-odds."""
    estimates = [auroc(mutant, row) for row in log_odds]
    value, low, high = np.mean([(each.value, each.low, each.high) for each in estimates], axis=0)
    return Estimate(float(value), float(low), float(high))
