"""All that is said about a set of predictions: discrimination, decisions at a threshold, calibration, net benefit.

Every number has its 95 % interval: the logit's with DeLong's variance for areas, DeLong's for their differences,
Wilson's for proportions, a normal one for means, Wald's for the calibration line, the logit's for the average
precision and for predictive values at a prevalence, and a bootstrap's for the calibration curve and its index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score

from gliotype.cohorts import IDH
from gliotype.evaluate.calibration import RESAMPLES, Calibration, brier, calibration
from gliotype.evaluate.decisions import (
    AtThreshold,
    Bools,
    NetBenefit,
    at_threshold,
    net_benefit,
    probability_of_age,
    proportion,
    treat_all,
)
from gliotype.evaluate.predictive import PREVALENCES, AtPrevalence, at_prevalence
from gliotype.evaluate.roc import Comparison, Estimate, auroc, compare_aurocs
from gliotype.evaluate.table import Floats, Patients, check_both_classes, has_both_classes, paired
from gliotype.predictors.ensemble import Z95

THRESHOLD = 0.5
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)


@dataclass(frozen=True)
class ScoreComparison:
    """Another score compared with the predictions, on the patients who have both.

    Attributes:
        n: patients.
        mutants: those IDH-mutant.
        auroc: of the predictions.
        other_auroc: of the other score.
        difference: predictions minus other, by DeLong's test for paired curves.
    """

    n: int
    mutants: int
    auroc: Estimate
    other_auroc: Estimate
    difference: Comparison


@dataclass(frozen=True)
class Stratum:
    """The patients who have one value in one column of the labels.

    Attributes:
        column: of the labels.
        value: in it.
        n: patients.
        mutants: those IDH-mutant.
        auroc: None with fewer than two patients of a class.
        age_alone: for comparison, None with fewer than two patients of a class whose age is known.
    """

    column: str
    value: str
    n: int
    mutants: int
    auroc: Estimate | None
    age_alone: ScoreComparison | None


@dataclass(frozen=True)
class Metrics:
    """The evaluation of one set of predictions.

    Attributes:
        n: patients with a label and a prediction.
        mutants: those IDH-mutant.
        prevalence: their proportion.
        no_calls: patients whose probability was empty; scored as the prevalence stated for them in all numbers here.
        coverage: proportion of patients with a probability.
        without_label: number of predictions left out because their subject has no label.
        without_prediction: number of labels left out because their subject has no prediction.
        auroc: area under the ROC curve.
        average_precision: mean precision over the recalled mutants; of chance, it is the prevalence.
        brier: mean squared error of the probability.
        age_alone: for comparison, the younger the likelier mutant (or the older the likelier codeleted); None where
            too few ages are known.
        at_threshold: decisions at the threshold.
        at_prevalence: predictive values of these decisions where mutants are as frequent as stated.
        calibration: of the probabilities.
        net_benefit: at `THRESHOLDS`.
        strata: by column and value.
        against: comparison with the other set of predictions, or None.
        unused_columns: columns of the labels that do not stratify the patients.
        sources: names of the files by role: ``predictions``, ``labels``, ``against``.
        target: name of what was predicted.
    """

    n: int
    mutants: int
    prevalence: Estimate
    no_calls: int
    coverage: Estimate
    without_label: int
    without_prediction: int
    auroc: Estimate
    average_precision: Estimate
    brier: Estimate
    age_alone: ScoreComparison | None
    at_threshold: AtThreshold
    at_prevalence: tuple[AtPrevalence, ...]
    calibration: Calibration
    net_benefit: tuple[NetBenefit, ...]
    strata: tuple[Stratum, ...]
    against: ScoreComparison | None
    unused_columns: tuple[str, ...]
    sources: Mapping[str, str]
    target: str = IDH.name


def evaluate(
    patients: Patients,
    other: Patients | None = None,
    *,
    threshold: float | Floats = THRESHOLD,
    resamples: int = RESAMPLES,
) -> Metrics:
    """Measure predictions against the truth.

    Args:
        patients: predictions joined to labels; two of each class at least.
        other: other predictions, joined to the same labels, to compare with.
        threshold: probability at or above which mutant is called, of all patients or of each (n,); choose it on other
            patients than these.
        resamples: of the bootstrap of the calibration curve.

    Raises:
        InputError: if the patients of both sets of predictions are too few of a class.
    """
    mutant, score = patients.mutant, patients.score
    decisions = at_threshold(mutant, score, threshold)
    return Metrics(
        n=len(mutant),
        mutants=int(mutant.sum()),
        prevalence=proportion(int(mutant.sum()), len(mutant)),
        no_calls=int(patients.no_call.sum()),
        coverage=proportion(int((~patients.no_call).sum()), len(mutant)),
        without_label=patients.without_label,
        without_prediction=patients.without_prediction,
        auroc=auroc(mutant, score),
        average_precision=average_precision(mutant, score),
        brier=brier(mutant, score),
        age_alone=_compare_with_age(patients, np.full(len(mutant), True)),
        at_threshold=decisions,
        at_prevalence=tuple(
            at_prevalence(
                decisions.true_positives,
                int(mutant.sum()),
                decisions.true_negatives,
                int((~mutant).sum()),
                prevalence,
            )
            for prevalence in PREVALENCES
        ),
        calibration=calibration(mutant, score, resamples=resamples),
        net_benefit=tuple(_net_benefit(patients, threshold) for threshold in THRESHOLDS),
        strata=tuple(
            _stratum(patients, column, value)
            for column, values in patients.strata.items()
            for value in sorted(set(values), key=_order)
        ),
        against=None if other is None else _against(patients, other),
        unused_columns=patients.unused_columns,
        sources=patients.sources if other is None else _sources(patients, other),
        target=patients.target.name,
    )


def average_precision(mutant: Bools, score: Floats) -> Estimate:
    """Estimate the average precision with its logit interval (Boyd, Eng & Page 2013).

    Where every mutant scores above every wildtype, the interval has no width.
    """
    if score[mutant].min() > score[~mutant].max():
        return Estimate(1.0, 1.0, 1.0)
    value = float(average_precision_score(mutant, score))
    half = Z95 / np.sqrt(mutant.sum() * value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def _compare_scores(mutant: Bools, score: Floats, other: Floats) -> ScoreComparison:
    return ScoreComparison(
        n=len(mutant),
        mutants=int(mutant.sum()),
        auroc=auroc(mutant, score),
        other_auroc=auroc(mutant, other),
        difference=compare_aurocs(mutant, score, other),
    )


def _compare_with_age(patients: Patients, within: Bools) -> ScoreComparison | None:
    known = within & np.isfinite(patients.age)
    if not has_both_classes(patients.mutant[known]):
        return None
    return _compare_scores(patients.mutant[known], patients.score[known], patients.age_score[known])


def _net_benefit(patients: Patients, threshold: float) -> NetBenefit:
    known = np.isfinite(patients.age)
    mutant, age = patients.mutant[known], patients.age[known]
    alone = probability_of_age(mutant, age) if has_both_classes(mutant) else None
    return NetBenefit(
        threshold,
        net_benefit(patients.mutant, patients.score, threshold),
        treat_all(patients.mutant, threshold),
        None if alone is None else net_benefit(mutant, alone, threshold),
    )


def _against(patients: Patients, other: Patients) -> ScoreComparison:
    mutant, mine, theirs = paired(patients, other)
    which = f"in both {patients.sources['predictions']} and {other.sources['predictions']}"
    check_both_classes(mutant, which, patients.target.classes)
    return _compare_scores(mutant, mine, theirs)


def _sources(patients: Patients, other: Patients) -> dict[str, str]:
    return {**patients.sources, "against": other.sources["predictions"]}


def _stratum(patients: Patients, column: str, value: str) -> Stratum:
    within = np.array(patients.strata[column]) == value
    mutant = patients.mutant[within]
    return Stratum(
        column=column,
        value=value,
        n=len(mutant),
        mutants=int(mutant.sum()),
        auroc=auroc(mutant, patients.score[within]) if has_both_classes(mutant) else None,
        age_alone=_compare_with_age(patients, within),
    )


def _order(value: str) -> tuple[float, str]:
    """Sort numbers by size and before words."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value
