"""Model 2 and its first form as methods that an experiment trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from gliotype.predictors import Needs
from gliotype.predictors.hybrid import HybridPredictor
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import NO_INPUTS, Example
from gliotype.train.model2.export import write_weight
from gliotype.train.model2.fit import load_or_train_model
from gliotype.train.model2.forest_fusion import Fusion, fit_fusion
from gliotype.train.model2.model import ALL_PARTS, Model2, Recipe


@dataclass(frozen=True)
class HybridMethod:
    """Model 2: slices, shape, location and age (Choi 2021), or some of these parts."""

    name: ClassVar[str] = "hybrid"
    needs: ClassVar[Needs] = HybridPredictor.needs
    inputs: ClassVar[frozenset[str]] = NO_INPUTS

    recipe: Recipe = field(default_factory=Recipe)

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> Model2:
        """Train the ensemble and calibrate it."""
        return load_or_train_model(self.recipe, training, tuning, folder, progress)

    def export(
        self,
        trained: Model2,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write network, numbers and card; nothing for a model without some of the parts."""
        if trained.recipe.parts != ALL_PARTS:
            return ()
        return write_weight(trained, folder, training=training, data=data, results=results)


@dataclass(frozen=True)
class ForestMethod:
    """The hybrid's first form (2019): a forest on six numbers, joined with the score of the image alone."""

    name: ClassVar[str] = "hybrid-2019"
    needs: ClassVar[Needs] = HybridPredictor.needs
    inputs: ClassVar[frozenset[str]] = NO_INPUTS

    recipe: Recipe = field(default_factory=lambda: Recipe(parts=frozenset({"image"}), members=1))

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> Fusion:
        """Train the image's network and the forest on training patients, and join both on tuning patients."""
        recipe = replace(self.recipe, parts=frozenset({"image"}))
        image = load_or_train_model(recipe, training, tuning, folder, progress)
        return fit_fusion(training, tuning, image, recipe.seed)

    def export(
        self,
        trained: Fusion,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write nothing: no predictor reads a forest."""
        return ()
