"""Fit the calibration of one clinic from its labelled patients, and say what it gains.

The model is logit P(mutant) = logit(prevalence) + intercept + slope x, where x is the log-odds that Gliotype gives at a
prevalence of one half. Slope and intercept are those of the largest posterior density: with few patients they stay near
1 and 0, the values of a clinic like those that Gliotype was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedKFold

from gliotype.answer.site import SiteCalibration
from gliotype.errors import InputError
from gliotype.evaluate.calibration import brier, line_estimates
from gliotype.evaluate.conformal import LEVEL, conformal_thresholds
from gliotype.evaluate.decisions import Bools
from gliotype.evaluate.roc import Estimate
from gliotype.evaluate.table import Patients
from gliotype.predictors.ensemble import Z95

Floats = NDArray[np.float64]

MIN_PATIENTS = 20
PRIOR_SLOPE_SD = 0.5
"""Standard deviation of the slope between clinics, around 1: published methods have 0.44 and 0.45 elsewhere."""

PRIOR_INTERCEPT_SD = 1.0
"""Standard deviation of the intercept between clinics, around 0."""

AT_PATIENTS = (50, 100, 200, 400, 800)
"""Numbers of patients at which the width of the slope's interval is foretold."""

_EDGE = 1e-6


@dataclass(frozen=True)
class Line:
    """How well probabilities are calibrated.

    Attributes:
        slope: 1 is ideal; None where it has no bound.
        intercept: in the large, 0 is ideal.
        brier: mean squared error.
    """

    slope: Estimate | None
    intercept: Estimate
    brier: Estimate


@dataclass(frozen=True)
class SiteReport:
    """What a calibration rests on and gains.

    Attributes:
        n: labelled patients with a probability.
        mutants: those IDH-mutant.
        no_calls: labelled patients without a probability, left out.
        before: of the probabilities as given.
        after: of those of patients whom the calibration had not seen, by cross-validation.
        slope_width: by number of patients, width of the slope's 95 % interval that is to be expected.
    """

    n: int
    mutants: int
    no_calls: int
    before: Line
    after: Line
    slope_width: dict[int, float]


@dataclass(frozen=True)
class Recalibration:
    """Posterior of slope and intercept, and the prevalence.

    Attributes:
        prevalence: with half a patient added to each class.
        slope: mode.
        intercept: mode.
        slope_sd: of the normal approximation at the mode.
        intercept_sd: the same.
    """

    prevalence: float
    slope: float
    intercept: float
    slope_sd: float
    intercept_sd: float

    def apply(self, log_odds: Floats) -> Floats:
        """Return calibrated log-odds at the prevalence.

        Args:
            log_odds: at a prevalence of one half, (n,).
        """
        return np.asarray(logit(self.prevalence) + self.intercept + self.slope * log_odds)


def recalibrate(mutant: Bools, log_odds: Floats) -> Recalibration:
    """Fit slope and intercept by the largest posterior density.

    Args:
        mutant: whether each is IDH-mutant; both classes occur, (n,).
        log_odds: at a prevalence of one half, (n,).

    Example:
        >>> few = recalibrate(np.array([True, False]), np.array([0.1, -0.1]))
        >>> round(few.slope, 2), round(few.intercept, 2)
        (1.02, 0.0)
    """
    prevalence = (mutant.sum() + 0.5) / (len(mutant) + 1)
    prior = float(logit(prevalence))
    sign = np.where(mutant, 1.0, -1.0)

    def loss(at: Floats) -> tuple[float, Floats]:
        total = prior + at[0] + at[1] * log_odds
        pull = np.array([at[0] / PRIOR_INTERCEPT_SD**2, (at[1] - 1) / PRIOR_SLOPE_SD**2])
        penalty = 0.5 * (at[0] ** 2 / PRIOR_INTERCEPT_SD**2 + (at[1] - 1) ** 2 / PRIOR_SLOPE_SD**2)
        residual = expit(total) - mutant
        gradient = np.array([residual.sum(), residual @ log_odds]) + pull
        return float(np.logaddexp(0, -sign * total).sum() + penalty), gradient

    found = minimize(loss, [0.0, 1.0], jac=True, method="L-BFGS-B", bounds=[(None, None), (0.02, None)]).x
    covariance = np.linalg.inv(_information(found, prior, log_odds) + _prior_precision())
    return Recalibration(
        prevalence=float(prevalence),
        slope=float(found[1]),
        intercept=float(found[0]),
        slope_sd=float(np.sqrt(covariance[1, 1])),
        intercept_sd=float(np.sqrt(covariance[0, 0])),
    )


def cross_validated(mutant: Bools, log_odds: Floats, *, folds: int = 10, seed: int = 0) -> Floats:
    """Return the probability of each patient by the calibration of the others.

    Args:
        mutant: whether each is IDH-mutant, two of each class at the least, (n,).
        log_odds: at a prevalence of one half, (n,).
        folds: parts; fewer where a class has fewer patients.
        seed: of the split.
    """
    folds = min(folds, int(mutant.sum()), int((~mutant).sum()))
    result = np.empty(len(mutant))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(log_odds, mutant):
        result[test] = expit(recalibrate(mutant[train], log_odds[train]).apply(log_odds[test]))
    return result


def calibrate_site(patients: Patients, *, name: str) -> tuple[SiteCalibration, SiteReport]:
    """Fit the calibration of a clinic, and assess it on held-out patients.

    Args:
        patients: predictions joined to labels.
        name: of the clinic.

    Raises:
        InputError: if fewer than `MIN_PATIENTS` patients have a label and a probability, or one class has fewer
            than two of them.
    """
    called = ~patients.no_call
    mutant, n = patients.mutant[called], int(called.sum())
    if n < MIN_PATIENTS or min(int(mutant.sum()), int((~mutant).sum())) < 2:
        raise InputError(
            f"{n} labelled patients have a probability, {int(mutant.sum())} of them mutant: a calibration needs "
            f"{MIN_PATIENTS}, with two of each class, so add patients"
        )
    score, stated = patients.score[called], patients.prevalence[called]
    log_odds = logit(np.clip(score, _EDGE, 1 - _EDGE)) - logit(stated)
    fitted = recalibrate(mutant, log_odds)
    site = SiteCalibration(
        name=name,
        date=datetime.now(UTC).date().isoformat(),
        patients=n,
        mutants=int(mutant.sum()),
        prevalence=fitted.prevalence,
        slope=fitted.slope,
        intercept=fitted.intercept,
        slope_sd=fitted.slope_sd,
        intercept_sd=fitted.intercept_sd,
        conformal=conformal_thresholds(mutant, log_odds, level=LEVEL),
    )
    report = SiteReport(
        n=n,
        mutants=int(mutant.sum()),
        no_calls=int(patients.no_call.sum()),
        before=line_of(mutant, score),
        after=line_of(mutant, cross_validated(mutant, log_odds)),
        slope_width=slope_widths(fitted, log_odds),
    )
    return site, report


def line_of(mutant: Bools, probability: Floats) -> Line:
    """Measure the calibration of probabilities.

    Args:
        mutant: whether each is IDH-mutant; both classes occur, (n,).
        probability: (n,).
    """
    return Line(*line_estimates(mutant, probability), brier(mutant, probability))


def slope_widths(fitted: Recalibration, log_odds: Floats) -> dict[int, float]:
    """Foretell the width of the slope's 95 % interval for more patients of the same kind.

    Args:
        fitted: on these patients.
        log_odds: of these patients at a prevalence of one half, (n,).

    Returns:
        Width by number of patients: today's, and each of `AT_PATIENTS` above it.
    """
    at = np.array([fitted.intercept, fitted.slope])
    each = _information(at, float(logit(fitted.prevalence)), log_odds) / len(log_odds)
    numbers = (len(log_odds), *(number for number in AT_PATIENTS if number > len(log_odds)))
    return {
        number: 2 * Z95 * float(np.sqrt(np.linalg.inv(number * each + _prior_precision())[1, 1]))
        for number in numbers
    }


def _information(at: Floats, prior: float, log_odds: Floats) -> Floats:
    """Information matrix of intercept and slope, (2, 2)."""
    fitted = expit(prior + at[0] + at[1] * log_odds)
    columns = np.column_stack([np.ones(len(log_odds)), log_odds])
    return np.asarray((columns * (fitted * (1 - fitted))[:, None]).T @ columns)


def _prior_precision() -> Floats:
    return np.diag([PRIOR_INTERCEPT_SD**-2, PRIOR_SLOPE_SD**-2])
