"""The results of an experiment as Markdown, next to the published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from gliotype.cohorts import IDH, Target
from gliotype.evaluate.pairs import Pair
from gliotype.evaluate.roc import Estimate
from gliotype.evaluate.write import estimate_words, p_words
from gliotype.experiment.protocol import Metric, Protocol
from gliotype.train.data.examples import Example

MAX_PAIRS = 28
"""A set with more pairs of models than this lists those of the first model; ``pairs.csv`` has all."""


@dataclass(frozen=True)
class Row:
    """One model on one test set; its threshold was fixed on the tuning patients.

    Of an ablation only `n`, `mutants`, `no_calls` and `auroc` are measured.

    Attributes:
        set_name: of the test set.
        model: name of the method or ablation.
        n: number of patients.
        mutants: number of them with an IDH mutation.
        no_calls: patients without a probability, such as those in whom no tumour was found; they are scored at the
            prevalence of the tuning patients.
        accuracy: at the threshold.
        sensitivity: for IDH mutation, at the threshold.
        specificity: at the threshold.
        auroc: with the logit interval of DeLong's variance.
        auprc: average precision.
        brier: Brier score.
        slope: calibration slope, None where it is unbounded.
        age: AUROC of age alone.
        minus_age: AUROC minus that of age alone, with the paired interval.
        dice: mean Dice of the whole tumour with the true masks: of the method's own outlines where it draws some, else
            of Model 1's.
        split: the training that is measured alone; empty for all of them together.
        size: number of training patients of a point of a learning curve; None for all.
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
    split: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Results:
    """The numbers of an experiment.

    Attributes:
        rows: one per test set and model.
        by_split: the same for each training alone; empty where there is one.
        learning_curve: the same for each number of training patients.
        pairs: comparisons by test set.
    """

    rows: tuple[Row, ...]
    by_split: tuple[Row, ...] = ()
    learning_curve: tuple[Row, ...] = ()
    pairs: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)


def experiment_markdown(
    protocol: Protocol, results: Results, sets: Mapping[str, list[Example]], outlines: str = ""
) -> str:
    """Write the tables of an experiment: sets, tests, ablations, trainings, learning curve and pairs.

    Args:
        protocol: of the experiment.
        results: its numbers.
        sets: the examples of every set.
        outlines: whose outlines they have, where experts did not draw all of them.
    """
    parts = [f"# {protocol.title}", protocol.note]
    if protocol.aim != IDH:
        parts.append(_TARGET)
    parts += ["## Sets", sets_table(protocol, sets), *filter(None, [outlines])]
    parts += ["## Tests", tests_markdown(protocol, results)]
    if protocol.ablations or protocol.variants or protocol.model.fusion is not None:
        parts += ["## Ablation", "AUROC (95 % interval).", _ablation(protocol, results.rows)]
    if results.by_split:
        parts += ["## Trainings", _SPREAD, _spread(results.by_split)]
    if results.learning_curve:
        parts += ["## Learning curve", "AUROC (95 % interval).", _curve(results.learning_curve)]
    for name, pairs in results.pairs.items():
        if pairs:
            parts += [f"## Pairs on {name}", _PAIRED, _pairs(pairs, protocol.aim)]
    return "\n\n".join(parts) + "\n"


SPREAD_METRICS = ("accuracy", "sensitivity", "specificity", "auroc", "dice")
"""Metrics of which mean and SD over the trainings are written."""

TESTS_HEADER = (
    "set",
    "method",
    "n",
    "no calls",
    "accuracy",
    "sensitivity",
    "specificity",
    "AUROC",
    "AUPRC",
    "Brier",
    "calibration slope",
    "age alone, AUROC",
    "minus age alone",
)

_TARGET = (
    "Predicted is the 1p/19q status of IDH-mutant patients in whom it is known; `left_out.csv` lists the others, with "
    "the reasons. Age alone ranks older patients as more likely to be codeleted."
)
_SPREAD = "Mean ± SD (lowest to highest) over the trainings, each tested on its own patients."
_PAIRED = (
    "First minus second AUROC on the patients who have both (paired DeLong); the adjusted p is Holm's for all pairs of "
    "the set."
)


def tests_markdown(protocol: Protocol, results: Results) -> str:
    """Write the table of all methods and sets, and below it the published numbers, if there are any."""
    rows = [row for row in results.rows if row.model in protocol.methods]
    lines = []
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
        lines.append([row.set_name, row.model, row.n, row.no_calls, *map(_words, estimates)])
    published = [
        [row.set_name, row.model, metric, _number(getattr(row, metric)), f"{value:.3f}"]
        for row in rows
        for metric in get_args(Metric)
        if (value := protocol.published.get(row.set_name, {}).get(row.model, {}).get(metric)) is not None
    ]
    tables = [_table(TESTS_HEADER, lines)]
    if published:
        tables.append(_table(["set", "method", "metric", "here", "published"], published))
    return "\n\n".join(tables)


def sets_table(protocol: Protocol, sets: Mapping[str, list[Example]]) -> str:
    """Write who is in each set."""
    lines = []
    for name, examples in sets.items():
        ages = [e.age for e in examples if not np.isnan(e.age)]
        dices = [e.dice for e in examples if not np.isnan(e.dice)]
        lines.append(
            [
                name,
                "folds" if protocol.sets.get(name) is None else protocol.sets[name].role,
                len(examples),
                sum(e.mutant for e in examples),
                f"{np.mean(ages):.1f}" if ages else "–",
                sum(not e.found for e in examples),
                f"{np.mean(dices):.3f}" if dices else "–",
            ]
        )
    positive = protocol.aim.word(positive=True)
    header = ("set", "role", "patients", positive, "mean age", "no tumour found", "Dice of whole tumour")
    return _table(header, lines)


def _ablation(protocol: Protocol, rows: Iterable[Row]) -> str:
    rows = [row for row in rows if row.model not in protocol.methods[1:]]
    ages = [_words(row.age) for row in rows if row.model == protocol.methods[0]]
    names = list(dict.fromkeys(row.set_name for row in rows))
    lines = [
        [model, *(_words(_find(rows, model, name)) for name in names)]
        for model in dict.fromkeys(row.model for row in rows)
    ]
    return _table(["model", *names], [*lines, ["age alone, no model", *ages]])


def _curve(rows: Iterable[Row]) -> str:
    rows = list(rows)
    sizes = sorted({row.size for row in rows if row.size is not None})
    lines = [
        [name, model, *(_words(_find(rows, model, name, size)) for size in sizes)]
        for name, model in dict.fromkeys((row.set_name, row.model) for row in rows)
    ]
    return _table(["set", "method", *(f"{size} patients" for size in sizes)], lines)


def _find(rows: Iterable[Row], model: str, name: str, size: int | None = None) -> Estimate | None:
    return next((r.auroc for r in rows if (r.model, r.set_name, r.size) == (model, name, size)), None)


def _spread(rows: Iterable[Row]) -> str:
    rows = list(rows)
    lines = []
    for name, model in dict.fromkeys((row.set_name, row.model) for row in rows):
        own = [row for row in rows if (row.set_name, row.model) == (name, model)]
        columns = [[_value(getattr(row, metric)) for row in own] for metric in SPREAD_METRICS]
        lines.append([name, model, len(own), *map(mean_and_spread, columns)])
    return _table(
        ["set", "model", "trainings", "accuracy", "sensitivity", "specificity", "AUROC", "Dice"], lines
    )


def mean_and_spread(values: Iterable[float | None]) -> str:
    """Write mean, SD and range of numbers, without those that are None.

    Example:
        >>> mean_and_spread([0.9, 1.0, 0.8, None])
        '0.900 ± 0.100 (0.800 to 1.000)'
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return _number(known[0]) if known else "–"
    return f"{np.mean(known):.3f} ± {np.std(known, ddof=1):.3f} ({min(known):.3f} to {max(known):.3f})"


def _pairs(pairs: tuple[Pair, ...], target: Target) -> str:
    first = pairs[0].first
    shown = pairs if len(pairs) <= MAX_PAIRS else [pair for pair in pairs if pair.first == first]
    lines = [
        [
            pair.first,
            pair.second,
            pair.n,
            pair.mutants,
            estimate_words(pair.comparison.difference, "+.3f"),
            p_words(pair.comparison.p_value),
            p_words(pair.adjusted_p),
        ]
        for pair in shown
    ]
    table = _table(
        ["first", "second", "n", target.word(positive=True), "difference (95 % interval)", "p", "adjusted p"],
        lines,
    )
    left = len(pairs) - len(shown)
    return f"{table}\n\nThe other {left} pairs are in `pairs.csv`." if left else table


def _table(header: Sequence[str], lines: Iterable[Iterable[object]]) -> str:
    rows: list[Iterable[object]] = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _value(value: Estimate | float | None) -> float | None:
    return value.value if isinstance(value, Estimate) else value


def _number(value: Estimate | float | None) -> str:
    number = _value(value)
    return "–" if number is None else f"{number:.3f}"


def _words(estimate: Estimate | None) -> str:
    return "–" if estimate is None else str(estimate)
