"""The curves of every model on a test set, as points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_curve

from gliotype.evaluate.decisions import net_benefit, treat_all
from gliotype.evaluate.figures import CURVE_THRESHOLDS
from gliotype.evaluate.risk import risk_at
from gliotype.evaluate.table import Patients, has_both_classes
from gliotype.experiment.score import AGE_ALONE, Scored

KINDS = ("roc", "calibration", "decision", "risk")

HALF_WIDTHS = np.arange(0, 50) / 100
"""Distances of the thresholds of a definite call from 0 and 1, for risk against coverage."""


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        kind: ``roc`` (1 - specificity, sensitivity), ``calibration`` (predicted, observed), ``decision`` (threshold,
            net benefit) or ``risk`` (coverage, error among the definite calls).
        test: name of the test set.
        model: label of the model, `AGE_ALONE`, or such as ``all as mutant``.
        points: x and y.
    """

    kind: str
    test: str
    model: str
    points: tuple[tuple[float, float], ...]


def curves_of(scored: Iterable[Scored]) -> tuple[Curve, ...]:
    """Compute the curves of every method that was fully evaluated, and those that they are compared with."""
    found: list[Curve] = []
    compared: dict[str, Patients] = {}
    for each in scored:
        if each.patients is None or each.metrics is None:
            continue
        test, patients = each.row.set_name, each.patients
        calibration = [(p.predicted, p.observed.value) for p in each.metrics.calibration.curve]
        found += [
            Curve("roc", test, each.row.model, _roc(patients.mutant, patients.score)),
            Curve("calibration", test, each.row.model, tuple(calibration)),
            Curve("decision", test, each.row.model, tuple(_benefit(patients))),
            Curve("risk", test, each.row.model, tuple(_risk(patients))),
        ]
        compared.setdefault(test, patients)
    for test, patients in compared.items():
        found += _compared(test, patients)
    return tuple(found)


def _compared(test: str, patients: Patients) -> Iterator[Curve]:
    everybody = [(float(t), treat_all(patients.mutant, float(t)).value) for t in CURVE_THRESHOLDS]
    yield Curve("decision", test, f"all as {patients.target.positive}", tuple(everybody))
    known = np.isfinite(patients.age)
    if has_both_classes(patients.mutant[known]):
        yield Curve("roc", test, AGE_ALONE, _roc(patients.mutant[known], patients.age_score[known]))


def _roc(mutant: np.ndarray, score: np.ndarray) -> tuple[tuple[float, float], ...]:
    false_positives, true_positives, _ = roc_curve(mutant, score)
    return tuple(zip(false_positives.tolist(), true_positives.tolist(), strict=True))


def _benefit(patients: Patients) -> Iterator[tuple[float, float]]:
    for threshold in CURVE_THRESHOLDS.tolist():
        yield threshold, net_benefit(patients.mutant, patients.score, threshold).value


def _risk(patients: Patients) -> Iterator[tuple[float, float]]:
    """Widen the definite calls step by step; a no-call is never definite."""
    probability = np.where(patients.no_call, np.nan, patients.score)
    last = None
    for width in HALF_WIDTHS.tolist():
        risk = risk_at(patients.mutant, probability, low=width, high=1 - width)
        if risk.error is not None and risk.coverage.value != last:
            last = risk.coverage.value
            yield last, risk.error.value
