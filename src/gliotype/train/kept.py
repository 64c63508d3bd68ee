"""Trained models kept on disk: a run that was killed goes on with the first network that is not there yet."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from gliotype.staging import written_whole
from gliotype.train.digest import digest
from gliotype.train.examples import Example
from gliotype.train.member import train_member
from gliotype.train.model2 import Hybrid, Model2, Recipe, Standard, calibrated


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
        file = place / f"member-{number + 1}.pt"
        if not file.exists():
            note = _note(place / "record.csv", number + 1, recipe, tell)
            member = train_member(
                recipe, training, standard, 1000 * recipe.seed + number, note, resampled=recipe.members > 1
            )
            with written_whole(file) as aside:
                torch.save(member.state_dict(), aside)
        member = Hybrid(recipe.parts)
        member.load_state_dict(torch.load(file, weights_only=True))
        members.append(member.eval())
    return calibrated(Model2(recipe, tuple(members), standard), tuning)


def _name(recipe: Recipe, training: list[Example]) -> str:
    """Name a training run after everything that decides its result."""
    settings = {
        **asdict(recipe),
        "parts": sorted(recipe.parts),
        "patients": [(e.subject, e.mutant) for e in training],
    }
    return digest(settings, (array for e in training for array in (e.slices, e.numbers)))


def _note(
    record: Path, member: int, recipe: Recipe, tell: Callable[[str], None]
) -> Callable[[int, float], None]:
    """Make a function that writes an epoch's loss to the record and tells how long it will take."""
    began = time.monotonic()

    def note(epoch: int, loss: float) -> None:
        seconds = time.monotonic() - began
        new = not record.exists()
        with record.open("a", newline="") as table:
            writer = csv.writer(table, lineterminator="\n")
            if new:
                writer.writerow(["member", "epoch", "loss", "seconds"])
            writer.writerow([member, epoch, f"{loss:.5f}", f"{seconds:.1f}"])
        epochs = recipe.epochs * (recipe.members - member + 1) - epoch
        left = seconds / epoch * epochs / 60
        tell(
            f"network {member} of {recipe.members}, epoch {epoch} of {recipe.epochs}, loss {loss:.3f}, "
            f"{left:.0f} min left"
        )

    return note
