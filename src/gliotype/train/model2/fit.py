"""Trained models kept on disk: a run that was killed goes on with the first network that is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from gliotype._version import __version__
from gliotype.atomic_files import write_text
from gliotype.train.common.cache_key import digest
from gliotype.train.common.checkpoint import kept_network
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import Hybrid, Model2, Recipe, Standard, calibrated
from gliotype.train.model2.network import train_member


def kept_model(
    recipe: Recipe,
    training: list[Example],
    tuning: list[Example],
    folder: Path,
    tell: Callable[[str], None] = lambda line: None,
) -> Model2:
    """Train a model, or read what was trained before with the same recipe on the same patients.

    Args:
        recipe: how.
        training: patients to learn from.
        tuning: other patients, for calibration and cut.
        folder: where each network lies, in a sub-folder named after recipe and patients, beside ``record.csv``.
        tell: told how far it is.
    """
    place = folder / _name(recipe, training)
    place.mkdir(parents=True, exist_ok=True)
    standard = Standard.of(training)
    members = []
    for number in range(recipe.members):
        note = _note(place / "record.csv", number + 1, recipe, tell)
        seed = 1000 * recipe.seed + number
        train = partial(train_member, recipe, training, standard, seed, note, resampled=recipe.members > 1)
        members.append(kept_network(place / f"member-{number + 1}.pt", Hybrid(recipe.parts), train))
    return calibrated(Model2(recipe, tuple(members), standard), tuning)


def _name(recipe: Recipe, training: list[Example]) -> str:
    """Name a training run after everything that decides its result."""
    settings = {
        **asdict(recipe),
        "version": __version__,
        "parts": sorted(recipe.parts),
        "patients": [(e.subject, e.mutant) for e in training],
    }
    return digest(settings, (array for e in training for array in (e.slices, e.numbers)))


def _note(
    record: Path, member: int, recipe: Recipe, tell: Callable[[str], None]
) -> Callable[[int, float], None]:
    """Make a function that writes an epoch's loss to the record and tells how long it will take.

    What a killed run noted of this epoch and of later ones is dropped.
    """
    began = time.monotonic()

    def note(epoch: int, loss: float) -> None:
        seconds = time.monotonic() - began
        lines = record.read_text(encoding="utf-8").splitlines()[1:] if record.exists() else []
        before = [line for line in lines if tuple(map(int, line.split(",")[:2])) < (member, epoch)]
        lines = ["member,epoch,loss,seconds", *before, f"{member},{epoch},{loss:.5f},{seconds:.1f}"]
        write_text(record, "\n".join(lines) + "\n")
        epochs = recipe.epochs * (recipe.members - member + 1) - epoch
        left = seconds / epoch * epochs / 60
        tell(
            f"network {member} of {recipe.members}, epoch {epoch} of {recipe.epochs}, loss {loss:.3f}, "
            f"{left:.0f} min left"
        )

    return note
