"""The calibration of one clinic: its prevalence, and how the evidence counts there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.special import logit

from gliotype.errors import InputError
from gliotype.predictors.conformal import ConformalThresholds

SCHEMA = 1

_NUMBERS = ("prevalence", "slope", "intercept", "slope_sd", "intercept_sd")


@dataclass(frozen=True)
class SiteCalibration:
    """What labelled patients of one clinic say about Gliotype's probabilities there.

    Attributes:
        name: of the clinic, as its staff chose it.
        date: of the calibration, ISO format.
        patients: labelled patients it rests on.
        mutants: those IDH-mutant.
        prevalence: of IDH mutation among them; that of all gliomas sent to the clinic if they are consecutive.
        slope: by which the log-odds at a prevalence of one half are multiplied.
        intercept: added to them, in addition to the prevalence.
        slope_sd: posterior standard deviation of the slope.
        intercept_sd: posterior standard deviation of the intercept.
        conformal: thresholds of prediction sets, on the log-odds before this calibration.
    """

    name: str
    date: str
    patients: int
    mutants: int
    prevalence: float
    slope: float
    intercept: float
    slope_sd: float
    intercept_sd: float
    conformal: ConformalThresholds

    def apply(self, log_odds: float) -> float:
        """Return the calibrated log-odds at the prevalence of the clinic.

        Args:
            log_odds: of IDH mutation at a prevalence of one half: the sum of the evidence without the prior.

        Example:
            >>> none = ConformalThresholds(0.9, 12, 8, None, None)
            >>> site = SiteCalibration("A", "2026-11-02", 20, 8, 0.5, 0.6, 0.1, 0.2, 0.3, none)
            >>> round(site.apply(2.0), 3)
            1.3
        """
        return float(logit(self.prevalence)) + self.intercept + self.slope * log_odds

    def apply_probability(self, probability: float, prevalence: float) -> float:
        """Return the calibrated log-odds of a probability that refers to another prevalence.

        Args:
            probability: of IDH mutation, between 0 and 1, both excluded.
            prevalence: to which it refers.
        """
        return self.apply(float(logit(probability) - logit(prevalence)))

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which `from_json` makes the calibration again."""
        values = {
            key: round(value, 5) if isinstance(value, float) else value for key, value in asdict(self).items()
        }
        return {"schema": SCHEMA, **values, "conformal": self.conformal.to_json()}

    @classmethod
    def from_json(cls, document: object) -> SiteCalibration:
        """Make a calibration from what `to_json` returned; keys that it does not know are ignored.

        Raises:
            InputError: if a value is missing or is not what it should be.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            raise InputError(
                f"this is not a site calibration of schema {SCHEMA}: make one with `gliotype calibrate`"
            )
        for key in _NUMBERS:
            if not _is_number(document.get(key)):
                raise InputError(f"the site calibration has no number {key!r}: make a new one")
        for key in ("name", "date"):
            if not isinstance(document.get(key), str):
                raise InputError(f"the site calibration has no text {key!r}: make a new one")
        patients, mutants = document.get("patients"), document.get("mutants")
        if type(patients) is not int or type(mutants) is not int or not 0 < mutants < patients:
            raise InputError(
                "the site calibration does not say how many patients it rests on: make a new one"
            )
        numbers = {key: float(document[key]) for key in _NUMBERS}
        if not 0 < numbers["prevalence"] < 1 or numbers["slope"] <= 0:
            raise InputError(
                f"the site calibration has the prevalence {numbers['prevalence']:g} and the slope "
                f"{numbers['slope']:g}, where one must lie between 0 and 1 and the other above 0: make a new one"
            )
        try:
            conformal = ConformalThresholds.from_json(document.get("conformal") or {})
        except ValueError as error:
            raise InputError(f"the site calibration cannot be used ({error}): make a new one") from error
        return cls(document["name"], document["date"], patients, mutants, **numbers, conformal=conformal)


def read_site(path: Path) -> SiteCalibration:
    """Read the file that `gliotype calibrate` wrote.

    Raises:
        InputError: if it cannot be read or is not such a file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(
            f"cannot read {path} ({why}): name a file that `gliotype calibrate` wrote"
        ) from error
    except ValueError as error:
        raise InputError(f"{path.name} is not JSON: name a file that `gliotype calibrate` wrote") from error
    return SiteCalibration.from_json(document)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
