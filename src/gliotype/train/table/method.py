"""Methods on a few numbers of a patient: logistic models of age, location and radiomics, and published signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gliotype.measure import LOCI_UNITS
from gliotype.predictors import Needs
from gliotype.predictors.adc import AdcPredictor
from gliotype.predictors.age import AgePredictor
from gliotype.predictors.mismatch import MismatchPredictor
from gliotype.predictors.radiomics import RadiomicsPredictor
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import NO_INPUTS, Example
from gliotype.train.radiomics.fit import features_of, submodels
from gliotype.train.table.export import write_models
from gliotype.train.table.logistic import UNTUNED, LogisticModels, Tuned, at_prevalence, fit_tuned, tune

Floats = NDArray[np.float64]


class _Logistic:
    """A method of ridge logistic models; a patient is read by the widest one whose numbers are known."""

    name: ClassVar[str]
    subsets: ClassVar[tuple[tuple[str, ...], ...]]
    seed: int

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> LogisticModels:
        """Choose the penalty of each model by cross-validation, fit it, and fix the threshold."""
        return fit_tuned(self.name, self.subsets, training, tuning, self.seed)

    def export(
        self,
        trained: LogisticModels,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write coefficients and card."""
        return write_models(
            self.name, trained, folder, training=training, data=data, results=results, seed=self.seed
        )


@dataclass(frozen=True)
class AgeMethod(_Logistic):
    """Age alone, the baseline next to which every method is printed."""

    name: ClassVar[str] = AgePredictor.name
    needs: ClassVar[Needs] = AgePredictor.needs
    inputs: ClassVar[frozenset[str]] = NO_INPUTS
    subsets: ClassVar[tuple[tuple[str, ...], ...]] = (("age",),)

    seed: int = 1


@dataclass(frozen=True)
class AgeLocationMethod(_Logistic):
    """Age and the lobes that the tumour occupies: the baseline without any signal."""

    name: ClassVar[str] = "age-location"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset(),))
    inputs: ClassVar[frozenset[str]] = NO_INPUTS
    subsets: ClassVar[tuple[tuple[str, ...], ...]] = (("age", *LOCI_UNITS), tuple(LOCI_UNITS))

    seed: int = 1

    def export(
        self,
        trained: LogisticModels,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write nothing: no predictor reads this baseline."""
        return ()


@dataclass(frozen=True)
class RadiomicsMethod(_Logistic):
    """The predictor's features of shape and signal, and age: a model of every subset of the parts."""

    name: ClassVar[str] = RadiomicsPredictor.name
    needs: ClassVar[Needs] = RadiomicsPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"radiomics"})
    subsets: ClassVar[tuple[tuple[str, ...], ...]] = tuple(features_of(parts) for parts in submodels())

    seed: int = 1


@dataclass(frozen=True, eq=False)
class TunedSign:
    """A published sign with the threshold of a cohort.

    Attributes:
        name: array of `Example.inputs` that holds its log likelihood ratio.
        tuned: the threshold.
    """

    name: str
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
        """Return log likelihood ratios, (n,); NaN where the sign does not apply or no tumour was found."""
        return np.array([float(e.inputs[self.name][0]) if e.found else np.nan for e in examples])

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence; NaN where the sign does not apply or no tumour was found."""
        return at_prevalence(self.log_odds(examples), prevalence)


class PublishedSign:
    """A published sign: its log likelihood ratio is known, and only the threshold is fixed on the tuning patients."""

    name: ClassVar[str]

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> TunedSign:
        """Fix the threshold."""
        untuned = TunedSign(self.name)
        return replace(untuned, tuned=tune(untuned.log_odds(tuning), tuning))

    def export(
        self,
        trained: TunedSign,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write nothing: the predictor has no weights."""
        return ()


@dataclass(frozen=True)
class MismatchMethod(PublishedSign):
    """The T2-FLAIR mismatch sign."""

    name: ClassVar[str] = MismatchPredictor.name
    needs: ClassVar[Needs] = MismatchPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"mismatch"})


@dataclass(frozen=True)
class AdcMethod(PublishedSign):
    """The diffusion of the tumour by published cut-offs."""

    name: ClassVar[str] = AdcPredictor.name
    needs: ClassVar[Needs] = AdcPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"adc"})
