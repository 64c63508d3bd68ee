"""The results of an experiment as Markdown, next to the published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from gliotype.evaluate.roc import Estimate
from gliotype.experiment.protocol import Metric, Protocol
from gliotype.train.data.examples import Example


@dataclass(frozen=True)
class Row:
    """One method on one test set; its threshold was fixed on the tuning set.

    Of an ablation only `n`, `mutants`, `no_calls` and `auroc` are measured.

    Attributes:
        set_name: of the test set.
        model: name of the model or ablation.
        n: number of patients.
        mutants: number of them with an IDH mutation.
        no_calls: patients in whom no tumour was found; they are scored at the model's prevalence.
        accuracy: at the threshold.
        sensitivity: for IDH mutation, at the threshold.
        specificity: at the threshold.
        auroc: with DeLong's interval.
        auprc: average precision.
        brier: Brier score.
        slope: calibration slope, None where it is unbounded.
        age: AUROC of age alone.
        minus_age: AUROC minus that of age alone, with the paired interval.
        dice: mean Dice of the whole tumour with the true masks.
    """

    set_name: str
    model: str
    n: int
    mutants: int
    no_calls: int
    accuracy: Estimate | None = None
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    auroc: Estimate | None = None
    auprc: Estimate | None = None
    brier: Estimate | None = None
    slope: Estimate | None = None
    age: Estimate | None = None
    minus_age: Estimate | None = None
    dice: float | None = None


def experiment_markdown(protocol: Protocol, rows: list[Row], sets: Mapping[str, list[Example]]) -> str:
    """Write the tables of an experiment: sets, tests and ablations.

    Args:
        protocol: of the experiment.
        rows: one per test set and model; the first model is the one with all parts.
        sets: the examples of every set.
    """
    first = rows[0].model
    parts = [f"# {protocol.title}", protocol.note, "## Sets", *_sets(protocol, sets)]
    parts += ["## The model with all parts", *_tests([row for row in rows if row.model == first], protocol)]
    if len({row.model for row in rows}) > 1:
        parts += ["## Ablation", "AUROC (95 % interval).", *_ablation(rows, first)]
    return "\n\n".join(parts) + "\n"


def _sets(protocol: Protocol, sets: Mapping[str, list[Example]]) -> list[str]:
    lines = ["| set | role | patients | IDH-mutant | mean age | no tumour found | Dice of whole tumour |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for name, examples in sets.items():
        ages = [e.age for e in examples if not np.isnan(e.age)]
        dices = [e.dice for e in examples if not np.isnan(e.dice)]
        age = f"{np.mean(ages):.1f}" if ages else "–"
        dice = f"{np.mean(dices):.3f}" if dices else "–"
        mutants = sum(e.mutant for e in examples)
        lost = sum(not e.found for e in examples)
        lines.append(
            f"| {name} | {protocol.sets[name].role} | {len(examples)} | {mutants} | {age} | {lost} | {dice} |"
        )
    return ["\n".join(lines)]


def _tests(rows: list[Row], protocol: Protocol) -> list[str]:
    lines = [
        "| set | n | accuracy | sensitivity | specificity | AUROC | AUPRC | Brier | calibration slope "
        "| age alone, AUROC | minus age alone |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        estimates = (
            row.accuracy,
            row.sensitivity,
            row.specificity,
            row.auroc,
            row.auprc,
            row.brier,
            row.slope,
            row.age,
            row.minus_age,
        )
        cells = [row.set_name, str(row.n), *(_words(each) for each in estimates)]
        lines.append(f"| {' | '.join(cells)} |")
    tables = ["\n".join(lines)]
    if protocol.published:
        published_lines = ["| set | metric | here | published |", "| --- | --- | --- | --- |"]
        for row in rows:
            for metric in get_args(Metric):
                published = protocol.published.get(row.set_name, {}).get(metric)
                if published is not None:
                    here = getattr(row, metric)
                    value = here.value if isinstance(here, Estimate) else here
                    published_lines.append(
                        f"| {row.set_name} | {metric} | {'–' if value is None else f'{value:.3f}'} | {published:.3f} |"
                    )
        tables.append("\n".join(published_lines))
    return tables


def _ablation(rows: list[Row], first: str) -> list[str]:
    names = list(dict.fromkeys(row.set_name for row in rows))
    lines = [f"| model | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for model in dict.fromkeys(row.model for row in rows):
        cells = [
            _words(row.auroc) for name in names for row in rows if (row.set_name, row.model) == (name, model)
        ]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    ages = [_words(row.age) for name in names for row in rows if (row.set_name, row.model) == (name, first)]
    lines.append(f"| age alone, no model | {' | '.join(ages)} |")
    return ["\n".join(lines)]


def _words(estimate: Estimate | None) -> str:
    return "–" if estimate is None else str(estimate)
