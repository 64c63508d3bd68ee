"""The log of a training run, as a table and a figure."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gliotype.atomic_files import atomic_write
from gliotype.plotting import Figure


@dataclass(frozen=True)
class Entry:
    """What happened since the entry before.

    Attributes:
        step: optimiser steps so far.
        loss: mean.
        dice: mean Dice of the training cases, of the whole tumour or (second stage) its core; NaN where there was none.
        learning_rate: of the last step.
        seconds: of training so far.
        waited: fraction of the time in which the trainer waited for simulated patients.
    """

    step: int
    loss: float
    dice: float
    learning_rate: float
    seconds: float
    waited: float


def write_entries(entries: list[Entry], file: Path) -> None:
    """Write entries as a CSV table, replaced at once when complete."""
    with atomic_write(file) as aside, aside.open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(f.name for f in fields(Entry))
        writer.writerows([f"{value:.6g}" for value in asdict(entry).values()] for entry in entries)


def read_entries(file: Path, last_step: int) -> list[Entry]:
    """Read a table's entries up to a step: what a killed run noted after its last checkpoint is left out."""
    if not file.exists():
        return []
    with file.open(newline="") as table:
        rows = [{f.name: float(row[f.name]) for f in fields(Entry)} for row in csv.DictReader(table)]
    entries = [Entry(**{**row, "step": int(row["step"])}) for row in rows]  # type: ignore[arg-type]
    return [entry for entry in entries if entry.step <= last_step]


def write_figure(entries: list[Entry], file: Path) -> None:
    """Draw loss and Dice over the steps, as SVG, replaced at once when complete."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    steps = [entry.step for entry in entries]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "dice"), strict=True):
        axes.plot(steps, [getattr(entry, name) for entry in entries], color="#0072b2", linewidth=1)
        axes.set_xlabel("step")
        axes.set_ylabel("loss" if name == "loss" else "Dice (training cases)")
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(file) as aside:
        figure.savefig(aside, metadata={"Date": None})
