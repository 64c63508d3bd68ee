"""Train a method on labelled patients, from a cohort on disk or simulated, and write its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gliotype.atomic_files import check_writable
from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.train.common.method import Method
from gliotype.train.data.examples import Patients, check_found, make_examples

TUNING_FRACTION = 0.18
"""Fraction of the patients held out for calibration and threshold; as in Choi 2021 (131 of 727)."""


def train_on_patients(
    method: Method,
    patients: Patients,
    run: Path,
    *,
    data: Mapping[str, str],
    seed: int = 1,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Train a method on labelled patients, or resume a run that was interrupted.

    Args:
        method: with its parameters.
        patients: labelled.
        run: folder of the run; examples and networks are cached in it.
        data: what the patients are, and under which ``licence``, for the card.
        seed: of the draw of the tuning patients.
        jobs: patients prepared at the same time.
        progress: called with a line of progress.

    Returns:
        The weights and their card.

    Raises:
        InputError: if there are too few patients of a class, or one cannot be read.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    parts = hold_out([patients.mutant(subject) for subject in patients.subjects], seed)
    examples = make_examples(patients, run / "cache", inputs=method.inputs, jobs=jobs, progress=progress)
    training, tuning = ([examples[index] for index in indices] for indices in parts)
    check_found("training", training)
    check_found("tuning", tuning)
    trained = method.fit(training, tuning, run / "models", progress)
    probability = trained.probabilities(tuning, 0.5)
    called = np.isfinite(probability)
    mutant = np.array([each.mutant for each in tuning])
    results = (
        f"On the {int(called.sum())} tuning patients with a call, of {len(tuning)} (used for calibration and "
        f"threshold, so optimistic): AUROC {auroc(mutant[called], probability[called])}."
    )
    return method.export(trained, run, training=training, data=data, results=results)


def hold_out(mutant: Sequence[bool], seed: int) -> tuple[list[int], list[int]]:
    """Split patients into training and tuning, `TUNING_FRACTION` of each class and two at least.

    Args:
        mutant: whether each is IDH-mutant.
        seed: of the draw.

    Returns:
        Indices of the training and of the tuning patients.

    Raises:
        InputError: with fewer than four patients of a class.

    Example:
        >>> training, tuning = hold_out([True] * 20 + [False] * 50, 1)
        >>> len(training), len(tuning), sum(index < 20 for index in tuning)
        (57, 13, 4)
    """
    classes = [np.flatnonzero(np.array(mutant) == status) for status in (True, False)]
    if min(map(len, classes)) < 4:
        raise InputError(
            f"the cohort has {len(classes[0])} mutant and {len(classes[1])} wildtype patients: at least four of each "
            "are needed, two for training and two for tuning, so add patients"
        )
    rng = np.random.default_rng(seed)
    held = [rng.choice(each, max(2, round(TUNING_FRACTION * len(each))), replace=False) for each in classes]
    tuning = sorted(np.concatenate(held).tolist())
    return sorted(set(range(len(mutant))) - set(tuning)), tuning
