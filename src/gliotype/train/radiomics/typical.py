"""The distribution of the radiomics features among the patients of the fit, by which the gate knows its like."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from gliotype.answer.typical import FeatureDistribution
from gliotype.predictors.radiomics import PARTS
from gliotype.train.radiomics.errors import MeasurementErrors
from gliotype.train.radiomics.public_tables import Cohort

IMAGE_PARTS = ("T1C", "T2", "FLAIR")

LIMIT = 0.99
"""Quantile of the patients' own distances beyond which a tumour is unlike them."""

COPIES = 20
"""Copies of the patients, each with independent errors."""


def fit_distribution(cohort: Cohort, errors: MeasurementErrors | None, seed: int) -> FeatureDistribution:
    """Fit mean and covariance of each class, and the limit for every subset of the parts.

    Args:
        cohort: patients; those with every feature count.
        errors: of the features on found outlines, which are added; None for none.
        seed: of the errors.
    """
    features = tuple(name for part in ("shape", *IMAGE_PARTS) for name in PARTS[part])
    patients = cohort.where(cohort.complete(features))
    values, copies = patients.matrix(features), 1 if errors is None else COPIES
    rng = np.random.default_rng(seed)
    measured = np.vstack(
        [values if errors is None else errors.perturb(features, values, rng) for _ in range(copies)]
    )
    mutant, logs = np.tile(patients.mutant, copies), np.log(measured)
    groups = (logs[~mutant], logs[mutant])
    fitted = FeatureDistribution(
        features,
        np.stack([group.mean(axis=0) for group in groups]),
        np.stack([np.cov(group.T) for group in groups]),
        {},
    )
    limits = {}
    for size in range(len(IMAGE_PARTS) + 1):
        for parts in combinations(IMAGE_PARTS, size):
            known = tuple(name for part in ("shape", *parts) for name in PARTS[part])
            columns = {name: measured[:, features.index(name)] for name in known}
            limits[known] = float(np.quantile(fitted.distances(columns).min(axis=0), LIMIT))
    return FeatureDistribution(features, fitted.mean, fitted.covariance, limits)
