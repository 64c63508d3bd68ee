"""Conformal prediction sets: which of mutant and wildtype cannot be excluded at a stated level, class by class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ConformalThresholds:
    """Thresholds on the log-odds at a prevalence of one half, from the calibration patients of one stratum.

    The set of a new patient holds the true class with a probability of at least `level`, for mutants and for wildtypes
    each (Mondrian, or class-conditional, split conformal prediction; Vovk 2012).

    Attributes:
        level: stated coverage of each class, between 0 and 1.
        wildtypes: calibration patients that were wildtype.
        mutants: calibration patients that were mutant.
        wildtype_most: wildtype is excluded above it; None where the wildtypes are too few to tell.
        mutant_least: mutant is excluded below it; None where the mutants are too few to tell.
    """

    level: float
    wildtypes: int
    mutants: int
    wildtype_most: float | None
    mutant_least: float | None

    def prediction_set(self, log_odds: float) -> frozenset[str]:
        """Return the classes that are not excluded: one, both, or neither; too few to tell excludes nothing.

        Args:
            log_odds: of IDH mutation, at a prevalence of one half.

        Example:
            >>> thresholds = ConformalThresholds(0.9, 40, 6, 1.2, None)
            >>> sorted(thresholds.prediction_set(0.4)), sorted(thresholds.prediction_set(2.0))
            (['mutant', 'wildtype'], ['mutant'])
        """
        classes = []
        if self.wildtype_most is None or log_odds <= self.wildtype_most:
            classes.append("wildtype")
        if self.mutant_least is None or log_odds >= self.mutant_least:
            classes.append("mutant")
        return frozenset(classes)

    @property
    def too_few(self) -> tuple[str, ...]:
        """Classes with too few calibration patients to tell."""
        return tuple(
            name
            for name, threshold in (("wildtype", self.wildtype_most), ("mutant", self.mutant_least))
            if threshold is None
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which `from_json` makes the thresholds again."""
        return {
            key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ConformalThresholds:
        """Make thresholds from what `to_json` returned.

        Raises:
            ValueError: if a value is missing or is not what it should be.
        """
        try:
            level, wildtypes, mutants = document["level"], document["wildtypes"], document["mutants"]
            ends = [document["wildtype_most"], document["mutant_least"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"the conformal thresholds lack {error}") from error
        numbers = [level, *(end for end in ends if end is not None)]
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers) or not 0 < level < 1:
            raise ValueError("the conformal thresholds are not numbers at a level between 0 and 1")
        if not all(type(n) is int and n >= 0 for n in (wildtypes, mutants)):
            raise ValueError("the conformal thresholds do not say how many patients stand behind them")
        return cls(float(level), wildtypes, mutants, *(None if end is None else float(end) for end in ends))
