"""Train Model 2 on a cohort on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gliotype.atomic_files import check_writable
from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.train.data.examples import Patients, check_found, make_examples
from gliotype.train.model2.export import write_weight
from gliotype.train.model2.fit import load_or_train_model
from gliotype.train.model2.model import Recipe

TUNING_FRACTION = 0.18
"""Fraction of the patients held out for calibration and threshold; as in Choi 2021 (131 of 727)."""


def train_on_cohort(
    patients: Patients,
    recipe: Recipe,
    run: Path,
    *,
    name: str,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Train on the patients of a cohort, or resume a run that was interrupted.

    Args:
        patients: labelled patients.
        recipe: how.
        run: folder of the run; examples and networks are cached in it.
        name: of the cohort, for the card.
        jobs: patients prepared at the same time.
        progress: called with a line of progress.

    Returns:
        Network, card and numbers.

    Raises:
        InputError: if there are too few patients of a class, or one cannot be read.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    parts = hold_out([patients.mutant(subject) for subject in patients.subjects], recipe.seed)
    examples = make_examples(patients, run / "cache", jobs=jobs, progress=progress)
    training, tuning = ([examples[index] for index in indices] for indices in parts)
    check_found("training", training)
    check_found("tuning", tuning)
    model = load_or_train_model(recipe, training, tuning, run / "models", progress)
    found = [e for e in tuning if e.found]
    estimate = auroc([e.mutant for e in found], model.probabilities(found, 0.5))
    results = (
        f"On the {len(found)} tuning patients (used for calibration and threshold, so optimistic): "
        f"AUROC {estimate}."
    )
    data = {"cohort": name, "licence": "that of the cohort"}
    return write_weight(model, run, training=training, data=data, results=results)


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
