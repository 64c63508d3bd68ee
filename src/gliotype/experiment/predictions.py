"""The answers of all trainings put together: one prediction of each model for each patient of a test set.

A patient of the folds is tested by one training in each repeat, an external patient by all of them. Several answers
become one by the mean of their log-odds, and so do the thresholds to which they belong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from gliotype.experiment.training import Answers, Training

PROBABILITY_DIGITS = 6
"""Probabilities are rounded to so many digits, in the files and in every metric."""

_EDGE = 10.0**-PROBABILITY_DIGITS


@dataclass(frozen=True)
class Answer:
    """What one training says of one patient.

    Attributes:
        test: name of the test set.
        model: label of the model.
        size: training patients asked for by a learning curve, None for all.
        split: name of the split.
        subject: the patient.
        probability: None for a no-call.
        threshold: probability at or above which this training calls mutant.
        prevalence: to which the probability refers.
        dice: of the whole tumour that the method outlined itself, None where it does not or the truth is not known.
    """

    test: str
    model: str
    size: int | None
    split: str
    subject: str
    probability: float | None
    threshold: float
    prevalence: float
    dice: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What a model says of a patient, over all trainings that tested him or her.

    Attributes:
        probability: None where all of them gave no call.
        threshold: probability at or above which mutant is called.
        prevalence: to which the probability refers.
        dice: mean over these trainings, of a method that outlines the tumour itself.
    """

    probability: float | None
    threshold: float
    prevalence: float
    dice: float | None = None

    @property
    def called_mutant(self) -> bool:
        """Whether mutant is called; a no-call counts as its prevalence."""
        return (self.prevalence if self.probability is None else self.probability) >= self.threshold


def list_answers(done: Iterable[tuple[Training, Answers]]) -> Iterator[Answer]:
    """Yield every answer of every training."""
    for training, answers in done:
        for test, members in training.split.tests.items():
            dices = answers.dices.get(test, (None,) * len(members))
            for (_, subject), probability, dice in zip(
                members, answers.probabilities[test], dices, strict=True
            ):
                yield Answer(
                    test,
                    training.model.label,
                    training.size,
                    training.split.name,
                    subject,
                    None if probability is None else round(probability, PROBABILITY_DIGITS),
                    answers.threshold,
                    answers.prevalence,
                    dice,
                )


def combine(answers: Iterable[Answer]) -> dict[str, Prediction]:
    """Combine the answers of one model on one test set by patient.

    Example:
        >>> said = [Answer("test", "age", None, f"fold {n}", "a", p, 0.5, 0.3) for n, p in enumerate((0.2, 0.8, None))]
        >>> combine(said)["a"]
        Prediction(probability=0.5, threshold=0.5, prevalence=0.3, dice=None)
    """
    by_subject: dict[str, list[Answer]] = {}
    for answer in answers:
        by_subject.setdefault(answer.subject, []).append(answer)
    return {subject: _combine(several) for subject, several in sorted(by_subject.items())}


def by_model(answers: Iterable[Answer]) -> Mapping[tuple[str, str, int | None], list[Answer]]:
    """Group answers by test set, model and size."""
    groups: dict[tuple[str, str, int | None], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((answer.test, answer.model, answer.size), []).append(answer)
    return groups


def _combine(several: list[Answer]) -> Prediction:
    if len(several) == 1:
        (only,) = several
        return Prediction(only.probability, only.threshold, only.prevalence, only.dice)
    given = [answer for answer in several if answer.probability is not None] or several
    known = [answer.probability for answer in given if answer.probability is not None]
    dices = [answer.dice for answer in several if answer.dice is not None]
    return Prediction(
        _mean(known) if known else None,
        _mean([answer.threshold for answer in given]),
        _mean([answer.prevalence for answer in given]),
        float(np.mean(dices)) if dices else None,
    )


def _mean(probabilities: list[float]) -> float:
    """Return the probability whose log-odds are the mean, rounded."""
    inside = np.clip(probabilities, _EDGE, 1 - _EDGE)
    return round(float(expit(logit(inside).mean())), PROBABILITY_DIGITS)
