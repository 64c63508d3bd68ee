"""What the perfusion network is compared with: single perfusion numbers, and models of all of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

Floats = NDArray[np.float64]


def fit_baselines(numbers: Floats, mutant: NDArray[np.bool_], seed: int) -> Mapping[str, Pipeline]:
    """Fit logistic regression, a random forest and a support vector machine on perfusion numbers.

    Args:
        numbers: of the training patients, (n, numbers), NaN where one is missing (the median replaces it).
        mutant: IDH status, (n,).
        seed: random seed.

    Returns:
        Fitted pipelines by name; `scores_of` gives their scores.
    """
    models = {
        "logistic": make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            GridSearchCV(
                LogisticRegression(max_iter=2000), {"C": np.logspace(-3, 2, 8)}, scoring="neg_log_loss"
            ),
        ),
        "random forest": make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            RandomForestClassifier(500, min_samples_leaf=5, class_weight="balanced", random_state=seed),
        ),
        "support vector machine": make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            SVC(C=1.0, class_weight="balanced"),
        ),
    }
    return {name: model.fit(numbers, mutant) for name, model in models.items()}


def scores_of(model: Pipeline, numbers: Floats) -> Floats:
    """Score patients, higher for IDH mutation, (n,)."""
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(numbers), dtype=np.float64)
    return np.asarray(model.predict_proba(numbers)[:, 1], dtype=np.float64)
