"""The ROC, precision-recall, calibration and decision curves and the reliability plot, as SVG."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from gliotype.cohorts import find_target
from gliotype.evaluate.decisions import Bools, net_benefit, probability_of_age, treat_all
from gliotype.evaluate.metrics import Metrics, ScoreComparison
from gliotype.evaluate.table import Floats, Patients, has_both_classes, paired
from gliotype.plotting import Axes, Figure, svg

MINE, OTHER, SOFT = "#0072b2", "#d55e00", "#7d8a96"
CURVE_THRESHOLDS = np.arange(5, 81) / 100
DOWN_TO = -0.1
"""Net benefit below this is not drawn: that of treating everybody falls without bound."""


def draw_figures(patients: Patients, other: Patients | None, metrics: Metrics) -> dict[str, str]:
    """Draw the figures of an evaluation.

    Args:
        patients: as given to `evaluate`.
        other: as given to `evaluate`; drawn for the patients of both sets of predictions.
        metrics: what it returned.

    Returns:
        SVG text by name: ``roc``, ``precision_recall``, ``calibration``, ``reliability``, ``decision_curve``. The
        same input gives the same text.
    """
    theirs = None if other is None else paired(patients, other)
    return {
        "roc": _roc(patients, theirs, metrics),
        "precision_recall": _precision_recall(patients, theirs, metrics),
        "calibration": _calibration(patients, metrics),
        "reliability": _reliability(metrics),
        "decision_curve": _decision_curve(patients, theirs),
    }


Paired = tuple[Bools, Floats, Floats]


def _roc(patients: Patients, theirs: Paired | None, metrics: Metrics) -> str:
    figure, axes = square("1 - specificity", "sensitivity")
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    _curve(axes, patients.mutant, patients.score, MINE, f"predictions {metrics.auroc.value:.3f}")
    decisions = metrics.at_threshold
    axes.plot(
        1 - decisions.specificity.value,
        decisions.sensitivity.value,
        "o",
        color=MINE,
        label=f"threshold {decisions.threshold}",
    )
    if theirs is not None and metrics.against is not None:
        mutant, _, score = theirs
        _curve(axes, mutant, score, OTHER, _other_label("other", metrics.against))
    if metrics.age_alone is not None:
        known = np.isfinite(patients.age)
        label = _other_label("age alone", metrics.age_alone)
        _curve(axes, patients.mutant[known], patients.age_score[known], SOFT, label)
    axes.legend(title="AUROC", loc="lower right", frameon=False)
    return svg(figure)


def _curve(axes: Axes, mutant: Bools, score: Floats, colour: str, label: str) -> None:
    false_positive_rate, true_positive_rate, _ = roc_curve(mutant, score)
    axes.plot(false_positive_rate, true_positive_rate, color=colour, label=label)


def _precision_recall(patients: Patients, theirs: Paired | None, metrics: Metrics) -> str:
    figure, axes = square("recall (sensitivity)", "precision (positive predictive value)")
    axes.axhline(metrics.prevalence.value, color=SOFT, linewidth=0.8, label="chance")
    for mutant, score, colour, label in (
        (patients.mutant, patients.score, MINE, f"predictions {metrics.average_precision.value:.3f}"),
        *(() if theirs is None else ((theirs[0], theirs[2], OTHER, "other"),)),
    ):
        precision, recall, _ = precision_recall_curve(mutant, score)
        axes.plot(recall, precision, drawstyle="steps-post", color=colour, label=label)
    axes.legend(title="average precision", loc="lower left", frameon=False)
    return svg(figure)


def _other_label(name: str, comparison: ScoreComparison) -> str:
    return f"{name} {comparison.other_auroc.value:.3f} (n = {comparison.n})"


def _calibration(patients: Patients, metrics: Metrics) -> str:
    figure, axes = square(
        "predicted probability", f"proportion of {patients.target.positives}, smoothed, 95 % band"
    )
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    curve = metrics.calibration.curve
    predicted, observed = [point.predicted for point in curve], [point.observed for point in curve]
    axes.plot(predicted, [each.value for each in observed], color=MINE)
    axes.fill_between(
        predicted, [each.low for each in observed], [each.high for each in observed], color=MINE, alpha=0.2
    )
    _spread(axes, patients.score[patients.mutant], MINE, patients.target.positive)
    _spread(axes, patients.score[~patients.mutant], OTHER, patients.target.negative)
    axes.legend(title="spread, each to its peak", loc="upper left", frameon=False)
    return svg(figure)


def _reliability(metrics: Metrics) -> str:
    of = f"proportion of {find_target(metrics.target).positives}, 95 % interval"
    figure, axes = square("mean predicted probability of a bin", of)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    bins = metrics.calibration.reliability
    observed = [each.observed for each in bins]
    axes.errorbar(
        [each.mean_probability for each in bins],
        [each.value for each in observed],
        yerr=np.maximum([[e.value - e.low for e in observed], [e.high - e.value for e in observed]], 0.0),
        fmt="o",
        color=MINE,
        capsize=2,
    )
    for each in bins:
        point = (each.mean_probability, each.observed.value)
        axes.annotate(f"{each.n}", point, (4, 4), textcoords="offset points", fontsize=7, color=SOFT)
    return svg(figure)


def _spread(axes: Axes, score: Floats, colour: str, label: str) -> None:
    """Draw along the bottom how the probabilities of a class are spread, as bars up to 0.12 high."""
    counts, edges = np.histogram(score, bins=50, range=(0, 1))
    axes.stairs(0.12 * counts / counts.max(), edges, fill=True, color=colour, alpha=0.45, label=label)


def _decision_curve(patients: Patients, theirs: Paired | None) -> str:
    figure, axes = square("threshold probability", "net benefit per patient")
    mutant = patients.mutant
    everybody = [treat_all(mutant, threshold).value for threshold in CURVE_THRESHOLDS]
    axes.plot(CURVE_THRESHOLDS, everybody, "--", color=SOFT, label=f"all as {patients.target.positive}")
    axes.axhline(0, color=SOFT, linewidth=0.8, label=f"none as {patients.target.positive}")
    _benefit(axes, mutant, patients.score, MINE, "predictions")
    if theirs is not None:
        _benefit(axes, theirs[0], theirs[2], OTHER, "other")
    known = np.isfinite(patients.age)
    if has_both_classes(mutant[known]):
        alone = probability_of_age(mutant[known], patients.age[known])
        _benefit(axes, mutant[known], alone, SOFT, "age alone, fitted here")
    axes.set(xlim=(0, 0.85), ylim=(DOWN_TO, max(0.1, 1.4 * float(mutant.mean()))))
    axes.legend(loc="upper right", frameon=False)
    return svg(figure)


def _benefit(axes: Axes, mutant: Bools, score: Floats, colour: str, label: str) -> None:
    values = [net_benefit(mutant, score, threshold).value for threshold in CURVE_THRESHOLDS]
    axes.plot(CURVE_THRESHOLDS, values, color=colour, label=label)


def square(across: str, up: str, inches: float = 4.4) -> tuple[Figure, Axes]:
    """Make a figure of a width whose axes show proportions, named by what they are."""
    figure = Figure(figsize=(inches, inches - 0.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
