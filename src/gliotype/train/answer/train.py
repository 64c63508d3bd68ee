"""Refit everything that turns findings into an answer: `gliotype train answer`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.answer.answer import Settings, answer_from
from gliotype.answer.model import AnswerModel
from gliotype.atomic_files import check_writable, write_text
from gliotype.cohorts import read_cohort
from gliotype.errors import InputError
from gliotype.predictors.logistic import LogisticModel
from gliotype.predictors.radiomics import PARTS
from gliotype.result import Prediction
from gliotype.train.answer.card import answer_card
from gliotype.train.answer.records import PatientRecord, make_records
from gliotype.train.answer.weights import PRIORS, Posterior, evidence_matrix, update_weights
from gliotype.train.radiomics.errors import MeasurementErrors
from gliotype.train.radiomics.fit import RESAMPLES, fit

Floats = NDArray[np.float64]

THRESHOLDS = (0.2, 0.8)
"""Probabilities at or below which the call is wildtype, and at or above which it is mutant."""

HOSPITAL_SLOPE_SD, HOSPITAL_OFFSET_SD = 0.34, 0.34
"""Spread of calibration slope and intercept between hospitals.

Random-effects estimates (DerSimonian and Laird) over the 13 centres of the public MRI-GNP predictions that have at
least 30 patients and 8 of each class (`benchmarks/hospitals.py`).
"""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The answer for a patient on whom nothing that it used was fitted."""

    record: PatientRecord
    prediction: Prediction
    from_expert: float | None


def measurement_errors(records: list[PatientRecord]) -> MeasurementErrors:
    """Compare the numbers of the drawn outline with those of the expert's mask.

    The inner ratios of the drawn outline are compared with the ratios over the whole ring on the expert's mask, which
    the public table holds.
    """
    features = tuple(name for part, names in PARTS.items() if part != "age" for name in names)
    rows = []
    for record in records:
        if record.expert is not None and record.outlines:
            found, true = record.outlines[0].numbers, record.expert.numbers
            rows.append([_log_ratio(found.get(name), true.get(_in_table(name))) for name in features])
    if not rows:
        raise InputError("no patient has both a found outline and an expert's mask: give a cohort with masks")
    return MeasurementErrors(features, np.array(rows))


def _in_table(feature: str) -> str:
    """Name under which the public table has a feature.

    Example:
        >>> _in_table("T1C_inner_p95_over_tissue"), _in_table("Flatness")
        ('T1C_p95_over_ring', 'Flatness')
    """
    return feature.replace("_inner_", "_").replace("_over_tissue", "_over_ring")


def _log_ratio(found: float | None, true: float | None) -> float:
    if found is None or true is None or min(found, true) <= 0:
        return float("nan")
    return float(np.log(found / true))


def train_answer(
    cohorts: Sequence[Path],
    layout: str,
    tables: Path,
    run: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Make a record of each labelled patient, and fit the answer to all of them.

    Args:
        cohorts: folders of patients with known IDH status; the same patient has the same name in each.
        layout: one of `gliotype.cohorts.LAYOUTS`.
        tables: folder of the public tables on which `radiomics` and `age` are fitted.
        run: folder of the run, with a record of each patient in ``patients``; an interrupted run resumes.
        progress: called with each step.

    Returns:
        The files written; see `fit_answer`.

    Raises:
        GliotypeError: if a cohort, a patient or a table cannot be read or used.
    """
    check_writable(run)
    records = [
        record
        for cohort in cohorts
        for record in make_records(read_cohort(cohort, layout), cohort.name, run / "patients", progress)
    ]
    return fit_answer(records, tables, run, progress)


def fit_answer(
    records: list[PatientRecord],
    tables: Path,
    out: Path,
    progress: Callable[[str], None] = lambda line: None,
    resamples: int = RESAMPLES,
) -> tuple[Path, ...]:
    """Refit `radiomics` and `age` for found outlines, update the weights, and write weights and cards.

    Args:
        records: labelled patients with found outlines, in any order; some with an expert's mask.
        tables: folder of the public tables on which `radiomics` and `age` are fitted.
        out: folder to write to.
        progress: called with each step.
        resamples: of the bootstrap of `radiomics` and `age`.

    Returns:
        The files written: ``age``, ``radiomics`` and ``answer``, each ``.json`` and ``.md``.

    Raises:
        InputError: if a table is missing, or the patients are of one class.
    """
    check_writable(out)
    records = sorted(records, key=lambda record: (record.cohort, record.patient))
    found = [record for record in records if record.outlines]
    if len({record.mutant for record in found}) < 2:
        raise InputError("the patients are of one class: give mutants and wildtypes")
    progress("radiomics and age")
    errors = MeasurementErrors.from_json(measurement_errors(records).to_json())
    documents = fit(tables, out, errors=errors, resamples=resamples)
    models = tuple(LogisticModel.from_json(each) for each in documents["radiomics.json"]["models"])
    progress("weights")
    document = _document(_posterior(found, models), found)
    left_out = leave_one_out(found, models)
    write_text(out / "answer.json", json.dumps(document, indent=1) + "\n")
    write_text(out / "answer.md", answer_card(document, errors, records, left_out))
    return tuple(
        out / f"{name}.{ending}" for name in ("age", "radiomics", "answer") for ending in ("json", "md")
    )


def leave_one_out(records: list[PatientRecord], models: tuple[LogisticModel, ...]) -> list[LeftOut]:
    """Answer for every patient, gate included, with weights updated on the others.

    `radiomics` and `age` saw none of them.
    """
    results = []
    for record in records:
        others = [each for each in records if each.patient != record.patient]
        model = AnswerModel.from_json(_document(_posterior(others, models), others))
        expert = record.expert_statements(models)
        results.append(
            LeftOut(
                record,
                answer_from(record.statements(models), Settings(), model, record.gate),
                None if expert is None else answer_from(expert, Settings(), model).probability,
            )
        )
    return results


def _posterior(records: list[PatientRecord], models: tuple[LogisticModel, ...]) -> Posterior:
    """Update the weights on distinct patients."""
    distinct = _distinct(records)
    cohorts = sorted({record.cohort for record in distinct})
    return update_weights(
        evidence_matrix([record.statements(models) for record in distinct]),
        np.array([record.mutant for record in distinct]),
        np.array([cohorts.index(record.cohort) for record in distinct]),
    )


def _distinct(records: list[PatientRecord]) -> list[PatientRecord]:
    """Of a patient in several cohorts, keep the record with the most numbers, and of equal ones the first."""
    distinct: dict[str, PatientRecord] = {}
    for record in sorted(records, key=lambda record: len(record.outlines[0].numbers), reverse=True):
        distinct.setdefault(record.patient, record)
    return list(distinct.values())


def _document(posterior: Posterior, records: list[PatientRecord]) -> dict[str, Any]:
    sd = np.sqrt(np.diag(posterior.covariance))
    scale = np.where(sd > 0, sd, 1.0)
    correlation = posterior.covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    mutant = {record.patient: record.mutant for record in records}
    return {
        "schema": 1,
        "name": "answer",
        "date": datetime.now(UTC).date().isoformat(),
        "patients": len(mutant),
        "mutants": sum(mutant.values()),
        "thresholds": list(THRESHOLDS),
        "hospital_slope_sd": HOSPITAL_SLOPE_SD,
        "hospital_offset_sd": HOSPITAL_OFFSET_SD,
        "weights": {
            method: {
                "mean": round(float(posterior.mean[n]), 3),
                "sd": round(float(sd[n]), 3),
                "prior_mean": prior.mean,
                "prior_sd": prior.sd,
                "cap": round(prior.cap, 3),
                "source": prior.source,
            }
            for n, (method, prior) in enumerate(PRIORS.items())
        },
        "correlation": correlation.round(3).tolist(),
    }
