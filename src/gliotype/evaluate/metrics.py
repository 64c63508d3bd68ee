"""All that is said about a set of predictions: discrimination, decisions at a cut, calibration, net benefit.

Every number has its 95 % interval: DeLong's for areas, Wilson's for shares, a normal one for means, Wald's for the
calibration line, and the logit interval for the average precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score

from gliotype.evaluate.calibration import calibration_line, integrated_calibration_index
from gliotype.evaluate.predictive import PREVALENCES, AtPrevalence, at_prevalence
from gliotype.evaluate.roc import Comparison, Estimate, auroc, compare_aurocs
from gliotype.evaluate.table import Floats, Patients, check_both_classes, paired

Bools = NDArray[np.bool_]

CUT = 0.5
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)
BINS = 10
LEAST_SPREAD = 0.01
"""Of the log-odds; probabilities more alike than this have no calibration slope."""

_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class AtCut:
    """The decisions at a cut: mutant is called where the probability is the cut or above.

    Attributes:
        cut: probability.
        true_positives: mutants called mutant.
        false_positives: wildtypes called mutant.
        true_negatives: wildtypes called wildtype.
        false_negatives: mutants called wildtype.
        accuracy: share of right calls.
        sensitivity: share of the mutants that are called so.
        specificity: share of the wildtypes that are called so.
        ppv: share of mutants among those called mutant, None if nobody is.
        npv: share of wildtypes among those called wildtype, None if nobody is.
    """

    cut: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate | None
    npv: Estimate | None


@dataclass(frozen=True)
class ReliabilityBin:
    """The patients with similar probabilities.

    Attributes:
        low: lower end of the bin, included.
        high: upper end, excluded, but for the last bin.
        n: patients in it; a bin without any is left out.
        mean_probability: predicted.
        observed: share of mutants.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: Estimate


@dataclass(frozen=True)
class Calibration:
    """Whether the probabilities mean what they say (see `gliotype.evaluate.calibration`).

    Attributes:
        slope: 1 is ideal; None where a cut parts the classes without error, since it is then without bound.
        intercept: calibration in the large, on the log-odds; 0 is ideal, above 0 the predictions are too low.
        reliability: observed beside predicted in `BINS` bins of equal width.
        ici: integrated calibration index; 0 is ideal.
    """

    slope: Estimate | None
    intercept: Estimate
    reliability: tuple[ReliabilityBin, ...]
    ici: Estimate


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit per patient of treating those above a threshold as mutant (Vickers & Elkin 2006).

    Attributes:
        threshold: probability from which on to treat.
        value: true positives less false positives at the odds of the threshold, per patient.
        treat_all: the same for treating everybody; treating nobody has 0.
    """

    threshold: float
    value: Estimate
    treat_all: Estimate


@dataclass(frozen=True)
class Beside:
    """Another score beside the predictions, on the patients who have both.

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
        age_alone: beside it, None with fewer than two patients of a class whose age is known.
    """

    column: str
    value: str
    n: int
    mutants: int
    auroc: Estimate | None
    age_alone: Beside | None


@dataclass(frozen=True)
class Metrics:
    """The evaluation of one set of predictions.

    Attributes:
        n: patients with a label and a prediction.
        mutants: those IDH-mutant.
        prevalence: their share.
        no_calls: patients whose probability was empty; scored as `prevalence` in all numbers here.
        without_label: number of predictions left out because their subject has no label.
        without_prediction: number of labels left out because their subject has no prediction.
        auroc: area under the ROC curve.
        average_precision: mean precision over the recalled mutants; of chance, it is the prevalence.
        brier: mean squared error of the probability.
        age_alone: the younger the likelier mutant, beside the predictions; None where too few ages are known.
        at_cut: decisions at the cut.
        at_prevalence: predictive values of these decisions where mutants are as frequent as stated.
        calibration: of the probabilities.
        net_benefit: at `THRESHOLDS`.
        strata: by column and value.
        against: the other set of predictions beside this one, or None.
        unused_columns: columns of the labels that do not part the patients into strata.
        sources: names of the files by role: ``predictions``, ``labels``, ``against``.
    """

    n: int
    mutants: int
    prevalence: Estimate
    no_calls: int
    without_label: int
    without_prediction: int
    auroc: Estimate
    average_precision: Estimate
    brier: Estimate
    age_alone: Beside | None
    at_cut: AtCut
    at_prevalence: tuple[AtPrevalence, ...]
    calibration: Calibration
    net_benefit: tuple[NetBenefit, ...]
    strata: tuple[Stratum, ...]
    against: Beside | None
    unused_columns: tuple[str, ...]
    sources: Mapping[str, str]


def evaluate(patients: Patients, other: Patients | None = None, *, cut: float = CUT) -> Metrics:
    """Measure predictions against the truth.

    Args:
        patients: predictions joined to labels; two of each class at the least.
        other: other predictions, joined to the same labels, to compare with.
        cut: probability from which on mutant is called; fix it on other patients than these.

    Raises:
        InputError: if the patients of both sets of predictions are too few of a class.
    """
    mutant, score = patients.mutant, patients.score
    decisions = at_cut(mutant, score, cut)
    return Metrics(
        n=len(mutant),
        mutants=int(mutant.sum()),
        prevalence=share(int(mutant.sum()), len(mutant)),
        no_calls=int(patients.no_call.sum()),
        without_label=patients.without_label,
        without_prediction=patients.without_prediction,
        auroc=auroc(mutant, score),
        average_precision=average_precision(mutant, score),
        brier=mean_squared_error(mutant, score),
        age_alone=_beside_age(patients, np.full(len(mutant), True)),
        at_cut=decisions,
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
        calibration=calibration(mutant, score),
        net_benefit=tuple(
            NetBenefit(threshold, net_benefit(mutant, score, threshold), treat_all(mutant, threshold))
            for threshold in THRESHOLDS
        ),
        strata=tuple(
            _stratum(patients, column, value)
            for column, values in patients.strata.items()
            for value in sorted(set(values), key=_order)
        ),
        against=None if other is None else _against(patients, other),
        unused_columns=patients.unused_columns,
        sources=patients.sources if other is None else _sources(patients, other),
    )


def share(count: int, of: int) -> Estimate:
    """Estimate a share with Wilson's interval (Wilson 1927).

    Example:
        >>> print(share(9, 10))
        0.900 (0.596-0.982)
    """
    interval = stats.binomtest(count, of).proportion_ci(method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


def average_precision(mutant: Bools, score: Floats) -> Estimate:
    """Estimate the average precision with its logit interval (Boyd, Eng & Page 2013).

    Where every mutant scores above every wildtype, the interval has no width, as DeLong's.
    """
    value = float(average_precision_score(mutant, score))
    if value == 1:
        return Estimate(1.0, 1.0, 1.0)
    half = _Z / np.sqrt(mutant.sum() * value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def mean_squared_error(mutant: Bools, score: Floats) -> Estimate:
    """Estimate the Brier score."""
    error = _mean((mutant - score) ** 2)
    return replace(error, low=max(0.0, error.low))


def at_cut(mutant: Bools, score: Floats, cut: float) -> AtCut:
    """Count the decisions at a cut, and their shares."""
    called = score >= cut
    tp, fp = int((called & mutant).sum()), int((called & ~mutant).sum())
    fn, tn = int((~called & mutant).sum()), int((~called & ~mutant).sum())
    return AtCut(
        cut=cut,
        true_positives=tp,
        false_positives=fp,
        true_negatives=tn,
        false_negatives=fn,
        accuracy=share(tp + tn, len(mutant)),
        sensitivity=share(tp, tp + fn),
        specificity=share(tn, tn + fp),
        ppv=share(tp, tp + fp) if tp + fp else None,
        npv=share(tn, tn + fn) if tn + fn else None,
    )


def calibration(mutant: Bools, score: Floats) -> Calibration:
    """Estimate the calibration line with Wald intervals, and the reliability in bins."""
    line = calibration_line(mutant, score)
    log_odds = logit(np.clip(score, 1e-6, 1 - 1e-6))
    shifted = expit(log_odds + line.intercept)
    in_the_large = _around(line.intercept, 1 / np.sqrt((shifted * (1 - shifted)).sum()))
    lowest, highest = score[mutant].min(), score[mutant].max()
    overlap = score[~mutant].max() > lowest and highest > score[~mutant].min()
    spread = bool(np.ptp(log_odds) > LEAST_SPREAD)
    return Calibration(
        slope=_around(line.slope, _slope_error(mutant, line.slope * log_odds, log_odds))
        if overlap and spread
        else None,
        intercept=in_the_large,
        reliability=_reliability(mutant, score),
        ici=integrated_calibration_index(mutant, score),
    )


def net_benefit(mutant: Bools, score: Floats, threshold: float) -> Estimate:
    """Estimate the net benefit per patient of treating those at or above a threshold as mutant.

    Example:
        >>> print(net_benefit(np.array([True, True, False, False]), np.array([0.9, 0.1, 0.4, 0.2]), 0.2))
        0.125 (-0.458-0.708)
    """
    gain = np.where(mutant, 1.0, -threshold / (1 - threshold))
    return _mean(np.where(score >= threshold, gain, 0.0))


def treat_all(mutant: Bools, threshold: float) -> Estimate:
    """Estimate the net benefit per patient of treating everybody as mutant."""
    return net_benefit(mutant, np.ones(len(mutant)), threshold)


def _mean(values: Floats) -> Estimate:
    return _around(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _around(value: float, standard_error: float) -> Estimate:
    return Estimate(value, value - _Z * standard_error, value + _Z * standard_error)


def _slope_error(mutant: Bools, sloped: Floats, log_odds: Floats) -> float:
    """Return the standard error of the slope, from the information of the fitted logistic model."""
    constant = brentq(lambda shift: float(expit(sloped + shift).mean() - mutant.mean()), -50, 50)
    fitted = expit(sloped + constant)
    weights = fitted * (1 - fitted)
    spread = weights @ (log_odds - np.average(log_odds, weights=weights)) ** 2
    return float(1 / np.sqrt(spread))


def _reliability(mutant: Bools, score: Floats) -> tuple[ReliabilityBin, ...]:
    edges = np.arange(BINS + 1) / BINS
    index = np.minimum(np.searchsorted(edges, score, side="right") - 1, BINS - 1)
    return tuple(
        ReliabilityBin(
            low=float(edges[each]),
            high=float(edges[each + 1]),
            n=int((index == each).sum()),
            mean_probability=float(score[index == each].mean()),
            observed=share(int(mutant[index == each].sum()), int((index == each).sum())),
        )
        for each in np.unique(index)
    )


def _beside(mutant: Bools, score: Floats, other: Floats) -> Beside:
    return Beside(
        n=len(mutant),
        mutants=int(mutant.sum()),
        auroc=auroc(mutant, score),
        other_auroc=auroc(mutant, other),
        difference=compare_aurocs(mutant, score, other),
    )


def _beside_age(patients: Patients, within: Bools) -> Beside | None:
    known = within & np.isfinite(patients.age)
    if not _has_both_classes(patients.mutant[known]):
        return None
    return _beside(patients.mutant[known], patients.score[known], -patients.age[known])


def _against(patients: Patients, other: Patients) -> Beside:
    mutant, mine, theirs = paired(patients, other)
    check_both_classes(
        mutant, f"in both {patients.sources['predictions']} and {other.sources['predictions']}"
    )
    return _beside(mutant, mine, theirs)


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
        auroc=auroc(mutant, patients.score[within]) if _has_both_classes(mutant) else None,
        age_alone=_beside_age(patients, within),
    )


def _order(value: str) -> tuple[float, str]:
    """Sort numbers by size and before words."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _has_both_classes(mutant: Bools) -> bool:
    return min(int(mutant.sum()), int((~mutant).sum())) >= 2
