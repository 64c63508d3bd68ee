"""Write the report of an experiment: ``report.html``, and what it shows as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from gliotype._version import __version__
from gliotype.atomic_files import write_text
from gliotype.evaluate.write import estimate_words, p_words
from gliotype.experiment.methods import Model
from gliotype.experiment.protocol import Metric, Protocol
from gliotype.experiment.report.checklists import CLAIM_2024, TRIPOD_AI, Answered, fill
from gliotype.experiment.report.curves import KINDS, Curve, curves_of
from gliotype.experiment.report.figures import colour_of, draw_curves, draw_forest, draw_learning_curve
from gliotype.experiment.report.methods_text import facts_of, methods_paragraph
from gliotype.experiment.report.patients import (
    Characteristics,
    Failure,
    Flow,
    characteristics_of,
    failures_of,
    flow_of,
)
from gliotype.experiment.report.pictures import draw_explanation, draw_patient
from gliotype.experiment.saliency import RULE, Shown
from gliotype.experiment.score import Scored
from gliotype.experiment.splits import Split
from gliotype.experiment.tables import SPREAD_METRICS, Results, Row, mean_and_spread
from gliotype.experiment.weights import NOT_EXPORTED, Exported
from gliotype.experiment.write import Line, write_csv
from gliotype.report.words import RESEARCH_USE
from gliotype.text import data_uri
from gliotype.train.data.examples import Example, Patients

MAX_SHOWN = 12
"""Wrong calls of a test set that are shown with a picture, and rows of a table; ``failures.csv`` has all."""

COLUMNS = {
    "enhancing": "enhancement",
    "mismatch": "T2-FLAIR mismatch",
    "field_t": "field strength, T",
    "codeletion": "1p/19q",
    "idh_variant": "IDH variant",
}
"""How the page names columns of a cohort; others are written as they are."""

YES_NO = frozenset({"enhancing", "mismatch"})
"""Columns whose 1 and 0 the page writes as yes and no."""

TITLES = {
    "roc": "ROC",
    "calibration": "Calibration",
    "decision": "Decision curves",
    "risk": "Risk against coverage",
}


@dataclass(frozen=True, eq=False)
class Experiment:
    """All that a report shows.

    Attributes:
        protocol: what was run.
        models: methods and ablations.
        sources: patients by cohort.
        splits: who trained, tuned and was tested.
        sets: examples by set.
        results: the numbers.
        scored: every model on every test set.
        outlines: whose outlines the patients have, where experts did not draw all of them.
        shown: patients with what moved the answer.
        exported: which weights were written, and which not.
    """

    protocol: Protocol
    models: tuple[Model, ...]
    sources: Mapping[str, Patients]
    splits: tuple[Split, ...]
    sets: Mapping[str, list[Example]]
    results: Results
    scored: tuple[Scored, ...]
    outlines: str = ""
    shown: tuple[Shown, ...] = ()
    exported: Exported = NOT_EXPORTED


def write_report(experiment: Experiment, out: Path) -> Path:
    """Write ``report.html`` and, as CSV, what else it shows.

    Raises:
        OutputError: if a file cannot be written.
    """
    protocol = experiment.protocol
    flows = flow_of(protocol, experiment.sources, experiment.splits, experiment.sets)
    table = characteristics_of(experiment.sets, protocol.aim)
    failures = failures_of(protocol, experiment.scored, experiment.sets)
    curves = curves_of(experiment.scored)
    facts = facts_of(protocol, experiment.models, flows, experiment.splits, experiment.outlines)
    if experiment.shown:
        facts["explainability"] = "What moved the answers, in this report and in saliency.csv."
    if written := [name for files in experiment.exported.files.values() for name in files]:
        facts["weights"] = f"The folder weights holds {', '.join(written)}."
    lists = {"TRIPOD+AI (2024)": fill(TRIPOD_AI, facts), "CLAIM (2024)": fill(CLAIM_2024, facts)}
    paragraph = methods_paragraph(protocol, experiment.models, flows, experiment.splits, experiment.outlines)
    write_csv(out / "flow.csv", _flow_lines(flows))
    write_csv(out / "table1.csv", _characteristic_lines(table))
    write_csv(out / "failures.csv", _failure_lines(protocol, failures))
    write_csv(out / "saliency.csv", _saliency_lines(protocol, experiment.shown))
    write_csv(out / "curves.csv", _curve_lines(curves))
    write_csv(out / "checklists.csv", _checklist_lines(lists))
    write_text(out / "methods.txt", paragraph + "\n")
    write_text(out / "protocol.json", protocol.model_dump_json(indent=2, exclude_defaults=True) + "\n")
    page = (
        _environment()
        .get_template("experiment.html.j2")
        .render(
            protocol=protocol,
            simulated=[name for name, cohort in protocol.cohorts.items() if cohort.path is None],
            flows=flows,
            table=table,
            tests=_tests(experiment, curves, failures),
            lists=lists,
            outlines=experiment.outlines,
            exported=experiment.exported,
            paragraph=paragraph,
            figure_titles=TITLES,
            kinds=KINDS,
            rule=RULE,
            research_use=RESEARCH_USE,
            version=__version__,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
    )
    return write_text(out / "report.html", page)


def _tests(
    experiment: Experiment, curves: Iterable[Curve], failures: tuple[Failure, ...]
) -> list[dict[str, Any]]:
    """Gather what the page shows of each test set."""
    protocol, results = experiment.protocol, experiment.results
    methods = protocol.methods
    figures = draw_curves(curves, methods)
    largest = min(len(split.training) for split in experiment.splits)
    shown = []
    for test in protocol.tests:
        rows = [row for row in results.rows if row.set_name == test]
        curve = [row for row in results.learning_curve if row.set_name == test]
        wrong = [failure for failure in failures if failure.test == test]
        shown.append(
            {
                "name": test,
                "rows": [row for row in rows if row.model in methods],
                "colour": {name: colour_of(name, methods) for name in methods},
                "figures": {kind: _address(figures[test, kind]) for kind in KINDS if (test, kind) in figures},
                "forest": _address(draw_forest(rows, methods)) if any(row.auroc for row in rows) else None,
                "ablated": any(row.model not in methods for row in rows),
                "curve": _address(draw_learning_curve(curve, rows, largest, methods)) if curve else None,
                "pairs": results.pairs.get(test, ()),
                "spread": _spread([row for row in results.by_split if row.set_name == test]),
                "published": _published(protocol, test, rows),
                "strata": _strata(experiment, test),
                "failures": [(failure, draw_patient(failure.example)) for failure in wrong[:MAX_SHOWN]],
                "left": len(wrong) - MAX_SHOWN,
                "shown": _saliency(experiment, test),
            }
        )
    return shown


def _saliency(experiment: Experiment, test: str) -> list[tuple[str, list[tuple[Shown, str | None]]]]:
    """Gather the patients of a test set who are shown with what moved the answer, by model."""
    by_model: dict[str, list[tuple[Shown, str | None]]] = {}
    for each in experiment.shown:
        if each.test == test:
            by_model.setdefault(each.model, []).append((each, draw_explanation(each.explanation)))
    return list(by_model.items())


def _published(protocol: Protocol, test: str, rows: list[Row]) -> list[tuple[str, str, Any, float]]:
    return [
        (row.model, metric, getattr(row, metric), value)
        for row in rows
        for metric in get_args(Metric)
        if (value := protocol.published.get(test, {}).get(row.model, {}).get(metric)) is not None
    ]


def _spread(rows: list[Row]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Summarise the trainings of each model: mean and SD, and the range."""

    def column(own: list[Row], metric: str) -> tuple[str, str]:
        values = [getattr(row, metric) for row in own]
        mean, _, extremes = mean_and_spread(getattr(value, "value", value) for value in values).partition(
            " ("
        )
        return mean, extremes.rstrip(")")

    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row.model, []).append(row)
    return [
        (model, len(own), [column(own, metric) for metric in SPREAD_METRICS])
        for model, own in by_model.items()
    ]


def _strata(experiment: Experiment, test: str) -> list[tuple[str, str, int, int, list[str], str]]:
    """List AUROCs of all methods by stratum, next to that of age alone."""
    full = [each for each in experiment.scored if each.row.set_name == test and each.metrics is not None]
    if not full:
        return []
    by_method = [
        {} if each.metrics is None else {(s.column, s.value): s for s in each.metrics.strata} for each in full
    ]
    given = {each.row.model: strata for each, strata in zip(full, by_method, strict=True)}
    lines = []
    for key, stratum in by_method[0].items():
        values = [
            estimate_words(given[name][key].auroc) if key in given.get(name, {}) else "–"
            for name in experiment.protocol.methods
        ]
        age = None if stratum.age_alone is None else stratum.age_alone.other_auroc
        lines.append((*key, stratum.n, stratum.mutants, values, estimate_words(age)))
    return lines


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("gliotype.experiment.report"), PackageLoader("gliotype.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"estimate": estimate_words, "p": p_words, "number": _number, "signed": format}
    environment.filters |= {"column": column_words, "of_column": value_words}
    return environment


def column_words(column: str) -> str:
    """Name a column of a cohort for a reader.

    Example:
        >>> column_words("field_t"), column_words("grade")
        ('field strength, T', 'grade')
    """
    return COLUMNS.get(column, column)


def value_words(value: str, column: str) -> str:
    """Write a value of a column of a cohort for a reader.

    Example:
        >>> value_words("1", "enhancing"), value_words("1", "grade")
        ('yes', '1')
    """
    return {"1": "yes", "0": "no"}.get(value, value) if column in YES_NO else value


def _number(value: Any, digits: int = 3) -> str:
    """Write a number, an estimate's value or a dash."""
    value = getattr(value, "value", value)
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _address(svg: str) -> str:
    return data_uri(svg.encode(), "image/svg+xml")


def _flow_lines(flows: Iterable[Flow]) -> Iterable[Line]:
    yield [
        "cohort",
        "source",
        "patients",
        "excluded",
        "unused",
        "set",
        "role",
        "n",
        "mutants",
        "no_tumour_found",
    ]
    for flow in flows:
        for each in flow.sets:
            cohort = [flow.cohort, flow.source, flow.patients, len(flow.excluded), flow.unused]
            yield [*cohort, each.name, each.role, each.patients, each.mutants, each.without_tumour]


def _characteristic_lines(table: Characteristics) -> Iterable[Line]:
    yield ["characteristic", "value", *(f"{name}, {status}" for name, status in table.columns)]
    for name, value, texts in table.rows:
        yield [name, value, *texts]


def _failure_lines(protocol: Protocol, failures: Iterable[Failure]) -> Iterable[Line]:
    yield ["set", "subject", protocol.target, "age", "dice", *protocol.methods]
    for failure in failures:
        e = failure.example
        probabilities = [
            _number(p, 6) if p is not None else "" for p in (failure.probability, *failure.others)
        ]
        yield [failure.test, e.subject, int(e.mutant), _number(e.age, 1), _number(e.dice), *probabilities]


def _saliency_lines(protocol: Protocol, shown: Iterable[Shown]) -> Iterable[Line]:
    yield [
        "set",
        "model",
        "subject",
        protocol.target,
        "probability",
        "call",
        "shows",
        "contributions",
        "unit",
    ]
    for each in shown:
        added = "; ".join(f"{name} {value:+.3f}" for name, value in each.explanation.numbers)
        e, call = each.example, "right" if each.right else "wrong"
        what = [each.explanation.kind, added, each.explanation.unit]
        yield [each.test, each.model, e.subject, int(e.mutant), _number(each.probability, 6), call, *what]


def _curve_lines(curves: Iterable[Curve]) -> Iterable[Line]:
    yield ["curve", "set", "model", "x", "y"]
    for curve in curves:
        for x, y in curve.points:
            yield [curve.kind, curve.test, curve.model, f"{x:.6g}", f"{y:.6g}"]


def _checklist_lines(lists: Mapping[str, tuple[Answered, ...]]) -> Iterable[Line]:
    yield ["checklist", "item", "topic", "answer"]
    for name, items in lists.items():
        for item in items:
            yield [name, item.number, item.topic, item.answer or "open"]
