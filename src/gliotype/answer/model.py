"""How much each finding counts in the answer: weights with their sources, as ``weights/answer.json`` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.runtime import read_weights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weight:
    """How much the log likelihood ratio of one method counts.

    Attributes:
        mean: by which it is multiplied.
        sd: how uncertain that is.
        prior_mean: what was known before the patients of `AnswerModel.patients` were seen.
        prior_sd: how uncertain that was.
        cap: largest absolute log likelihood ratio that is believed.
        source: where the weight comes from, one clause.
    """

    mean: float
    sd: float
    prior_mean: float
    prior_sd: float
    cap: float
    source: str

    def limited(self, log_likelihood_ratio: float) -> float:
        """Limit a log likelihood ratio to what is believed.

        Example:
            >>> Weight(1.0, 0.2, 1.0, 0.2, 3.0, "literature").limited(-7.0)
            -3.0
        """
        return float(np.clip(log_likelihood_ratio, -self.cap, self.cap))


@dataclass(frozen=True)
class Hospital:
    """How the evidence counts in one hospital: log-odds = prior + offset + slope times the sum of evidence.

    Attributes:
        slope: by which the sum of the evidence is multiplied.
        offset: added to it.
        slope_sd: how uncertain the slope is.
        offset_sd: how uncertain the offset is.
    """

    slope: float
    offset: float
    slope_sd: float
    offset_sd: float


@dataclass(frozen=True, eq=False)
class AnswerModel:
    """Everything that turns evidence into an answer.

    Attributes:
        weights: by method.
        correlation: between the first of the weights, in their order; the weights after them are fixed.
        hospital_slope_sd: spread between hospitals of the factor by which all evidence counts; its mean is 1.
        hospital_offset_sd: spread between hospitals of the log-odds that are added; their mean is 0.
        thresholds: probabilities at or below which the call is wildtype, and at or above which it is mutant.
        date: when the weights and thresholds were fixed, ISO format.
        patients: distinct labelled patients on whom the weights were updated.
        mutants: number of them with an IDH mutation.
    """

    weights: Mapping[str, Weight]
    correlation: Floats
    hospital_slope_sd: float
    hospital_offset_sd: float
    thresholds: tuple[float, float]
    date: str
    patients: int
    mutants: int

    @property
    def any_hospital(self) -> Hospital:
        """A hospital of which nothing is known."""
        return Hospital(1.0, 0.0, self.hospital_slope_sd, self.hospital_offset_sd)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> AnswerModel:
        """Make a model from the content of ``answer.json``."""
        low, high = document["thresholds"]
        return cls(
            weights={name: Weight(**weight) for name, weight in document["weights"].items()},
            correlation=np.array(document["correlation"], dtype=np.float64),
            hospital_slope_sd=float(document["hospital_slope_sd"]),
            hospital_offset_sd=float(document["hospital_offset_sd"]),
            thresholds=(float(low), float(high)),
            date=str(document["date"]),
            patients=int(document["patients"]),
            mutants=int(document["mutants"]),
        )


@cache
def answer_model() -> AnswerModel:
    """Load the shipped model.

    Raises:
        WeightsError: if its file is missing or corrupt.
    """
    return read_weights("answer.json", AnswerModel.from_json)
