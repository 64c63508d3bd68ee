"""Model 1 on the experts' masks of a cohort: cases to learn from, and patients kept aside to compare weights on."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import atomic_write_set, check_writable, write_text
from gliotype.cohorts import CohortPatient
from gliotype.errors import InputError
from gliotype.evaluate.decisions import mean_of
from gliotype.evaluate.write import estimate_words
from gliotype.masks import dice
from gliotype.prepare import prepare
from gliotype.read import read_mask, read_study
from gliotype.runtime import checked_weights
from gliotype.segment import find_brain, given_tumour, segment
from gliotype.segment.model1 import (
    CHANNELS,
    CLASSES,
    GRID,
    SHIPPED,
    on_network_grid,
    run_network,
    use_model1,
)
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.study import Label, PreparedStudy, Tumour
from gliotype.train.data.on_disk import FolderPatients
from gliotype.train.model1.cases import GridPatient, scaled_stack, write_case
from gliotype.train.model1.train import Recipe, train_and_export

HELD_OUT_FRACTION = 0.25
"""Fraction of the patients with a mask on whom the weights are compared."""

FEWEST = 8
"""Patients with a mask below which a weight is neither trained nor compared."""

REGIONS: Mapping[str, frozenset[Label]] = {
    "whole tumour": frozenset(Label),
    "tumour core": frozenset({Label.CORE, Label.ENHANCING}),
    "enhancing tumour": frozenset({Label.ENHANCING}),
}
"""What the weights are compared on; the last two where the expert's mask has sub-regions."""


def train_further(
    recipe: Recipe,
    patients: FolderPatients,
    run: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Train Model 1 further on the experts' masks of a cohort, or resume, and compare the weights.

    Args:
        recipe: what to do; its patients are those of the cohort.
        patients: of the cohort; a quarter of those with a mask are kept aside.
        run: folder of the run.
        progress: called with a line of progress.

    Returns:
        The weight, its card, the comparison by patient, and the training log as table and figure.

    Raises:
        UsageError: if the folder holds a run of another recipe.
        InputError: if too few patients have a mask, or something cannot be read.
        OutputError: if the run folder cannot be written.
    """
    check_writable(run)
    training, held_out = split_masked(patients, recipe.seed)
    cases = make_cases(patients, training, run / "cases", progress)
    weight, *log = train_and_export(replace(recipe, cohort=cases), run, progress)
    rows = compare_weights(patients, held_out, recipe.start, weight, progress)
    compared, card = write_comparison(
        rows,
        run,
        cohort=patients.path.name,
        training=len(training),
        steps=recipe.steps,
        started_from=_start_words(recipe.start),
    )
    return weight, card, compared, *log


def _start_words(start: Path | None) -> str:
    if start is None:
        return "random weights"
    return "the shipped weight" if start == checked_weights(SHIPPED)[0] else start.name


def split_masked(patients: FolderPatients, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the patients who have an expert's mask into those to learn from and those kept aside.

    Args:
        patients: of a cohort.
        seed: of the draw.

    Returns:
        Names of both, in order.

    Raises:
        InputError: if fewer than `FEWEST` have a mask.
    """
    masked = [name for name, patient in patients.members.items() if patient.mask is not None]
    if len(masked) < FEWEST:
        raise InputError(
            f"{len(masked)} of the {len(patients.members)} patients of {patients.path} have an expert's mask: at least "
            f"{FEWEST} are needed to train Model 1 and to compare its weights"
        )
    held = max(2, round(HELD_OUT_FRACTION * len(masked)))
    drawn = set(np.random.default_rng(seed).choice(len(masked), held, replace=False).tolist())
    parts = ([name for n, name in enumerate(masked) if (n in drawn) is aside] for aside in (False, True))
    training, held_out = map(tuple, parts)
    return training, held_out


def make_cases(
    patients: FolderPatients,
    names: Iterable[str],
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Write the cases of patients, unless the folder holds them from an earlier run.

    Args:
        patients: of a cohort.
        names: of those who are wanted.
        folder: of the cases.
        progress: called with a line for each patient.

    Returns:
        The files, as `gliotype.train.model1.cases.read_case` reads them.

    Raises:
        InputError: if an image or a mask cannot be read or used; it names the patient.
    """
    files = []
    for name in names:
        file = folder / f"{hashlib.sha256(patients.key(name).encode()).hexdigest()[:16]}.npz"
        if not file.is_file():
            progress(f"prepare {name}")
            prepared, expert = _expert(patients.members[name])
            case = case_of(prepared, expert)
            write_case(case, file)
        files.append(file)
    return tuple(files)


def case_of(prepared: PreparedStudy, expert: Tumour) -> GridPatient:
    """Bring a prepared study and the expert's mask to the network's grid.

    Args:
        prepared: the study.
        expert: its mask; the sub-regions of a mask of one value are those that Model 1 sees in it.

    Returns:
        The patient, with 0 in place of missing sequences.
    """
    world_to_mni = prepared.mni_from_prepared
    shown, brain = on_network_grid(prepared.images, world_to_mni, prepared.brain)
    nothing = np.zeros(GRID.shape, np.float32)
    labels = expert.labels.resample(GRID, np.linalg.inv(world_to_mni), order=0)
    tumour = np.asarray(labels.array)
    classes = np.where(tumour > 0, tumour + 1, brain).astype(np.uint8)
    if expert.warnings:  # one value
        seen = run_network(*strip_to_network_grid(prepared)).mean
        first = CLASSES.index("core")
        classes = np.where(tumour > 0, first + seen[first:].argmax(axis=0), classes).astype(np.uint8)
    stack = scaled_stack(np.stack([shown.get(sequence, nothing) for sequence in CHANNELS]))
    return GridPatient(stack, classes, brain | (tumour > 0))


@dataclass(frozen=True)
class Compared:
    """Dice with the expert's mask of one region of one patient kept aside, by both weights."""

    subject: str
    region: str
    before: float
    after: float


def compare_weights(
    patients: FolderPatients,
    names: Sequence[str],
    before: Path | None,
    after: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[Compared, ...]:
    """Outline patients with two weights, brain included, and compare both outlines with the expert's.

    Args:
        patients: of a cohort.
        names: of those who were kept aside.
        before: weight that the training started from; the shipped one if None.
        after: the new weight.
        progress: called with a line for each patient.
    """
    rows: list[Compared] = []
    for name in names:
        progress(f"compare on {name}")
        first, second = (_dice_by_region(patients.members[name], weight) for weight in (before, after))
        rows.extend(Compared(name, region, first[region], second[region]) for region in first)
    return tuple(rows)


def _dice_by_region(patient: CohortPatient, weight: Path | None) -> dict[str, float]:
    """Dice of each region that the expert's mask distinguishes and holds."""
    with use_model1(weight):
        prepared, expert = _expert(patient)
        found = np.asarray(segment(prepared).labels.array)
    drawn = np.asarray(expert.labels.array)
    regions = {"whole tumour": REGIONS["whole tumour"]} if expert.warnings else REGIONS
    masks = {
        name: [np.isin(array, list(labels)) for array in (found, drawn)] for name, labels in regions.items()
    }
    return {name: dice(*both) for name, both in masks.items() if both[1].any()}


def _expert(patient: CohortPatient) -> tuple[PreparedStudy, Tumour]:
    """Prepare a patient, and bring the expert's mask to the study.

    Raises:
        InputError: if something cannot be read or used; it names the patient.
    """
    try:
        prepared = prepare(read_study(None, files=patient.files, subject=patient.subject), find_brain)
        if patient.mask is None:
            raise InputError("there is no expert's mask")
        return prepared, given_tumour(read_mask(patient.mask), prepared)
    except InputError as error:
        raise InputError(f"{patient.subject.id}: {error}") from error


def write_comparison(
    rows: Sequence[Compared], folder: Path, *, cohort: str, training: int, steps: int, started_from: str
) -> tuple[Path, ...]:
    """Write ``held_out.csv`` and the card ``model1.md``: both, or none.

    Args:
        rows: of the patients kept aside.
        folder: of the run.
        cohort: its name.
        training: number of patients that were learnt from.
        steps: of the training.
        started_from: name of the weight that it started from.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["subject", "region", "dice_before", "dice_after"])
    writer.writerows([row.subject, row.region, f"{row.before:.4f}", f"{row.after:.4f}"] for row in rows)
    names = ("held_out.csv", "model1.md")
    with atomic_write_set(folder, names) as aside:
        write_text(aside / names[0], table.getvalue())
        write_text(aside / names[1], _card(rows, cohort, training, steps, started_from))
    return tuple(folder / name for name in names)


def comparison_table(rows: Sequence[Compared]) -> str:
    """Format the mean Dice by both weights and their paired difference, in Markdown.

    Example:
        >>> rows = [Compared("a", "whole tumour", 0.7, 0.8), Compared("b", "whole tumour", 0.8, 0.86)]
        >>> print(comparison_table(rows).splitlines()[-1])
        | whole tumour | 2 | 0.750 | 0.830 | +0.080 (+0.041 to +0.119) |
    """
    lines = [
        "| region | patients | Dice before | Dice after | difference (paired, 95 % interval) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for region in REGIONS:
        pairs = np.array([(row.before, row.after) for row in rows if row.region == region])
        if len(pairs) > 1:
            before, after = pairs.mean(axis=0)
            change = estimate_words(mean_of(_change(pairs)), "+.3f")
            lines.append(f"| {region} | {len(pairs)} | {before:.3f} | {after:.3f} | {change} |")
    return "\n".join(lines)


def _change(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(pairs[:, 1] - pairs[:, 0])


def _card(rows: Sequence[Compared], cohort: str, training: int, steps: int, started_from: str) -> str:
    held_out = len({row.subject for row in rows})
    return f"""# Model card: Model 1, trained further on {cohort}

Finds the brain and the tumour's sub-regions from any subset of T1, T1c, T2 and FLAIR.

**Intended use.** Research on adults with diffuse glioma before surgery, at the hospitals of this cohort.
Not a medical device.

**Training.** {steps} steps from {started_from}, each on a simulated patient or on one of {training} patients of the
cohort with their experts' masks.
Where a mask has one value, its sub-regions are those that the first weight saw in it.
The evidence model, which accepts or rejects each region that the network marks, is the shipped one.

**Results.** On {held_out} patients of the cohort who were kept aside, with the same preparation and the same rules:

{comparison_table(rows)}

The patients are those of one cohort: other hospitals may give other results.
`gliotype predict --model1 model1.onnx` uses the weight, and says so in a warning.
"""
