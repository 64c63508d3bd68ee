"""The first form of Choi's hybrid (2019): a forest on six numbers, the image's score, and a logistic model of both.

It has no map of its own, but two numbers that anyone can read: the forest's probability and the image's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from gliotype.predictors.slices import NUMBERS
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import Model2

Floats = NDArray[np.float64]

SIX = ("age", "Frontal", "Sphericity", "Parietal", "Thalamus", "surface over volume")
"""The forest's numbers, in the order of their importance in the published model."""

TREES, MIN_LEAF = 500, 16
"""As in the published model (extremely randomised trees)."""


@dataclass(frozen=True, eq=False)
class Fusion:
    """Forest, image and the logistic model that joins them.

    Attributes:
        forest: on `SIX`.
        means: of the six numbers in the training patients, for those that are missing.
        image: model that sees the slices alone.
        joined: logistic model of both probabilities, fitted on the tuning patients.
        prevalence: of IDH mutation among the tuning patients.
        threshold: probability that separates the tuning patients best (Youden).
    """

    forest: ExtraTreesClassifier
    means: Floats
    image: Model2
    joined: LogisticRegression
    prevalence: float
    threshold: float

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence, NaN where no tumour was found."""
        found = np.array([example.found for example in examples])
        result = np.full(len(examples), np.nan)
        if found.any():
            chosen = [example for example in examples if example.found]
            odds = self.joined.decision_function(_scores(self.forest, self.means, self.image, chosen))
            result[found] = expit(odds + logit(prevalence) - logit(self.prevalence))
        return result


def fit_fusion(training: list[Example], tuning: list[Example], image: Model2, seed: int) -> Fusion:
    """Fit the forest on training patients, and the logistic model of both scores on tuning patients.

    Args:
        training: patients that the image's model was trained on, too.
        tuning: other patients.
        image: model that sees the slices alone.
        seed: of the forest.
    """
    training, tuning = [e for e in training if e.found], [e for e in tuning if e.found]
    values = six_of(training)
    known = np.isfinite(values).any(axis=0)
    means = np.zeros(len(SIX))
    means[known] = np.nanmean(values[:, known], axis=0)
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=MIN_LEAF, max_features=1, random_state=seed)
    forest.fit(np.where(np.isnan(values), means, values), [e.mutant for e in training])
    truth = np.array([e.mutant for e in tuning])
    joined = LogisticRegression(C=100.0).fit(_scores(forest, means, image, tuning), truth)
    prevalence = float(truth.mean())
    even = Fusion(forest, means, image, joined, prevalence, 0.5)
    threshold = youden_threshold(truth, even.probabilities(tuning, prevalence))
    return Fusion(forest, means, image, joined, prevalence, threshold)


def six_of(examples: list[Example]) -> Floats:
    """Line up the forest's six numbers, (n, 6); NaN where one is missing."""
    table = np.stack([example.numbers for example in examples])
    column = {name: table[:, index] for index, name in enumerate(NUMBERS)}
    ratio = column["SurfaceArea"] / column["MeshVolume"]
    return np.column_stack([ratio if name == SIX[-1] else column[name] for name in SIX])


def _scores(forest: ExtraTreesClassifier, means: Floats, image: Model2, examples: list[Example]) -> Floats:
    values = six_of(examples)
    of_forest = forest.predict_proba(np.where(np.isnan(values), means, values))[:, 1]
    return np.column_stack([of_forest, image.probabilities(examples, 0.5)])
