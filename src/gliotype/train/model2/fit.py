"""Trained models kept on disk: a run that was killed goes on with the first network that is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from gliotype._version import __version__
from gliotype.atomic_files import write_text
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.checkpoint import load_or_train_network
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import Hybrid, Model2, Recipe, Standard, calibrate
from gliotype.train.model2.network import train_member


def load_or_train_model(
    recipe: Recipe,
    training: list[Example],
    tuning: list[Example],
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Model2:
    """Train a model, or read what was trained before with the same recipe on the same patients.

    Args:
        recipe: how.
        training: patients to learn from.
        tuning: other patients, for calibration and threshold.
        folder: where each network lies, in a sub-folder named after recipe and patients, beside ``training_log.csv``.
        progress: called with a line that says how far it is.
    """
    run_folder = folder / _name(recipe, training)
    run_folder.mkdir(parents=True, exist_ok=True)
    standard = Standard.of(training)
    members = []
    for number in range(recipe.members):
        log_epoch = _epoch_logger(run_folder / "training_log.csv", number + 1, recipe, progress)
        seed = 1000 * recipe.seed + number
        train = partial(
            train_member, recipe, training, standard, seed, log_epoch, resampled=recipe.members > 1
        )
        members.append(
            load_or_train_network(run_folder / f"member-{number + 1}.pt", Hybrid(recipe.parts), train)
        )
    return calibrate(Model2(recipe, tuple(members), standard), tuning)


def _name(recipe: Recipe, training: list[Example]) -> str:
    """Name a training run after everything that decides its result."""
    settings = {
        **asdict(recipe),
        "version": __version__,
        "parts": sorted(recipe.parts),
        "patients": [(e.subject, e.mutant) for e in training],
    }
    return cache_key(settings, (array for e in training for array in (e.slices, e.numbers)))


def _epoch_logger(
    training_log: Path, member: int, recipe: Recipe, progress: Callable[[str], None]
) -> Callable[[int, float], None]:
    """Make a function that writes an epoch's loss to the training log and tells how long it will take.

    What a killed run noted of this epoch and of later ones is dropped.
    """
    began = time.monotonic()

    def log_epoch(epoch: int, loss: float) -> None:
        seconds = time.monotonic() - began
        lines = training_log.read_text(encoding="utf-8").splitlines()[1:] if training_log.exists() else []
        before = [line for line in lines if tuple(map(int, line.split(",")[:2])) < (member, epoch)]
        lines = ["member,epoch,loss,seconds", *before, f"{member},{epoch},{loss:.5f},{seconds:.1f}"]
        write_text(training_log, "\n".join(lines) + "\n")
        epochs = recipe.epochs * (recipe.members - member + 1) - epoch
        left = seconds / epoch * epochs / 60
        progress(
            f"network {member} of {recipe.members}, epoch {epoch} of {recipe.epochs}, loss {loss:.3f}, "
            f"{left:.0f} min left"
        )

    return log_epoch
