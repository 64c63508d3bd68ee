"""One training of an experiment with its tests: a model on a split, whose answers are cached.

A training depends on nothing but its patients, its parameters and its version, and computes in one thread, so that its
answers are the same wherever and whenever it runs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gliotype._version import __version__
from gliotype.atomic_files import reading_cached, write_text
from gliotype.cohorts import IDH, Target
from gliotype.errors import GliotypeError
from gliotype.experiment.cohorts import ExampleStore
from gliotype.experiment.methods import Model
from gliotype.experiment.splits import Member, Split, nested_subset
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.method import OutliningMethod, Progress, TrainedMethod, no_progress
from gliotype.train.common.threads import one_thread
from gliotype.train.common.workers import minutes_left
from gliotype.train.data.examples import Example, Pool, check_found


@dataclass(frozen=True, eq=False)
class Training:
    """A model to be trained on a split and tested.

    Attributes:
        model: what is trained.
        split: its patients.
        size: number of training patients for a learning curve; all of them when None.
        seed: of the choice of these patients.
        target: what is predicted.
    """

    model: Model
    split: Split
    size: int | None = None
    seed: int = 1
    target: Target = IDH

    @property
    def name(self) -> str:
        """Say which training this is, for progress and errors."""
        where = f", {self.split.name}" if self.split.name else ""
        return f"{self.model.label}{where}{'' if self.size is None else f', {self.size} patients'}"

    def patients(self, store: ExampleStore) -> tuple[Member, ...]:
        """List the patients that it learns from."""
        if self.size is None:
            return self.split.training
        mutant = {member: store.sources[member[0]].mutant(member[1]) for member in self.split.training}
        return nested_subset(mutant, self.size, self.seed)


@dataclass(frozen=True)
class Answers:
    """What a trained model says of the test patients.

    Attributes:
        trained_on: number of training patients.
        threshold: probability at or above which mutant is called, fixed on the tuning patients.
        prevalence: of IDH mutation among the tuning patients, to which the probabilities refer.
        probabilities: by test set, in the order of the split; None for a no-call.
        dices: the same for the Dice of a method that outlines the tumour itself; empty for any other.
    """

    trained_on: int
    threshold: float
    prevalence: float
    probabilities: Mapping[str, tuple[float | None, ...]]
    dices: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


def answers_file(training: Training, store: ExampleStore, out: Path) -> Path:
    """Name the file of a training's answers after everything that they depend on."""
    tests = {name: _keys(training, store, members) for name, members in training.split.tests.items()}
    key = cache_key({**learned_from(training, store), "tests": tests})
    return out / "answers" / f"{key}.json"


def run_trainings(
    trainings: Sequence[Training],
    store: ExampleStore,
    out: Path,
    pool: Pool | None = None,
    progress: Progress = no_progress,
) -> list[Answers]:
    """Run trainings one after the other, or on the workers of a pool; those that have run are read.

    Args:
        trainings: what to train.
        store: examples of all patients, made before.
        out: folder of the experiment.
        pool: lends the workers; None to train here.
        progress: called with a line of progress.

    Returns:
        The answers, in order; the same ones wherever the trainings run.

    Raises:
        GliotypeError: if a training fails; those that are done are kept.
    """
    missing = [each for each in trainings if not answers_file(each, store, out).exists()]
    began = time.monotonic()

    def report(done: int, training: Training) -> None:
        left = minutes_left(time.monotonic() - began, done, len(missing))
        progress(f"training {done} of {len(missing)} done ({training.name}), {left:.0f} min left")

    if pool is None:
        for done, training in enumerate(missing, start=1):
            progress(f"train {training.name}")
            run_training(training, store, out, progress)
            report(done, training)
    elif missing:
        with pool() as executor:
            running = {executor.submit(run_training, each, store, out): each for each in missing}
            try:
                for done, future in enumerate(as_completed(running), start=1):
                    future.result()
                    report(done, running[future])
            except BrokenProcessPool as error:
                raise GliotypeError(
                    "a process that trains has ended, perhaps because memory ran out: run again with fewer --jobs to "
                    "resume"
                ) from error
            finally:
                for future in running:
                    future.cancel()
    return [run_training(each, store, out) for each in trainings]


def run_training(
    training: Training, store: ExampleStore, out: Path, progress: Progress = no_progress
) -> Answers:
    """Train a model on a split and let it answer for the test patients, or read the answers given before.

    Args:
        training: what to train.
        store: examples of all patients, made before.
        out: folder of the experiment.
        progress: called with a line of progress.

    Raises:
        InputError: if a tumour was found in too few patients of a class.
    """
    file = answers_file(training, store, out)
    if file.exists():
        return _read(file)
    with one_thread(), threadpool_limits(1):
        trained = fit(training, store, out, progress)
        tests = {name: store.read(members) for name, members in training.split.tests.items()}
        probabilities = {
            name: trained.probabilities(examples, trained.prevalence) for name, examples in tests.items()
        }
        dices = (
            {name: trained.dices(examples) for name, examples in tests.items()}
            if isinstance(trained, OutliningMethod)
            else {}
        )
    answers = Answers(
        len(training.patients(store)),
        float(trained.threshold),
        float(trained.prevalence),
        {name: _plain(values) for name, values in probabilities.items()},
        {name: _plain(values) for name, values in dices.items()},
    )
    write_text(file, json.dumps(asdict(answers), allow_nan=False) + "\n")
    return answers


def _plain(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())


def fit(
    training: Training, store: ExampleStore, out: Path, progress: Progress = no_progress
) -> TrainedMethod:
    """Train a model on a split, or load what was trained before; see `run_training`."""
    learned, tuning = store.read(training.patients(store)), store.read(training.split.tuning)
    check_patients(training, learned, tuning)
    folder = out / "models" / cache_key(learned_from(training, store))
    trained: TrainedMethod = training.model.method.fit(learned, tuning, folder, progress)
    return trained


def check_patients(training: Training, learned: Iterable[Example], tuning: Iterable[Example]) -> None:
    """Make sure that Model 1 found the tumour of enough patients of each class.

    Raises:
        InputError: if it did not.
    """
    where = f" in {training.split.name}" if training.split.name else ""
    where += f", {training.size} patients," if training.size is not None else ""
    check_found(f"training{where}", learned, training.target)
    check_found(f"tuning{where}", tuning, training.target)


def check_trainings(
    trainings: Iterable[Training], store: ExampleStore, sets: Mapping[str, Sequence[Example]]
) -> None:
    """Make sure, before the first training, that none lacks patients of a class in whom a tumour was found.

    Args:
        trainings: of the experiment.
        store: of its examples.
        sets: the examples by set.

    Raises:
        InputError: if one lacks them.
    """
    made = {(name, example.subject): example for name, examples in sets.items() for example in examples}
    for training in trainings:
        members = training.patients(store), training.split.tuning
        check_patients(training, *([made[member] for member in part] for part in members))


def learned_from(training: Training, store: ExampleStore) -> dict[str, object]:
    """Return everything that a training's result depends on."""
    return {
        **training.model.settings,
        "version": __version__,
        "training": _keys(training, store, training.patients(store)),
        "tuning": _keys(training, store, training.split.tuning),
    }


def _keys(training: Training, store: ExampleStore, members: Sequence[Member]) -> list[str]:
    """Name all that each patient's part in a training depends on."""
    keys, column = store.keys(members), training.model.column
    if not column:
        return keys
    values = store.values(members, column)
    return [f"{key} {column} {value}" for key, value in zip(keys, values, strict=True)]


def _read(file: Path) -> Answers:
    with reading_cached(file):
        found = json.loads(file.read_text(encoding="utf-8"))
        by_set = {
            key: {name: tuple(values) for name, values in found[key].items()}
            for key in ("probabilities", "dices")
        }
        return Answers(found["trained_on"], found["threshold"], found["prevalence"], **by_set)
