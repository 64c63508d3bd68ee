from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from gliotype.evaluate.roc import auroc
from gliotype.train.common.ridge import (
    choose_penalty,
    fit_model,
    mean_auroc,
    out_of_fold_log_odds,
    ridge_logistic,
)


@pytest.fixture(scope="module")
def patients() -> tuple[np.ndarray, np.ndarray]:
    """Two useful features, one useless, on different scales."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(240, 3)) * (10.0, 0.2, 1.0) + (50.0, 1.0, 0.0)
    log_odds = -1.0 - 0.12 * (values[:, 0] - 50) + 4.0 * (values[:, 1] - 1)
    return values, rng.random(240) < expit(log_odds)


@pytest.mark.parametrize("penalty", [0.03, 1.0, 30.0])
def test_ridge_agrees_with_scikit_learn(patients, penalty):
    values, mutant = patients
    standardised = (values - values.mean(axis=0)) / values.std(axis=0)
    found = ridge_logistic(standardised, mutant, penalty)
    peer = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(standardised, mutant)
    assert found == pytest.approx([*peer.intercept_, *peer.coef_[0]], abs=1e-4)


def test_useless_features_call_for_a_strong_penalty(patients):
    values, mutant = patients
    noise = np.random.default_rng(1).normal(size=(240, 20))
    standardised = (values - values.mean(axis=0)) / values.std(axis=0)
    assert choose_penalty(noise, mutant, seed=0) > choose_penalty(standardised, mutant, seed=0)


def test_predictions_out_of_fold_do_not_see_the_patient():
    """Labels by chance are predicted no better than chance, though the same fit seems good in sample."""
    out_of_fold, in_sample = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values, by_chance = rng.normal(size=(120, 25)), rng.random(120) < 0.3
        log_odds = out_of_fold_log_odds(values, by_chance, seed=0, repeats=1)
        out_of_fold.append(mean_auroc(by_chance, log_odds).value)
        beta = ridge_logistic(values, by_chance, 0.03)
        in_sample.append(auroc(by_chance, values @ beta[1:]).value)
    assert 0.42 < np.mean(out_of_fold) < 0.56
    assert np.mean(in_sample) > 0.7


def test_model_is_stored_at_even_prevalence_with_a_bootstrap_around_it(patients):
    values, mutant = patients
    estimate = mean_auroc(mutant, out_of_fold_log_odds(values, mutant, seed=0, repeats=1))
    model = fit_model(("age", "b", "c"), values, mutant, estimate, resamples=100, seed=3)
    assert (model.patients, model.mutants) == (240, int(mutant.sum()))
    observed = float(mutant.mean())
    at_own_prevalence = [
        model.answer(dict(zip(model.features, row, strict=True)), observed).probability for row in values
    ]
    assert np.mean(at_own_prevalence) == pytest.approx(observed, abs=0.005)
    assert model.bootstrap.shape == (100, 4)
    assert model.bootstrap.mean(axis=0) == pytest.approx([model.intercept, *model.coefficients], abs=0.15)
    spread = model.bootstrap.std(axis=0)
    assert (spread > 0.05).all()
    assert (spread < 0.5).all()


def test_same_seed_same_model(patients):
    values, mutant = patients
    estimate = auroc(mutant, -values[:, 0])
    first, second, other = (
        fit_model(("a", "b", "c"), values, mutant, estimate, resamples=3, seed=seed).bootstrap
        for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != other).any()
