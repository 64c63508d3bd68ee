"""Measure the predictions of an experiment: a line of the tables for each model and test set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gliotype.cohorts import IDH, Target
from gliotype.evaluate.decisions import at_threshold
from gliotype.evaluate.metrics import Metrics, evaluate
from gliotype.evaluate.pairs import Pair, compare_every_pair
from gliotype.evaluate.roc import auroc
from gliotype.evaluate.table import Labels, Patients, Predictions, has_both_classes, join
from gliotype.experiment.predictions import Prediction
from gliotype.experiment.tables import Row
from gliotype.train.data.examples import Example

AGE_DIGITS = 1
"""Ages are rounded to so many digits, in the files and in every metric."""

AGE_ALONE = "age alone, no model"
"""Name of the score among the pairs that is the age itself, the younger the likelier mutant, or the older the
likelier codeleted."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A model on a test set.

    Attributes:
        row: its line of the tables.
        patients: predictions joined to labels; None where no patient has one.
        metrics: the whole evaluation; None of an ablation, or where no patient has a prediction.
        wrong: patients who were called wrongly, or had no call.
    """

    row: Row
    patients: Patients | None
    metrics: Metrics | None
    wrong: frozenset[str] = frozenset()


def score(
    test: str,
    label: str,
    examples: list[Example],
    predictions: Mapping[str, Prediction],
    *,
    ablation: bool = False,
    target: Target = IDH,
) -> Scored:
    """Measure a model on a test set.

    A no-call is scored as the prevalence to which the other probabilities refer, that of the tuning patients.

    Args:
        test: name of the set.
        label: of the model.
        examples: the patients of the set.
        predictions: by patient.
        ablation: measure the AUROC alone.
        target: what is predicted.
    """
    counts = Row(
        set_name=test,
        model=label,
        n=len(examples),
        mutants=sum(e.mutant for e in examples),
        no_calls=sum(each.probability is None for each in predictions.values()),
    )
    if counts.no_calls == counts.n:
        return Scored(counts, None, None)
    patients = _join(test, label, examples, predictions, target)
    if ablation:
        return Scored(replace(counts, auroc=auroc(patients.mutant, patients.score)), patients, None)
    thresholds = np.array([predictions[subject].threshold for subject in patients.subjects])
    metrics = evaluate(patients, threshold=thresholds)
    wrong = {
        e.subject
        for e in examples
        if predictions[e.subject].probability is None or predictions[e.subject].called_mutant != e.mutant
    }
    return Scored(_full_row(counts, examples, predictions, metrics), patients, metrics, frozenset(wrong))


def score_split(
    test: str, label: str, split: str, examples: list[Example], predictions: Mapping[str, Prediction]
) -> Row:
    """Measure one training on the patients whom it tests; what a class is too small for is None."""
    tested = [e for e in examples if e.subject in predictions]
    given = [predictions[e.subject] for e in tested]
    mutant = np.array([e.mutant for e in tested], dtype=np.bool_)
    values = np.array([each.prevalence if each.probability is None else each.probability for each in given])
    row = Row(
        set_name=test,
        model=label,
        split=split,
        n=len(tested),
        mutants=int(mutant.sum()),
        no_calls=sum(each.probability is None for each in given),
        dice=_mean_dice(tested, predictions),
    )
    if not has_both_classes(mutant) or row.no_calls == row.n:
        return row
    decisions = at_threshold(mutant, values, np.array([each.threshold for each in given]))
    return replace(
        row,
        accuracy=decisions.accuracy,
        sensitivity=decisions.sensitivity,
        specificity=decisions.specificity,
        auroc=auroc(mutant, values),
    )


def compare_models(scored: list[Scored]) -> tuple[Pair, ...]:
    """Compare every pair of models on a test set, and each with age alone; Holm's correction is over all of them.

    Args:
        scored: every model on the same set.
    """
    found = [each for each in scored if each.patients is not None]
    if not found:
        return ()
    first = found[0].patients
    assert first is not None
    scores = {each.row.model: each.patients.score for each in found if each.patients is not None}
    return compare_every_pair(first.mutant, {**scores, AGE_ALONE: first.age_score})


def labels_of(test: str, examples: list[Example], target: Target = IDH) -> Labels:
    """Gather what is known of a set's patients."""
    columns = sorted({column for example in examples for column in example.strata})
    return Labels(
        f"{test}.csv",
        {e.subject: e.mutant for e in examples},
        {e.subject: round(float(e.age), AGE_DIGITS) for e in examples if not math.isnan(e.age)},
        {column: {e.subject: e.strata.get(column, "").strip() for e in examples} for column in columns},
        target,
    )


def _join(
    test: str, label: str, examples: list[Example], predictions: Mapping[str, Prediction], target: Target
) -> Patients:
    given = Predictions(
        f"{label}.csv",
        {subject: each.probability for subject, each in predictions.items()},
        {subject: each.prevalence for subject, each in predictions.items()},
    )
    return join(given, labels_of(test, examples, target))


def _full_row(
    counts: Row, examples: list[Example], predictions: Mapping[str, Prediction], metrics: Metrics
) -> Row:
    return replace(
        counts,
        accuracy=metrics.at_threshold.accuracy,
        sensitivity=metrics.at_threshold.sensitivity,
        specificity=metrics.at_threshold.specificity,
        auroc=metrics.auroc,
        auprc=metrics.average_precision,
        brier=metrics.brier,
        slope=metrics.calibration.slope,
        age=None if metrics.age_alone is None else metrics.age_alone.other_auroc,
        minus_age=None if metrics.age_alone is None else metrics.age_alone.difference.difference,
        dice=_mean_dice(examples, predictions),
    )


def _mean_dice(examples: list[Example], predictions: Mapping[str, Prediction]) -> float | None:
    """Return the mean Dice of the outlines that a method drew itself, or else of those of Model 1."""
    own = [each.dice for each in predictions.values() if each.dice is not None]
    dices = own or [example.dice for example in examples if not math.isnan(example.dice)]
    return float(np.mean(dices)) if dices else None
