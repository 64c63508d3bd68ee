"""How far numbers measured on found outlines lie from those on experts' masks, carried into the coefficients.

The public tables hold numbers on experts' masks. What a predictor is given later are numbers on outlines that Model 1
found, in other hospitals. Coefficients fitted to the tables as they are trust each number as if it had no error
(errors in variables, Carroll 2006); fitted to tables with errors drawn from patients in whom both outlines are
known, they trust each by what is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.runtime import read_weights

Floats = NDArray[np.float64]


def shipped_errors() -> MeasurementErrors:
    """Read the errors with which the shipped `radiomics` was fitted.

    Raises:
        WeightsError: if its weights are missing or damaged.
    """
    return read_weights("radiomics.json", lambda document: MeasurementErrors.from_json(document["errors"]))


@dataclass(frozen=True, eq=False)
class MeasurementErrors:
    """Errors of each feature in patients whose expert's mask is known.

    Attributes:
        features: names of the columns.
        log_ratios: (patients, features) natural logarithm of the number on the found outline over that on the
            expert's mask; NaN where a patient lacks the sequence.
    """

    features: tuple[str, ...]
    log_ratios: Floats

    def perturb(self, names: tuple[str, ...], values: Floats, rng: np.random.Generator) -> Floats:
        """Add the errors of a random patient to each row.

        Args:
            names: features of the columns; one that is not in `features`, such as age, stays as it is.
            values: (rows, names).
            rng: random numbers.

        Returns:
            Values of the same shape. Where the patient lacks a feature, another patient's error of it is taken.

        Example:
            >>> errors = MeasurementErrors(("Flatness",), np.log([[0.5], [2.0]]))
            >>> rows = errors.perturb(("Flatness", "age"), np.ones((4, 2)), np.random.default_rng(0))
            >>> sorted(set(rows[:, 0].round(6).tolist())), rows[:, 1].tolist()
            ([0.5, 2.0], [1.0, 1.0, 1.0, 1.0])
        """
        perturbed = values.copy()
        patients = rng.integers(len(self.log_ratios), size=len(values))
        for column, name in enumerate(names):
            if name in self.features:
                errors = self.log_ratios[:, self.features.index(name)]
                known = errors[np.isfinite(errors)]
                if known.size:
                    drawn = errors[patients]
                    other = rng.choice(known, size=len(values))
                    perturbed[:, column] *= np.exp(np.where(np.isfinite(drawn), drawn, other))
        return perturbed

    def to_json(self) -> dict[str, Any]:
        """Return plain values, rounded to what matters, from which `from_json` makes the errors again."""
        rows = [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in self.log_ratios]
        return {"features": list(self.features), "log_ratios": rows}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MeasurementErrors:
        """Make errors from what `to_json` returned."""
        return cls(tuple(document["features"]), np.array(document["log_ratios"], dtype=np.float64))

    def summary(self) -> Mapping[str, tuple[int, float, float]]:
        """Number of patients, mean and standard deviation of the logarithm, by feature."""
        found = {}
        for column, name in enumerate(self.features):
            errors = self.log_ratios[np.isfinite(self.log_ratios[:, column]), column]
            if errors.size > 1:
                found[name] = (int(errors.size), float(errors.mean()), float(errors.std(ddof=1)))
        return found
