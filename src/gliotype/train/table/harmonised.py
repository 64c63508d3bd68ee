"""The method `radiomics` on numbers that are adjusted for the hospital, within the patients of each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.train.common.harmonise import Harmoniser, fit_harmoniser
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import Example
from gliotype.train.table.logistic import LogisticModels
from gliotype.train.table.method import RadiomicsMethod

Floats = NDArray[np.float64]

ARRAY = "radiomics"
"""Input array that is adjusted; age is not."""


@dataclass(frozen=True, eq=False)
class HarmonisedModels:
    """Models of adjusted numbers.

    Attributes:
        models: of the adjusted numbers.
        adjustment: what adjusts them.
    """

    models: LogisticModels
    adjustment: Adjustment

    @property
    def threshold(self) -> float:
        """Probability, at `prevalence`, at or above which mutant is called."""
        return self.models.threshold

    @property
    def prevalence(self) -> float:
        """Prevalence of IDH mutation among the tuning patients."""
        return self.models.prevalence

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence; NaN where no model fits or no tumour was found.

        Patients of a hospital without training patients are adjusted by those of them who are given here.
        """
        return self.models.probabilities(self.adjustment.adjust(examples), prevalence)


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Adjusts the numbers of examples.

    Attributes:
        harmoniser: fitted on training patients.
        column: of the strata that names the hospital.
        unseen: whether a hospital without training patients is adjusted by its own.
    """

    harmoniser: Harmoniser
    column: str
    unseen: bool

    def adjust(self, examples: list[Example]) -> list[Example]:
        """Return the examples with adjusted numbers; those without a tumour found as they are."""
        found = [each for each in examples if each.found]
        if not found:
            return examples
        table = self.harmoniser.adjust(
            numbers_of(found), [each.strata[self.column] for each in found], unseen=self.unseen
        )
        adjusted = iter(table)
        return [
            replace(each, inputs={**each.inputs, ARRAY: next(adjusted)}) if each.found else each
            for each in examples
        ]


def numbers_of(examples: list[Example]) -> Floats:
    """Line up the numbers that are adjusted, (patients, numbers)."""
    return np.stack([np.asarray(each.inputs[ARRAY], dtype=np.float64) for each in examples])


@dataclass(frozen=True)
class HarmonisedRadiomicsMethod(RadiomicsMethod):
    """The method `radiomics`, whose numbers are adjusted for the hospital by the training patients alone.

    Attributes:
        column: of the strata that names the hospital.
        unseen: whether a hospital without training patients is adjusted by its own; it is refused otherwise.
    """

    column: str = "site"
    unseen: bool = False

    def fit(  # type: ignore[override]
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> HarmonisedModels:
        """Fit the adjustment on the training patients, and the models on their adjusted numbers."""
        found = [each for each in training if each.found]
        harmoniser = fit_harmoniser(
            numbers_of(found),
            [each.strata[self.column] for each in found],
            np.array([each.mutant for each in found], dtype=np.bool_),
        )
        adjustment = Adjustment(harmoniser, self.column, self.unseen)
        models = super().fit(adjustment.adjust(training), adjustment.adjust(tuning), folder, progress)
        return HarmonisedModels(models, adjustment)

    def export(
        self,
        trained: LogisticModels,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write nothing: a predictor does not know the hospital of its patient."""
        return ()
