"""Test trained methods on the patients of a set: predictions, labels, and their lines of the tables."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import write_text
from gliotype.evaluate.figures import draw_figures
from gliotype.evaluate.metrics import Metrics, evaluate
from gliotype.evaluate.roc import auroc
from gliotype.evaluate.table import Labels, Patients, Predictions, join
from gliotype.evaluate.write import write_evaluation
from gliotype.experiment.tables import Row
from gliotype.tables import cell
from gliotype.train.common.method import TrainedMethod
from gliotype.train.data.examples import Example

PROBABILITY_DIGITS, AGE_DIGITS = 6, 1
"""Probabilities and ages are rounded to so many digits, in the files and in every metric."""


def score_model(name: str, label: str, examples: list[Example], model: TrainedMethod, out: Path) -> Row:
    """Evaluate the model with all parts on a set, and write its predictions and the whole evaluation.

    Args:
        name: of the set.
        label: of the model.
        examples: the patients of the set.
        model: to test.
        out: folder of the experiment.
    """
    patients = _predict(name, label, examples, model, out)
    metrics = evaluate(patients, threshold=model.threshold)
    write_evaluation(metrics, draw_figures(patients, None, metrics), out / "evaluation" / name)
    return _full_row(name, label, examples, metrics)


def score_ablation(name: str, label: str, examples: list[Example], model: TrainedMethod, out: Path) -> Row:
    """Measure the AUROC of an ablation on a set, and write its predictions; see `score_model`."""
    patients = _predict(name, label, examples, model, out)
    return Row(
        set_name=name,
        model=label,
        n=len(patients.mutant),
        mutants=int(patients.mutant.sum()),
        no_calls=int(patients.no_call.sum()),
        auroc=auroc(patients.mutant, patients.score),
    )


def write_labels(name: str, examples: list[Example], out: Path) -> None:
    """Write what is known of a set's patients, as ``gliotype evaluate`` reads it."""
    labels = _labels(name, examples)
    lines = [["subject", "idh", "age", *labels.columns]]
    for subject, mutant in labels.mutant.items():
        age = f"{labels.age[subject]:.{AGE_DIGITS}f}" if subject in labels.age else ""
        lines.append([subject, str(int(mutant)), age, *(text[subject] for text in labels.columns.values())])
    write_csv(out / "labels" / labels.name, lines)


def write_csv(file: Path, lines: list[list[str]]) -> None:
    """Write a table, replaced at once when complete."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(field) for field in line] for line in lines)
    write_text(file, text.getvalue())


def _predict(name: str, label: str, examples: list[Example], model: TrainedMethod, out: Path) -> Patients:
    """Write a method's predictions of a set, and join them with the labels."""
    probabilities = model.probabilities(examples, model.prevalence)
    predictions = Predictions(f"{label}.csv", _rounded_probabilities(examples, probabilities))
    lines = [["subject", "probability"]]
    lines += [
        [subject, "" if p is None else f"{p:.{PROBABILITY_DIGITS}f}"]
        for subject, p in predictions.probability.items()
    ]
    write_csv(out / "predictions" / name / predictions.name, lines)
    return join(predictions, _labels(name, examples), prevalence=model.prevalence)


def _rounded_probabilities(
    examples: list[Example], probabilities: NDArray[np.float64]
) -> dict[str, float | None]:
    return {
        e.subject: None if math.isnan(p) else round(p, PROBABILITY_DIGITS)
        for e, p in zip(examples, probabilities.tolist(), strict=True)
    }


def _labels(name: str, examples: list[Example]) -> Labels:
    columns = sorted({column for example in examples for column in example.strata})
    return Labels(
        f"{name}.csv",
        {e.subject: e.mutant for e in examples},
        {e.subject: round(float(e.age), AGE_DIGITS) for e in examples if not math.isnan(e.age)},
        {column: {e.subject: e.strata.get(column, "").strip() for e in examples} for column in columns},
    )


def _full_row(name: str, label: str, examples: list[Example], metrics: Metrics) -> Row:
    dices = [example.dice for example in examples if not np.isnan(example.dice)]
    return Row(
        set_name=name,
        model=label,
        n=metrics.n,
        mutants=metrics.mutants,
        no_calls=metrics.no_calls,
        accuracy=metrics.at_threshold.accuracy,
        sensitivity=metrics.at_threshold.sensitivity,
        specificity=metrics.at_threshold.specificity,
        auroc=metrics.auroc,
        auprc=metrics.average_precision,
        brier=metrics.brier,
        slope=metrics.calibration.slope,
        age=None if metrics.age_alone is None else metrics.age_alone.other_auroc,
        minus_age=None if metrics.age_alone is None else metrics.age_alone.difference.difference,
        dice=float(np.mean(dices)) if dices else None,
    )
