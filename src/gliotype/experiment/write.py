"""Write what an experiment found as tables: predictions, labels, and every number of the report as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from gliotype.atomic_files import write_text
from gliotype.cohorts import IDH, Target
from gliotype.evaluate.figures import draw_figures
from gliotype.evaluate.roc import Estimate
from gliotype.evaluate.write import write_evaluation
from gliotype.experiment.predictions import PROBABILITY_DIGITS, Answer, Prediction
from gliotype.experiment.score import AGE_DIGITS, Scored, labels_of
from gliotype.experiment.splits import Split
from gliotype.experiment.tables import Results, Row
from gliotype.tables import cell
from gliotype.train.data.examples import Example

Line = Iterable[object]


def write_csv(file: Path, lines: Iterable[Line]) -> None:
    """Write a table, replaced at once when complete."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(field) for field in line] for line in lines)
    write_text(file, text.getvalue())


def write_splits(splits: Iterable[Split], out: Path) -> None:
    """Write ``splits.csv``: who trains, tunes and is tested in each split."""
    lines: list[Line] = [["split", "role", "set", "subject"]]
    for split in splits:
        roles = [("training", split.training), ("tuning", split.tuning)]
        roles += [("test", members) for members in split.tests.values()]
        lines += [[split.name, role, *member] for role, members in roles for member in members]
    write_csv(out / "splits.csv", lines)


def write_labels(name: str, examples: list[Example], out: Path, target: Target = IDH) -> None:
    """Write what is known of a set's patients, as ``gliotype evaluate`` reads it."""
    labels = labels_of(name, examples, target)
    lines: list[Line] = [["subject", target.name, "age", *labels.columns]]
    for subject, mutant in labels.mutant.items():
        age = f"{labels.age[subject]:.{AGE_DIGITS}f}" if subject in labels.age else ""
        lines.append([subject, str(int(mutant)), age, *(text[subject] for text in labels.columns.values())])
    write_csv(out / "labels" / labels.name, lines)


def write_predictions(name: str, label: str, predictions: Mapping[str, Prediction], out: Path) -> None:
    """Write a model's predictions of a set, as ``gliotype evaluate`` reads them."""
    lines: list[Line] = [["subject", "probability", "prevalence"]]
    lines += [
        [subject, _probability(each.probability), _probability(each.prevalence)]
        for subject, each in predictions.items()
    ]
    write_csv(out / "predictions" / name / f"{label}.csv", lines)


def write_answers(answers: Iterable[Answer], out: Path) -> None:
    """Write ``answers.csv``: what each training says of each patient."""
    header = [
        "set",
        "model",
        "training_patients",
        "split",
        "subject",
        "probability",
        "threshold",
        "prevalence",
        "dice",
    ]
    lines: list[Line] = [header]
    lines += [
        [
            each.test,
            each.model,
            "all" if each.size is None else each.size,
            each.split,
            each.subject,
            _probability(each.probability),
            _probability(each.threshold),
            _probability(each.prevalence),
            "" if each.dice is None else f"{each.dice:.4f}",
        ]
        for each in answers
    ]
    write_csv(out / "answers.csv", lines)


def write_evaluations(scored: Iterable[Scored], out: Path) -> None:
    """Write the whole evaluation of each method on each test set, ``evaluation/SET/METHOD``."""
    for each in scored:
        if each.patients is not None and each.metrics is not None:
            figures = draw_figures(each.patients, None, each.metrics)
            write_evaluation(each.metrics, figures, out / "evaluation" / each.row.set_name / each.row.model)


def write_results(results: Results, scored: Iterable[Scored], markdown: str, out: Path) -> None:
    """Write the numbers of an experiment: ``results.md``, and as CSV results, trainings, curve, strata and pairs."""
    write_csv(out / "results.csv", _rows(results.rows))
    write_csv(out / "trainings.csv", _rows(results.by_split))
    write_csv(out / "learning_curve.csv", _rows(results.learning_curve))
    write_csv(out / "strata.csv", _strata(scored))
    write_csv(out / "pairs.csv", _pairs(results))
    write_text(out / "results.md", markdown)


def _rows(rows: Iterable[Row]) -> Iterable[Line]:
    header = list(Row.__dataclass_fields__)
    yield header
    for row in rows:
        yield [_text(getattr(row, key)) for key in header]


def _strata(scored: Iterable[Scored]) -> Iterable[Line]:
    yield ["set", "model", "column", "value", "n", "mutants", *_limits("auroc"), *_limits("age")]
    for each in scored:
        for stratum in () if each.metrics is None else each.metrics.strata:
            age = None if stratum.age_alone is None else stratum.age_alone.other_auroc
            yield [
                each.row.set_name,
                each.row.model,
                stratum.column,
                stratum.value,
                stratum.n,
                stratum.mutants,
                *_numbers(stratum.auroc),
                *_numbers(age),
            ]


def _pairs(results: Results) -> Iterable[Line]:
    yield ["set", "first", "second", "n", "mutants", *_limits("difference"), "p", "adjusted_p"]
    for name, pairs in results.pairs.items():
        for pair in pairs:
            numbers = _numbers(pair.comparison.difference)
            p_values = [f"{p:.4g}" for p in (pair.comparison.p_value, pair.adjusted_p)]
            yield [name, pair.first, pair.second, pair.n, pair.mutants, *numbers, *p_values]


def _limits(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high"]


def _numbers(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [""] * 3
    return [f"{value:.4f}" for value in (estimate.value, estimate.low, estimate.high)]


def _probability(value: float | None) -> str:
    return "" if value is None else f"{value:.{PROBABILITY_DIGITS}f}"


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
