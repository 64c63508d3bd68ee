"""What training and predicting share: standardised numbers, calibrated log-odds, and the weights of an ensemble.

An ensemble is stored as a network ``NAME.onnx`` and a file ``NAME.json`` with its calibration and all other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype.runtime import Network, load_network, read_weights

Floats = NDArray[np.float64]
Parameters = TypeVar("Parameters")

LIMIT = 2.0
"""Standardised numbers are clipped to this: simulated and real tumours differ in their extremes most."""


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Standardises numbers by the mean and standard deviation of the training patients.

    Attributes:
        mean: of each number.
        sd: of each number.

    Example:
        >>> Standardiser(np.array([40.0, 1.0]), np.array([10.0, 1.0]))(np.array([[50.0, np.nan], [90.0, 0.5]]))
        array([[ 1. ,  0. ],
               [ 2. , -0.5]])
    """

    mean: Floats
    sd: Floats

    def __call__(self, numbers: Floats) -> Floats:
        """Standardise (..., numbers), clipped to `LIMIT`; a missing number (NaN) counts as the mean."""
        scores = np.clip((numbers - self.mean) / self.sd, -LIMIT, LIMIT)
        return np.asarray(np.nan_to_num(scores), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """Slope and offset that turn a network's output into log-odds at a prevalence of one half.

    Attributes:
        slope: factor of the output.
        offset: added then.
    """

    slope: float
    offset: float

    def __call__(self, output: Floats) -> Floats:
        """Calibrate outputs of any shape."""
        return np.asarray(self.slope * output + self.offset, dtype=np.float64)

    def probability(self, output: Floats, prevalence: float) -> Floats:
        """Return calibrated probabilities at a prevalence.

        Example:
            >>> Calibration(2.0, 1.0).probability(np.array([-0.5, np.nan]), 0.3)
            array([0.3, nan])
        """
        return np.asarray(expit(self(output) + logit(prevalence)), dtype=np.float64)


UNCALIBRATED = Calibration(1.0, 0.0)
"""Leaves outputs as they are."""


@dataclass(frozen=True, eq=False)
class TrainedEnsemble(Generic[Parameters]):
    """The weights of a method that is an ensemble of networks.

    Attributes:
        network: maps a batch to the output of every member.
        calibration: of the members' outputs.
        parameters: whatever else the method needs.
    """

    network: Network
    calibration: Calibration
    parameters: Parameters


def load_ensemble(name: str, parse: Callable[[Mapping[str, Any]], Parameters]) -> TrainedEnsemble[Parameters]:
    """Load ``NAME.json`` and ``NAME.onnx`` from the shipped weights.

    Args:
        name: such as ``"model2"``.
        parse: makes the parameters from the JSON document.

    Raises:
        WeightsError: if a file is missing or damaged.
    """

    def parse_all(document: Mapping[str, Any]) -> tuple[Calibration, Parameters]:
        return Calibration(float(document["slope"]), float(document["offset"])), parse(document)

    calibration, parameters = read_weights(f"{name}.json", parse_all)
    return TrainedEnsemble(load_network(f"{name}.onnx"), calibration, parameters)
