"""Methods on a few numbers of a patient: ridge logistic models of age and radiomics, and signs without parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.predictors import Needs
from gliotype.predictors.adc import AdcPredictor
from gliotype.predictors.age import AgePredictor
from gliotype.predictors.mismatch import MismatchPredictor
from gliotype.predictors.radiomics import RadiomicsPredictor
from gliotype.predictors.trained import Standardiser
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.common.ridge import choose_penalty, ridge_logistic
from gliotype.train.data.examples import Example

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TableModel:
    """Log-odds that are a weighted sum of a patient's numbers.

    Attributes:
        columns: arrays of `Example.inputs`, one after the other; ``"age"`` is the example's age.
        standardiser: of the numbers; None for log likelihood ratios, which are added as they are.
        coefficients: of the standardised numbers.
        intercept: log-odds of average numbers, at a prevalence of one half.
        threshold: probability that separates the tuning patients best (Youden), at `prevalence`.
        prevalence: of IDH mutation among the tuning patients.
    """

    columns: tuple[str, ...]
    standardiser: Standardiser | None
    coefficients: Floats
    intercept: float
    threshold: float = 0.5
    prevalence: float = 0.5

    def log_odds(self, examples: list[Example]) -> Floats:
        """Return log-odds at a prevalence of one half, (n,); NaN where no number is known or no tumour was found."""
        values = table_of(self.columns, examples, self.coefficients.size)
        scores = np.nan_to_num(values) if self.standardiser is None else self.standardiser(values)
        known = np.isfinite(values).any(axis=1)
        return np.where(known, self.intercept + scores @ self.coefficients, np.nan)

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return probabilities at a prevalence; NaN where no number is known or no tumour was found."""
        return np.asarray(expit(self.log_odds(examples) + logit(prevalence)), dtype=np.float64)


def table_of(columns: tuple[str, ...], examples: list[Example], width: int | None = None) -> Floats:
    """Line up the numbers of patients, (n, numbers); NaN where one is missing or no tumour was found.

    Args:
        columns: names of arrays of `Example.inputs`, or ``"age"``.
        examples: patients.
        width: how many numbers each has; that of the patients with a tumour when None.
    """
    rows = [np.concatenate([_column(name, e) for name in columns]) for e in examples if e.found]
    width = rows[0].size if width is None and rows else width or len(columns)
    table = np.full((len(examples), width), np.nan)
    if rows:
        table[[e.found for e in examples]] = np.stack(rows)
    return table


def _column(name: str, example: Example) -> Floats:
    array = np.array([example.age]) if name == "age" else example.inputs[name]
    return np.asarray(array, dtype=np.float64)


def _with_threshold(model: TableModel, tuning: list[Example]) -> TableModel:
    """Fix the threshold on the tuning patients to whom the method applies, if they are of both classes."""
    scores = model.log_odds(tuning)
    truth = np.array([e.mutant for e in tuning])[np.isfinite(scores)]
    if truth.size == 0 or truth.all() or not truth.any():
        return model
    prevalence = float(truth.mean())
    probability = expit(scores[np.isfinite(scores)] + logit(prevalence))
    return replace(model, prevalence=prevalence, threshold=youden_threshold(truth, probability))


def _fit_logistic(
    columns: tuple[str, ...], training: list[Example], tuning: list[Example], seed: int
) -> TableModel:
    values = table_of(columns, training)
    known = np.isfinite(values).any(axis=1)
    truth = np.array([e.mutant for e in training])[known]
    measured = np.isfinite(values).any(axis=0)
    mean, sd = np.zeros(measured.size), np.ones(measured.size)
    mean[measured] = np.nanmean(values[:, measured], axis=0)
    sd[measured] = np.maximum(np.nanstd(values[:, measured], axis=0), 1e-9)
    standardiser = Standardiser(mean, sd)
    scores = standardiser(values[known])
    beta = ridge_logistic(scores, truth, choose_penalty(scores, truth, seed))
    intercept = float(beta[0] - logit(truth.mean()))
    return _with_threshold(TableModel(columns, standardiser, beta[1:], intercept), tuning)


class _WithoutWeights:
    """A method whose predictor reads coefficients fitted to public tables, or none at all."""

    def export(
        self,
        trained: TableModel,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write nothing."""
        return ()


@dataclass(frozen=True)
class AgeMethod(_WithoutWeights):
    """A logistic model of age alone, the baseline next to which every method is printed."""

    name: ClassVar[str] = "age"
    needs: ClassVar[Needs] = AgePredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset()

    seed: int = 1

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> TableModel:
        """Fit the coefficient of age."""
        return _fit_logistic(("age",), training, tuning, self.seed)


@dataclass(frozen=True)
class RadiomicsMethod(_WithoutWeights):
    """A ridge logistic model of the predictor's features of shape and signal, and of age."""

    name: ClassVar[str] = "radiomics"
    needs: ClassVar[Needs] = RadiomicsPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"radiomics"})

    seed: int = 1

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> TableModel:
        """Choose the penalty by cross-validation and fit the coefficients; a missing number counts as the mean."""
        return _fit_logistic(("radiomics", "age"), training, tuning, self.seed)


class _Sign(_WithoutWeights):
    """A published sign: its log likelihood ratio is known, and only the threshold is fixed on the tuning patients."""

    name: ClassVar[str]

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> TableModel:
        """Fix the threshold."""
        return _with_threshold(TableModel((self.name,), None, np.ones(1), 0.0), tuning)


@dataclass(frozen=True)
class MismatchMethod(_Sign):
    """The T2-FLAIR mismatch sign."""

    name: ClassVar[str] = "mismatch"
    needs: ClassVar[Needs] = MismatchPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"mismatch"})


@dataclass(frozen=True)
class AdcMethod(_Sign):
    """The diffusion of the tumour by published cut-offs."""

    name: ClassVar[str] = "adc"
    needs: ClassVar[Needs] = AdcPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({"adc"})
