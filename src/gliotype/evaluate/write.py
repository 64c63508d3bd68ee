"""Write an evaluation as files: ``metrics.json``, ``metrics.csv``, ``report.html`` and the figures.

What they hold is described in ``docs/reference/evaluate.md``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from gliotype._version import __version__
from gliotype.atomic_files import atomic_write_set
from gliotype.cohorts import IDH, find_target
from gliotype.evaluate.metrics import Metrics, ScoreComparison
from gliotype.evaluate.roc import Comparison, Estimate
from gliotype.paths import as_path
from gliotype.report.words import RESEARCH_USE
from gliotype.tables import cell
from gliotype.text import data_uri

SCHEMA = 1

OUTPUTS = (
    "roc.svg",
    "precision_recall.svg",
    "calibration.svg",
    "reliability.svg",
    "decision_curve.svg",
    "metrics.csv",
    "metrics.md",
    "report.html",
    "metrics.json",
)
"""Names of all files that `write_evaluation` writes; the last one moves in last."""


def write_evaluation(metrics: Metrics, figures: Mapping[str, str], folder: str | Path) -> tuple[Path, ...]:
    """Write the files of an evaluation into a folder: all of them, or none.

    Args:
        metrics: what `gliotype.evaluate.metrics.evaluate` returned.
        figures: what `gliotype.evaluate.figures.draw_figures` returned.
        folder: created if missing.

    Returns:
        The files written, ``metrics.json`` last.

    Raises:
        OutputError: if the folder cannot be made or written; it is then as it was before.
    """
    folder = as_path(folder)
    texts = {f"{name}.svg": figure for name, figure in figures.items()}
    texts["metrics.csv"] = metrics_csv(metrics)
    texts["metrics.md"] = metrics_markdown(metrics)
    texts["report.html"] = render_html(metrics, figures)
    texts["metrics.json"] = metrics_json(metrics)
    with atomic_write_set(folder, OUTPUTS) as aside:
        for name, text in texts.items():
            (aside / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in OUTPUTS)


def metrics_json(metrics: Metrics) -> str:
    """Write all metrics as JSON text; an estimate becomes ``{"value", "ci": [low, high]}``."""
    plain = _plain(metrics)
    decisions = plain["at_threshold"]
    older_names = {"at_cut": {"cut": decisions["threshold"], **decisions}}
    document = {"schema": SCHEMA, "gliotype": __version__, **plain, **older_names, "notes": notes(metrics)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def metrics_csv(metrics: Metrics) -> str:
    """Write the numbers as a table: ``metric,group,n,value,low,high``, empty where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["metric", "group", "n", "value", "low", "high"])
    for metric, group, n, estimate in _lines(metrics):
        numbers = ("", "", "") if estimate is None else (estimate.value, estimate.low, estimate.high)
        writer.writerow([metric, cell(group), n, *numbers])
    return text.getvalue()


def metrics_markdown(metrics: Metrics) -> str:
    """Write the numbers as a Markdown table, each with its interval."""
    lines = ["| metric | group | n | value (95 % interval) |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {metric} | {group} | {n} | {estimate_words(e)} |" for metric, group, n, e in _lines(metrics)
    ]
    return "\n".join(lines) + "\n"


def notes(metrics: Metrics) -> list[str]:
    """Write notes on the numbers that their reader must know."""
    said = []
    if metrics.no_calls:
        said.append(
            f"No-calls (no probability): {metrics.no_calls} of {metrics.n} patients, scored as the stated prevalence; "
            f"coverage {estimate_words(metrics.coverage)}."
        )
    if metrics.without_label:
        said.append(f"Predictions left out because their subjects have no label: {metrics.without_label}.")
    if metrics.without_prediction:
        said.append(
            f"Labels left out because their subjects have no prediction: {metrics.without_prediction}."
        )
    if metrics.age_alone is None:
        said.append(
            "Age alone cannot be compared, since the labels give too few ages"
            + (
                ": it reaches an AUROC of 0.80 to 0.90 by itself in mixed cohorts."
                if metrics.target == IDH.name
                else "."
            )
        )
    if metrics.calibration.slope is None:
        said.append(
            "The calibration slope is unbounded: a threshold separates the classes without error, or all "
            "probabilities are (nearly) equal."
        )
    if metrics.unused_columns:
        said.append(
            f"No strata by {', '.join(metrics.unused_columns)}: one value, or too many, among these patients."
        )
    return said


def estimate_words(estimate: Estimate | None, form: str = ".3f") -> str:
    """Write an estimate with its interval, None as a dash.

    Example:
        >>> estimate_words(Estimate(-0.0314, -0.1, 0.04), "+.2f")
        '-0.03 (-0.10 to +0.04)'
    """
    if estimate is None:
        return "–"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def p_words(p_value: float) -> str:
    """Write a p value.

    Example:
        >>> p_words(0.0412), p_words(1e-9)
        ('0.041', '< 0.001')
    """
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def render_html(metrics: Metrics, figures: Mapping[str, str]) -> str:
    """Write the report as one HTML page with style and figures inside, without scripts."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("gliotype.evaluate"), PackageLoader("gliotype.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"estimate": estimate_words, "p": p_words}
    return environment.get_template("evaluation.html.j2").render(
        metrics=metrics,
        target=find_target(metrics.target),
        notes=notes(metrics),
        figures={name: data_uri(figure.encode(), "image/svg+xml") for name, figure in figures.items()},
        research_use=RESEARCH_USE,
        version=__version__,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


Line = tuple[str, str, int, Estimate | None]


def _lines(metrics: Metrics) -> Iterator[Line]:
    n, decisions = metrics.n, metrics.at_threshold
    for name in ("prevalence", "coverage", "auroc", "average_precision", "brier"):
        yield name, "", n, getattr(metrics, name)
    called_mutant = decisions.true_positives + decisions.false_positives
    counts = {
        "accuracy": n,
        "sensitivity": metrics.mutants,
        "specificity": n - metrics.mutants,
        "ppv": called_mutant,
        "npv": n - called_mutant,
    }
    for name, of in counts.items():
        yield name, f"cut={decisions.threshold}", of, getattr(decisions, name)
    for each in metrics.at_prevalence:
        yield "ppv_at_prevalence", f"prevalence={each.prevalence}", n, each.ppv
        yield "npv_at_prevalence", f"prevalence={each.prevalence}", n, each.npv
    yield "ici", "", n, metrics.calibration.ici
    yield "calibration_slope", "", n, metrics.calibration.slope
    yield "calibration_intercept", "", n, metrics.calibration.intercept
    for row in metrics.calibration.reliability:
        yield "reliability", f"predicted={row.low}-{row.high}", row.n, row.observed
    for point in metrics.calibration.curve:
        yield "calibration_curve", f"predicted={point.predicted}", n, point.observed
    known = 0 if metrics.age_alone is None else metrics.age_alone.n
    for benefit in metrics.net_benefit:
        yield "net_benefit", f"threshold={benefit.threshold}", n, benefit.value
        yield "net_benefit_treat_all", f"threshold={benefit.threshold}", n, benefit.treat_all
        yield "net_benefit_age_alone", f"threshold={benefit.threshold}", known, benefit.age_alone
    yield from _comparison_lines("age_alone", "", metrics.age_alone)
    yield from _comparison_lines("against", "", metrics.against)
    for stratum in metrics.strata:
        group = f"{stratum.column}={stratum.value}"
        yield "auroc", group, stratum.n, stratum.auroc
        yield from _comparison_lines("age_alone", group, stratum.age_alone)


def _comparison_lines(name: str, group: str, comparison: ScoreComparison | None) -> Iterator[Line]:
    if comparison is not None:
        yield f"{name}_auroc", group, comparison.n, comparison.other_auroc
        yield f"auroc_minus_{name}", group, comparison.n, comparison.difference.difference


def _plain(value: Any) -> Any:
    """Turn metrics into what JSON can hold."""
    match value:
        case Estimate():
            return {"value": value.value, "ci": [value.low, value.high]}
        case Comparison():
            return {**_plain(value.difference), "p_value": value.p_value}
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value
