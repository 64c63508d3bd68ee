"""Train a method on labelled patients, from a cohort on disk or simulated, and write its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import check_writable
from gliotype.cohorts import IDH, Target
from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.evaluate.table import has_both_classes
from gliotype.train.common.method import Method
from gliotype.train.data.copies import find_twice
from gliotype.train.data.examples import Example, Patients, check_found, make_examples
from gliotype.train.data.targets import LEFT_OUT, left_out, left_out_words, patients_of, write_left_out
from gliotype.train.data.voxels import VOXELS
from gliotype.train.table.method import AgeLocationMethod, AgeMethod

TUNING_FRACTION = 0.18
"""Fraction of the patients held out for calibration and threshold; as in Choi 2021 (131 of 727)."""


def train_on_patients(
    method: Method,
    patients: Patients,
    run: Path,
    *,
    data: Mapping[str, str],
    target: Target = IDH,
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
        target: what is predicted; the patients whom it leaves out are listed in ``left_out.csv``.
        seed: of the draw of the tuning patients.
        jobs: patients prepared at the same time.
        progress: called with a line of progress.

    Returns:
        The weights and their card, and the list of the patients who are left out, if any are. The card states the
        result on the tuning patients next to those of age, and of age and location.

    Raises:
        InputError: if the label is known of no patient, there are too few of a class, one is there twice, or one cannot
            be read.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    patients = patients_of(target, patients)
    refuse_copies(patients)
    reasons = left_out(patients)
    about = {**data, "target": target.name}
    if reasons:
        write_left_out({data.get("cohort", ""): reasons}, run / LEFT_OUT)
        about["left_out"] = left_out_words(reasons)
        progress(f"{about['left_out']} ({LEFT_OUT})")
    parts = hold_out([patients.mutant(subject) for subject in patients.subjects], seed, target)
    examples = make_examples(patients, run / "cache", inputs=method.inputs, jobs=jobs, progress=progress)
    if outlines := outlines_words(method, patients, examples):
        about["outlines"] = outlines
        progress(f"outlines: {outlines}")
    training, tuning = ([examples[index] for index in indices] for indices in parts)
    check_found("training", training, target)
    check_found("tuning", tuning, target)
    trained = method.fit(training, tuning, run / "models", progress)
    results = _results(trained.probabilities(tuning, 0.5), training, tuning, seed)
    files = method.export(trained, run, training=training, data=about, results=results)
    return (*files, run / LEFT_OUT) if reasons else tuple(files)


def refuse_copies(patients: Patients) -> None:
    """Make sure that nobody is there twice, under any name: once for training and once for tuning.

    Raises:
        InputError: if somebody is; it names both places.
    """
    names = {subject: patients.identities(subject) for subject in patients.subjects}
    twice = find_twice(names, {subject: patients.images(subject) for subject in patients.subjects})
    if twice:
        listed = [f"{one} is {other}, {why}" for (one, other), why in list(twice.items())[:5]]
        raise InputError(
            f"{len(twice)} {'patient is' if len(twice) == 1 else 'patients are'} there twice ({'; '.join(listed)}): "
            "leave one of the two out of the cohort's table, since a model that has seen a patient is not tuned on him "
            "or her"
        )


def outlines_words(method: Method, patients: Patients, examples: Sequence[Example]) -> str:
    """Say for how many patients a method of voxels learns from Model 1's outline; nothing of any other method.

    The outlines of simulated patients, who have no files, are always known.
    """
    lacking = sum(math.isnan(each.dice) for each in examples if patients.images(each.subject))
    if VOXELS not in method.inputs or not lacking:
        return ""
    return f"those of Model 1 for {lacking} of {len(examples)} patients, who have no expert's mask"


def _results(
    probability: NDArray[np.float64], training: list[Example], tuning: list[Example], seed: int
) -> str:
    """State the AUROC on the tuning patients next to those of the baselines on the same patients."""
    called = np.isfinite(probability)
    mutant = np.array([each.mutant for each in tuning])
    baselines = []
    for name, baseline in (("age", AgeMethod(seed)), ("age and location", AgeLocationMethod(seed))):
        try:
            fitted = baseline.fit(training, tuning, Path())
        except InputError:
            baselines.append(f"{name}: not known of enough patients")
            continue
        said = fitted.probabilities(tuning, 0.5)
        both = called & np.isfinite(said)
        if not has_both_classes(mutant[both]):
            baselines.append(f"{name}: not known of enough patients")
            continue
        baselines.append(f"{name}: {auroc(mutant[both], said[both])} (n = {both.sum()})")
    return (
        f"On the {int(called.sum())} tuning patients with a call, of {len(tuning)} (used for calibration and "
        f"threshold, so optimistic): AUROC {auroc(mutant[called], probability[called])}. "
        f"Baselines fitted on the same training patients: {'; '.join(baselines)}."
    )


def hold_out(mutant: Sequence[bool], seed: int, target: Target = IDH) -> tuple[list[int], list[int]]:
    """Split patients into training and tuning, `TUNING_FRACTION` of each class and two at least.

    Args:
        mutant: whether each is IDH-mutant, or of the positive class of another target.
        seed: of the draw.
        target: gives the words for the classes.

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
            f"the cohort has {len(classes[0])} {target.positive} and {len(classes[1])} {target.negative} patients: at "
            "least four of each are needed, two for training and two for tuning, so add patients"
        )
    rng = np.random.default_rng(seed)
    held = [rng.choice(each, max(2, round(TUNING_FRACTION * len(each))), replace=False) for each in classes]
    tuning = sorted(np.concatenate(held).tolist())
    return sorted(set(range(len(mutant))) - set(tuning)), tuning
