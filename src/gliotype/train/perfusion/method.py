"""The perfusion network as a method that an experiment trains on the DSC series of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.evaluate.table import check_both_classes
from gliotype.predictors import Needs
from gliotype.predictors.curves import CHANNELS, POINTS, TIMES_S
from gliotype.predictors.perfusion import PerfusionPredictor
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.common.explanation import Explanation, largest_first
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import Example
from gliotype.train.data.inputs import CURVES
from gliotype.train.perfusion.export import cohort_of, write_weight
from gliotype.train.perfusion.fit import load_or_train_model
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe, with_curves

Floats = NDArray[np.float64]

WINDOWS_S = (0, 10, 20, 40)
"""Seconds from the bolus' arrival between which attention is added up: its arrival, first pass, recovery and tail."""


@dataclass(frozen=True, eq=False)
class TunedCurveModel:
    """A trained perfusion network with the threshold of its tuning patients.

    Attributes:
        model: calibrated.
        threshold: probability that separates the tuning patients best (Youden), at `prevalence`.
        prevalence: of IDH mutation among the tuning patients whose perfusion could be measured.
    """

    model: CurveModel
    threshold: float
    prevalence: float

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence; NaN where the perfusion could not be measured."""
        curves = curve_examples(examples)
        known = np.array([len(each.curves) > 0 for each in curves])
        log_odds = np.where(known, self.model.log_odds(curves), np.nan)
        return np.asarray(expit(log_odds + logit(prevalence)), dtype=np.float64)

    def explain(self, example: Example) -> Explanation | None:
        """Return how the network's attention is spread over time; None where the perfusion could not be measured."""
        (curves,) = curve_examples([example])
        if not len(curves.curves):
            return None
        weight = self.model.read(curves.curves[:1])[1][0]
        sums = np.bincount(np.searchsorted(WINDOWS_S, TIMES_S, side="right"), weight, len(WINDOWS_S) + 1)
        between = [f"{start} to {end} s" for start, end in pairwise(WINDOWS_S)]
        names = ["before the bolus arrives", *between, f"after {WINDOWS_S[-1]} s"]
        fractions = 100 * sums / max(float(sums.sum()), 1e-9)
        return Explanation(
            "attention", numbers=largest_first(dict(zip(names, fractions.tolist(), strict=True))), unit="%"
        )


def curve_examples(examples: Sequence[Example]) -> list[CurveExample]:
    """Take what the network sees from examples; one without a measured DSC series has no curves."""
    none = np.zeros((0, len(CHANNELS), POINTS), np.float32)
    return [
        CurveExample(
            each.subject,
            np.asarray(each.inputs.get(CURVES, none), dtype=np.float32),
            np.zeros(POINTS, np.intp),
            np.zeros(0),
            each.mutant,
            each.age,
        )
        for each in examples
    ]


@dataclass(frozen=True)
class PerfusionMethod:
    """The recurrent network on DSC curves (Choi 2019)."""

    name: ClassVar[str] = PerfusionPredictor.name
    needs: ClassVar[Needs] = PerfusionPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({CURVES})

    recipe: Recipe = field(default_factory=Recipe)

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> TunedCurveModel:
        """Train the ensemble, calibrate it, and fix the threshold.

        Raises:
            InputError: if the perfusion of fewer than two training or tuning patients of a class could be measured.
        """
        learned, tuned = with_curves(curve_examples(training)), with_curves(curve_examples(tuning))
        for which, patients in (("training", learned), ("tuning", tuned)):
            check_both_classes(
                (each.mutant for each in patients),
                f"of {which} whose DSC perfusion could be measured",
                ("of one class", "of the other"),
            )
        model = load_or_train_model(self.recipe, learned, tuned, folder, progress)
        truth = np.array([each.mutant for each in tuned])
        prevalence = float(truth.mean())
        probability = np.asarray(expit(model.log_odds(tuned) + logit(prevalence)))
        return TunedCurveModel(model, youden_threshold(truth, probability), prevalence)

    def export(
        self,
        trained: TunedCurveModel,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write network, numbers and card."""
        learned = with_curves(curve_examples(training))
        return write_weight(
            trained.model,
            folder,
            about=cohort_of(data),
            recipe=self.recipe,
            training=learned,
            results=results,
        )
