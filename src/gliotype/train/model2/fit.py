"""Trained models on disk: a run that was killed resumes with the first network that is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from gliotype._version import __version__
from gliotype.atomic_files import write_text
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.ensemble import load_or_train_members
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import Hybrid, Model2, Recipe, calibrate, fit_standardiser
from gliotype.train.model2.network import train_member


def load_or_train_model(
    recipe: Recipe,
    training: list[Example],
    tuning: list[Example],
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> Model2:
    """Train a model, or load the one that was trained before with the same recipe on the same patients.

    Args:
        recipe: of the training.
        training: training patients.
        tuning: other patients, for calibration and threshold.
        folder: of the networks and ``training_log.csv``, in a sub-folder named after recipe and patients.
        progress: called with a line of progress.
    """
    run_folder = folder / _name(recipe, training)
    standardiser = fit_standardiser(training)

    def train(number: int) -> Hybrid:
        log_epoch = _epoch_logger(run_folder / "training_log.csv", number, recipe, progress)
        seed = 1000 * recipe.seed + number - 1
        return train_member(recipe, training, standardiser, seed, log_epoch, resampled=recipe.members > 1)

    members = load_or_train_members(run_folder, recipe.members, lambda: Hybrid(recipe.parts), train)
    return calibrate(Model2(recipe, members, standardiser), tuning)


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
    """Make a function that writes an epoch's loss to the training log and reports how long it will take.

    Entries of a killed run for this epoch and later ones are dropped.
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
