"""The figures of an experiment's report, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from gliotype.evaluate.figures import DOWN_TO, SOFT, square
from gliotype.evaluate.roc import Estimate
from gliotype.experiment.report.curves import KINDS, Curve
from gliotype.experiment.score import AGE_ALONE
from gliotype.experiment.tables import Row
from gliotype.plotting import Axes, Figure, svg

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#1b2733",
    "#8c6d31",
    "#882255",
    "#a3a500",
)
"""Of the methods, one for each; readers with any colour vision tell the first eight apart (Okabe & Ito)."""

MANY = 5
"""With more methods than this, legends and bands would hide the curves: the table's colours name the methods."""

AXES = {
    "roc": ("1 - specificity", "sensitivity"),
    "calibration": ("predicted probability", "observed proportion, smoothed"),
    "decision": ("threshold probability", "net benefit per patient"),
    "risk": ("coverage: patients with a definite call", "error among definite calls"),
}

LEGENDS: dict[str, Literal["lower right", "upper left", "upper right"]] = {
    "roc": "lower right",
    "calibration": "upper left",
    "decision": "upper right",
    "risk": "upper left",
}


def draw_curves(curves: Iterable[Curve], methods: Sequence[str]) -> dict[tuple[str, str], str]:
    """Draw the curves of each test set.

    Args:
        curves: of all sets.
        methods: names in the order of the tables, which decides the colours.

    Returns:
        SVG by test set and kind.
    """
    curves = list(curves)
    return {
        (test, kind): _draw(kind, [c for c in curves if (c.test, c.kind) == (test, kind)], methods)
        for test in dict.fromkeys(curve.test for curve in curves)
        for kind in KINDS
    }


def draw_forest(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Draw the AUROC of every model on one test set with its interval, and that of age alone."""
    named: list[tuple[str, Estimate, str]] = [
        (row.model, row.auroc, colour_of(row.model, methods)) for row in rows if row.auroc is not None
    ]
    age = next((row.age for row in rows if row.age is not None), None)
    if age is not None:
        named.append((AGE_ALONE, age, SOFT))
    figure = Figure(figsize=(7.2, 0.9 + 0.3 * len(named)), layout="constrained")
    axes = figure.subplots()
    for place, (_, estimate, colour) in enumerate(reversed(named)):
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(estimate.value, place, "s", color=colour, markersize=5)
    axes.set_yticks(range(len(named)), [name for name, *_ in reversed(named)])
    axes.axvline(0.5, color=SOFT, linewidth=0.8)
    lowest = min((estimate.low for _, estimate, _ in named), default=0.5)
    axes.set(
        xlabel="AUROC, 95 % interval", xlim=(min(0.45, lowest - 0.02), 1.01), ylim=(-0.6, len(named) - 0.4)
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return svg(figure)


def draw_learning_curve(
    rows: Sequence[Row], whole: Sequence[Row], largest: int, methods: Sequence[str]
) -> str:
    """Draw AUROC against the number of training patients on one test set.

    Args:
        rows: points of the curve.
        whole: the results with all training patients.
        largest: how many these are.
        methods: names in the order of the tables.
    """
    figure, axes = square("training patients", "AUROC, 95 % interval", inches=4.0)
    lowest = 0.42
    for name in methods:
        points = [(row.size or 0, row.auroc) for row in rows if row.model == name and row.auroc]
        points += [(largest, row.auroc) for row in whole if row.model == name and row.auroc]
        if points:
            points.sort(key=lambda point: point[0])
            lowest = min(lowest, *(estimate.value for _, estimate in points))
            _interval_line(axes, points, name, colour_of(name, methods), band=len(methods) <= MANY)
    axes.set(xlim=(0, 1.05 * largest), ylim=(lowest - 0.02, 1.02))
    if len(methods) <= MANY:
        axes.legend(loc="lower right", frameon=False)
    return svg(figure)


def colour_of(model: str, methods: Sequence[str]) -> str:
    """Return the colour of a model; grey of an ablation, and of age alone."""
    return COLOURS[methods.index(model) % len(COLOURS)] if model in methods else SOFT


def _interval_line(
    axes: Axes, points: list[tuple[int, Estimate]], name: str, colour: str, *, band: bool
) -> None:
    sizes = [size for size, _ in points]
    values = [estimate for _, estimate in points]
    axes.plot(sizes, [each.value for each in values], "o-", color=colour, markersize=4, label=name)
    if band:
        lows, highs = [each.low for each in values], [each.high for each in values]
        axes.fill_between(sizes, lows, highs, color=colour, alpha=0.12, linewidth=0)


def _draw(kind: str, curves: list[Curve], methods: Sequence[str]) -> str:
    figure, axes = square(*AXES[kind], inches=3.5)
    if kind in ("roc", "calibration"):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    for curve in curves:
        x, y = np.array(curve.points).T if curve.points else (np.empty(0), np.empty(0))
        other = curve.model not in methods
        axes.plot(
            x,
            y,
            "--" if other else "-",
            color=colour_of(curve.model, methods),
            linewidth=1.0 if other else 1.6,
            drawstyle="steps-post" if kind == "risk" else "default",
            label=curve.model if other or len(methods) <= MANY else None,
        )
    if kind == "decision":
        axes.axhline(0, color=SOFT, linewidth=0.8, label="none")
        highest = max((y for curve in curves for _, y in curve.points), default=0.1)
        axes.set(xlim=(0, 0.85), ylim=(DOWN_TO, max(0.1, 1.15 * highest)))
    if kind == "risk":
        highest = max((y for curve in curves for _, y in curve.points), default=0.1)
        axes.set(ylim=(-0.01, min(1.02, max(0.1, 1.2 * highest))))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc=LEGENDS[kind], frameon=False, fontsize=8)
    return svg(figure)
