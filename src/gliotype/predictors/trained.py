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
        trained_on: patients of a cohort, in words; empty where they are simulated.
    """

    network: Network
    calibration: Calibration
    parameters: Parameters
    trained_on: str = ""

    def limits(self, simulated: str) -> str:
        """Say what was learned from: a sentence for simulated patients, or one that names the cohort."""
        if not self.trained_on:
            return simulated
        return f"Trained on {self.trained_on} only; how it does in other patients is not known."


def load_ensemble(name: str, parse: Callable[[Mapping[str, Any]], Parameters]) -> TrainedEnsemble[Parameters]:
    """Load ``NAME.json`` and ``NAME.onnx`` from the shipped weights.

    Args:
        name: such as ``"model2"``.
        parse: makes the parameters from the JSON document.

    Raises:
        WeightsError: if a file is missing or damaged, or predicts something other than IDH status.
    """

    def parse_all(document: Mapping[str, Any]) -> tuple[Calibration, Parameters, str]:
        calibration = Calibration(float(document["slope"]), float(document["offset"]))
        return calibration, parse(document), training_patients(document)

    calibration, parameters, trained_on = read_weights(f"{name}.json", parse_all)
    return TrainedEnsemble(load_network(f"{name}.onnx"), calibration, parameters, trained_on)


def training_patients(document: Mapping[str, Any]) -> str:
    """Say on which real patients a weight was trained; nothing where they are simulated.

    Example:
        >>> training_patients({"data": {"cohort": "north"}, "patients": 40, "mutants": 12})
        '40 patients of the cohort north (12 IDH-mutant)'
        >>> training_patients({"data": {"cohort": "simulated, site snuh, seed 1"}, "patients": 40, "mutants": 12})
        ''
    """
    cohort = " ".join(str(document.get("data", {}).get("cohort", "")).split())[:60]
    if "simulated" in document or not cohort or cohort.startswith("simulated"):
        return ""
    patients, mutants = document.get("patients"), document.get("mutants")
    if patients is None or mutants is None:
        return f"patients of the cohort {cohort}"
    return f"{patients} patients of the cohort {cohort} ({mutants} IDH-mutant)"
