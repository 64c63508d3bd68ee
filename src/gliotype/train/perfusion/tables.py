"""The perfusion network compared with its baselines on the same patients, and its attention over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import spearmanr

from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.decisions import AtThreshold, at_threshold
from gliotype.evaluate.roc import Comparison, Estimate, auroc, compare_aurocs
from gliotype.explain.phases import Phase, fractions_by_phase
from gliotype.predictors.perfusion import occlude_phases
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.perfusion.baselines import fit_baselines, scores_of
from gliotype.train.perfusion.examples import NUMBERS
from gliotype.train.perfusion.network import CurveExample, CurveModel, with_curves

Floats = NDArray[np.float64]

SINGLE = {
    "nrCBV, mean": ("whole_nrcbv_mean", -1.0),
    "nrCBV, 95th percentile": ("whole_nrcbv_p95", -1.0),
    "PSR": ("whole_psr", 1.0),
}
"""Baselines of one number, and whether it is higher (1) or lower (-1) in IDH-mutant tumours."""


@dataclass(frozen=True)
class Rival:
    """A baseline on the patients of a test set.

    Attributes:
        auroc: of the baseline.
        beyond: the network's AUROC minus the baseline's, paired.
    """

    auroc: Estimate
    beyond: Comparison


@dataclass(frozen=True)
class Explanation:
    """When in the bolus the network looked, over the patients of a test set.

    Attributes:
        attention: mean fraction of the attention in each phase.
        occlusion: mean size of the fall of the log-odds when a phase's curves are replaced by their average course.
        agreement: median over the patients of Spearman's correlation of both over the phases.
    """

    attention: Mapping[Phase, float]
    occlusion: Mapping[Phase, float]
    agreement: float


@dataclass(frozen=True)
class Tested:
    """The network on one test set.

    Attributes:
        name: of the set.
        patients: how many.
        mutants: those IDH-mutant.
        unmeasured: those whose perfusion could not be measured; they count as the prior.
        auroc: by patient.
        decisions: at the threshold that was fixed on the tuning patients.
        brier: mean squared error of the probability, at the tuning patients' prevalence.
        slope: calibration slope.
        rivals: baselines by name, age alone among them.
        explanation: of the answers.
    """

    name: str
    patients: int
    mutants: int
    unmeasured: int
    auroc: Estimate
    decisions: AtThreshold
    brier: float
    slope: float
    rivals: Mapping[str, Rival]
    explanation: Explanation


def test_set(
    name: str,
    examples: list[CurveExample],
    model: CurveModel,
    *,
    training: list[CurveExample],
    tuning: list[CurveExample],
    seed: int,
) -> Tested:
    """Test the network and its baselines on the same patients.

    Args:
        name: of the set.
        examples: its patients, none of whom trained or tuned anything.
        model: the network.
        training: patients on whom the baselines are fitted, those that the network was trained on.
        tuning: patients on whom the threshold is fixed (Youden).
        seed: of the baselines.
    """
    truth = np.array([e.mutant for e in examples])
    score = model.log_odds(examples)
    prior = float(logit(np.mean([e.mutant for e in tuning])))
    tuned = np.asarray(expit(model.log_odds(tuning) + prior))
    threshold = youden_threshold(np.array([e.mutant for e in tuning]), tuned)
    probability = np.asarray(expit(score + prior))
    rivals = {
        label: Rival(auroc(truth, other), compare_aurocs(truth, score, other))
        for label, other in _rival_scores(examples, training, seed).items()
    }
    return Tested(
        name=name,
        patients=len(examples),
        mutants=int(truth.sum()),
        unmeasured=len(examples) - len(with_curves(examples)),
        auroc=auroc(truth, score),
        decisions=at_threshold(truth, probability, threshold),
        brier=brier(truth, probability).value,
        slope=calibration_line(truth, probability).slope,
        rivals=rivals,
        explanation=explain(with_curves(examples), model),
    )


def _rival_scores(examples: list[CurveExample], training: list[CurveExample], seed: int) -> dict[str, Floats]:
    table, known = (np.stack([e.numbers for e in group]) for group in (examples, training))
    scores = {}
    for label, (number, sign) in SINGLE.items():
        column = NUMBERS.index(number)
        values = np.where(np.isnan(table[:, column]), np.nanmedian(known[:, column]), table[:, column])
        scores[label] = sign * values
    fitted = fit_baselines(known, np.array([e.mutant for e in training]), seed)
    scores |= {label: scores_of(baseline, table) for label, baseline in fitted.items()}
    return scores | {"age alone": -np.array([e.age for e in examples])}


def explain(examples: list[CurveExample], model: CurveModel) -> Explanation:
    """Compare attention with occlusion, phase by phase.

    Args:
        examples: patients with curves.
        model: the network.
    """
    curves = np.stack([e.curves[0] for e in examples])
    answers, attention = model.read(curves)
    hidden = np.concatenate([occlude_phases(e.curves[0], e.phases, model.average) for e in examples])
    falls = answers[:, None] - model.read(hidden)[0].reshape(len(examples), len(Phase))
    fractions = np.array(
        [
            list(fractions_by_phase(weight, e.phases).values())
            for weight, e in zip(attention, examples, strict=True)
        ]
    )
    agreement = [spearmanr(a, b).statistic for a, b in zip(fractions, np.abs(falls), strict=True)]
    return Explanation(
        dict(zip(Phase, fractions.mean(axis=0).tolist(), strict=True)),
        dict(zip(Phase, np.abs(falls).mean(axis=0).tolist(), strict=True)),
        float(np.nanmedian(agreement)),
    )


def results_markdown(tested: tuple[Tested, ...], sets: Mapping[str, list[CurveExample]]) -> str:
    """Write the tables of a run, without a heading."""
    lines = ["| set | patients | IDH-mutant | not measured |", "| --- | --- | --- | --- |"]
    for name, examples in sets.items():
        mutants, lost = sum(e.mutant for e in examples), len(examples) - len(with_curves(examples))
        lines.append(f"| {name} | {len(examples)} | {mutants} | {lost} |")
    lines += ["", "AUROC by patient (95 % interval), and the network's minus it (paired, DeLong).", ""]
    lines += [
        "| method | " + " | ".join(f"{t.name} (n = {t.patients})" for t in tested) + " |",
        "| --- " * (len(tested) + 1) + "|",
        "| **network** | " + " | ".join(f"**{t.auroc}**" for t in tested) + " |",
    ]
    for label in tested[0].rivals:
        cells = [f"{t.rivals[label].auroc}; {_format_difference(t.rivals[label].beyond)}" for t in tested]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += ["", "At the threshold and the prevalence of the tuning patients:", ""]
    lines += [
        "| set | threshold | accuracy | sensitivity | specificity | Brier | calibration slope |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in tested:
        d = t.decisions
        estimates = f"{d.accuracy} | {d.sensitivity} | {d.specificity}"
        lines.append(f"| {t.name} | {d.threshold:.3f} | {estimates} | {t.brier:.3f} | {t.slope:.2f} |")
    return "\n".join([*lines, "", *_explanation_lines(tested[1])]) + "\n"


def _format_difference(comparison: Comparison) -> str:
    found = comparison.difference
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}), p = {comparison.p_value:.2g}"


def _explanation_lines(tested: Tested) -> list[str]:
    found = tested.explanation
    rows = [
        f"| {phase.value} | {100 * found.attention[phase]:.0f} % | {found.occlusion[phase]:.2f} |"
        for phase in Phase
    ]
    return [
        f"When in the bolus the network looked ({tested.name}): mean fraction of the attention, and mean size of the "
        "change of the log-odds when the tumour's curves in the phase are replaced by their average course. "
        f"Spearman's correlation of both over the phases of a patient: median {found.agreement:.2f}.",
        "",
        "| phase | attention | occlusion |",
        "| --- | --- | --- |",
        *rows,
    ]
