"""A logistic model read from a JSON file: probability, 95 % interval, and what each number contributed.

The model's log-odds are stored for a prevalence of one half; the prior log-odds of the prevalence asked for
are added. That is the exact correction when the two classes keep their own distributions and only their
mix changes (Elkan 2001, Saerens 2002).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.findings import Statement
from gliotype.runtime import read_weights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What a logistic model says about one patient.

    Attributes:
        probability: of IDH mutation, at the prevalence asked for.
        interval: its 95 % interval, from the bootstrap of the coefficients.
        contributions: change of the log-odds against the average training patient, by feature.
        beyond: features whose value lies outside the range of the training patients; they count as its edge.
    """

    probability: float
    interval: tuple[float, float]
    contributions: Mapping[str, float]
    beyond: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """A logistic model on standardised features.

    Attributes:
        features: names, in order.
        mean: of each feature in the training patients.
        sd: standard deviation of each feature.
        low: lower end of each feature's range in the training patients.
        high: upper end.
        intercept: log-odds of the average patient at a prevalence of one half.
        coefficients: change of the log-odds per standard deviation.
        bootstrap: (resamples, 1 + features): intercept and coefficients of each resample.
        patients: number of training patients.
        mutants: number of them with an IDH mutation.
        auroc: cross-validated AUROC and its 95 % interval.
    """

    features: tuple[str, ...]
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    intercept: float
    coefficients: Floats
    bootstrap: Floats
    patients: int
    mutants: int
    auroc: tuple[float, float, float]

    def answer(self, values: Mapping[str, float], prevalence: float) -> Answer:
        """Apply the model to one patient.

        Args:
            values: at least the features of the model.
            prevalence: of IDH mutation, between 0 and 1.
        """
        found = np.array([values[name] for name in self.features])
        standardised = self._standardise(values)
        contributions = self.contributions(values)
        prior = float(logit(prevalence))
        probability = float(expit(prior + self.intercept + sum(contributions.values())))
        resampled = expit(prior + self.bootstrap @ np.r_[1.0, standardised])
        low, high = (float(end) for end in np.percentile(resampled, (2.5, 97.5)))
        return Answer(
            probability=probability,
            interval=(min(low, probability), max(high, probability)),
            contributions=contributions,
            beyond=tuple(
                name
                for name, value, least, most in zip(self.features, found, self.low, self.high, strict=True)
                if not least <= value <= most
            ),
        )

    def contributions(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return what each feature adds to the log-odds.

        Args:
            values: at least the features of the model.
        """
        added = self.coefficients * self._standardise(values)
        return dict(zip(self.features, added.tolist(), strict=True))

    def statement(self, values: Mapping[str, float]) -> Statement:
        """Return the log-odds at a prevalence of one half and their standard deviation over the bootstrap.

        Args:
            values: at least the features of the model.
        """
        row = np.r_[1.0, self._standardise(values)]
        return Statement(self.log_odds(values), float((self.bootstrap @ row).std()))

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Return the log-odds at a prevalence of one half.

        Args:
            values: at least the features of the model.
        """
        return float(np.r_[self.intercept, self.coefficients] @ np.r_[1.0, self._standardise(values)])

    def _standardise(self, values: Mapping[str, float]) -> Floats:
        """Return the features in standard deviations of the training patients, limited to their range."""
        found = np.array([values[name] for name in self.features])
        return np.asarray((np.clip(found, self.low, self.high) - self.mean) / self.sd)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, rounded to what matters, from which `from_json` makes the model again."""
        return {
            "features": list(self.features),
            **{key: _round_digits(getattr(self, key)) for key in _ARRAYS},
            "intercept": round(self.intercept, 5),
            "patients": self.patients,
            "mutants": self.mutants,
            "auroc": [round(value, 4) for value in self.auroc],
            "bootstrap": np.asarray(self.bootstrap).round(3).tolist(),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> LogisticModel:
        """Make a model from what `to_json` returned."""
        value, low, high = card["auroc"]
        return cls(
            features=tuple(card["features"]),
            **{key: np.array(card[key], dtype=np.float64) for key in _ARRAYS},
            intercept=float(card["intercept"]),
            bootstrap=np.array(card["bootstrap"], dtype=np.float64),
            patients=int(card["patients"]),
            mutants=int(card["mutants"]),
            auroc=(value, low, high),
        )


_ARRAYS = ("mean", "sd", "low", "high", "coefficients")


def _round_digits(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def widest_model(models: Iterable[LogisticModel], values: Mapping[str, float]) -> LogisticModel | None:
    """Choose the model that uses most of the available numbers; None where none can be used.

    Args:
        models: to choose from.
        values: the available numbers by name.
    """
    applicable = [model for model in models if set(model.features) <= set(values)]
    return max(applicable, key=lambda model: len(model.features), default=None)


@cache
def load_models(name: str) -> tuple[LogisticModel, ...]:
    """Read the models of a file in the package ``gliotype.weights``.

    Args:
        name: file name, for example ``"age.json"``.

    Raises:
        WeightsError: if the file is missing or is not what the training wrote.
    """
    return read_weights(name, _parse)


def _parse(document: dict[str, Any]) -> tuple[LogisticModel, ...]:
    return tuple(LogisticModel.from_json(card) for card in document["models"])
