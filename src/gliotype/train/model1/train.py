"""Train Model 1 on digital patients, streamed from worker processes, and further on the patients of a cohort.

The second stage, which draws sub-regions, is trained in the same way: `Task` says in what the two differ.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel

from gliotype.atomic_files import check_run_settings, check_writable
from gliotype.errors import InputError
from gliotype.networks.export import export_onnx, read_onnx_weights
from gliotype.networks.unet import model1
from gliotype.segment.model1 import CHANNELS, GRID, SHIPPED, expected_brain_region
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.train.common.learner import Learner, Loss, Score
from gliotype.train.data.anatomies import align_label_maps
from gliotype.train.model1.cases import augment, read_case, simulate_case
from gliotype.train.model1.loss import loss, whole_tumour_dice
from gliotype.train.model1.stream import Simulate, stream
from gliotype.train.model1.training_log import Entry, read_entries, write_entries, write_figure

Case = TypeVar("Case")

REAL_FRACTION = 0.5
"""Fraction of the steps that take a patient of the cohort; the others keep what simulation has taught."""


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        anatomies: folder of whole-head label maps; the shipped template alone when None.
        steps: optimiser steps.
        batch: patients a step.
        learning_rate: peak, reached after `warm_up` steps and lowered to a hundredth by a cosine.
        warm_up: steps.
        pool: number of simulated patients held in memory; each step draws from them while workers replace the oldest.
        uses: steps between two replacements in the pool, so that simulation leaves time to training.
        workers: simulating processes.
        average: decay of the running average of the weights, which is what is exported; see `averaging`.
        seed: random seed.
        start: initial weights, as `export` writes them; random ones when None.
        cohort: cases of real patients, as `gliotype.train.model1.cohort.make_cases` writes them; none by default.
    """

    anatomies: Path | None
    steps: int = 6200
    batch: int = 1
    learning_rate: float = 1.2e-3
    warm_up: int = 100
    pool: int = 160
    uses: int = 3
    workers: int = 1
    average: float = 0.995
    seed: int = 1
    start: Path | None = None
    cohort: tuple[Path, ...] = ()


MAX_MEMORY = 0.2
"""Fraction of a run to which the running average of its weights reaches back."""

Augment = Callable[[np.random.Generator, Any], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""Turns a simulated patient into one input (channels, i, j, k) and its labels (i, j, k)."""


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        name: file name of its weight.
        begin: builds the network, with the weights of a file or random ones.
        simulate: makes a patient.
        augment: turns a patient into an input.
        loss: to be lowered.
        score: by which the training is watched.
        input_shape: of one input.
    """

    name: str
    begin: Callable[[Path | None], nn.Module]
    simulate: Simulate[Any]
    augment: Augment
    loss: Loss
    score: Score
    input_shape: tuple[int, ...]


def _begin_model1(start: Path | None) -> nn.Module:
    network = model1()
    if start is not None:
        network.load_state_dict(read_onnx_weights(start))
    return network


MODEL1 = Task(
    SHIPPED,
    _begin_model1,
    simulate_case,
    lambda rng, case: augment(rng, case, expected_brain_region()),
    loss,
    whole_tumour_dice,
    (2 * len(CHANNELS), *GRID.shape),
)


@dataclass
class _Stopwatch:
    """Means since the last entry, and the time that went by."""

    before: float
    started: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.monotonic)
    waiting: float = 0.0
    losses: list[float] = field(default_factory=list)
    dices: list[float] = field(default_factory=list)

    def entry(self, step: int, rate: float) -> Entry:
        """Sum up, and begin anew."""
        now = time.monotonic()
        known = [dice for dice in self.dices if not math.isnan(dice)]
        entry = Entry(
            step=step,
            loss=float(np.mean(self.losses)),
            dice=float(np.mean(known)) if known else math.nan,
            learning_rate=rate,
            seconds=self.before + now - self.started,
            waited=self.waiting / max(now - self.since, 1e-6),
        )
        self.since, self.waiting, self.losses, self.dices = now, 0.0, [], []
        return entry


def learning_rate(recipe: Recipe, step: int) -> float:
    """Rate at a step: a linear warm-up, then a cosine down to a hundredth.

    Example:
        >>> recipe = Recipe(Path("label_maps"), steps=1000, learning_rate=1e-3, warm_up=100)
        >>> [f"{learning_rate(recipe, step):.0e}" for step in (0, 99, 1000)]
        ['1e-05', '1e-03', '1e-05']
    """
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return recipe.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))


def averaging(recipe: Recipe) -> float:
    """Decay of the running average of the weights, lower where a run is so short that its first steps would remain.

    Example:
        >>> [round(averaging(Recipe(None, steps=steps)), 3) for steps in (200, 1000, 6200)]
        [0.975, 0.995, 0.995]
    """
    return min(recipe.average, 1 - 1 / max(1.0, MAX_MEMORY * recipe.steps))


def train(
    recipe: Recipe, run: Path, progress: Callable[[str], None] = lambda line: None, task: Task = MODEL1
) -> Path:
    """Train in a run folder, or resume an existing run.

    Args:
        recipe: what to do.
        run: folder of the checkpoint (``checkpoint.pt``), the recipe (``recipe.json``), the training log
            (``training_log.csv``, ``training_log.svg``) and the aligned label maps.
        progress: called with a line of progress.
        task: what to train.

    Returns:
        The last checkpoint.

    Raises:
        UsageError: if the folder holds a run of another recipe.
        InputError: if label maps or initial weights cannot be read.
        OutputError: if the run folder cannot be written.
    """
    checkpoint, log_file = run / "checkpoint.pt", run / "training_log.csv"
    _check_run(run, recipe)
    if recipe.anatomies is not None:
        progress("align the label maps")
        align_label_maps(recipe.anatomies, run)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    state = Learner.of(task.begin(recipe.start), averaging(recipe), device, task.loss, task.score)
    state.resume(checkpoint)
    rng = np.random.default_rng([recipe.seed, state.step])
    real = [read_case(file) for file in recipe.cohort]
    entries = read_entries(log_file, state.step)
    watch = _Stopwatch(entries[-1].seconds if entries else 0.0)
    pools = stream(
        task.simulate,
        recipe.anatomies,
        run,
        workers=recipe.workers,
        pool=recipe.pool,
        uses=recipe.uses,
        seed=1000 * recipe.seed + state.step,
    )
    with closing(pools):
        while state.step < recipe.steps:
            asked = time.monotonic()
            pool = next(pools)
            watch.waiting += time.monotonic() - asked
            cases = [task.augment(rng, draw(rng, pool, real)) for _ in range(recipe.batch)]
            x, y = (torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*cases, strict=True))
            rate = learning_rate(recipe, state.step)
            value, dice = state.learn(x.to(memory_format=torch.channels_last_3d), y, rate)
            watch.losses.append(value)
            watch.dices.append(dice)
            if state.step % 25 == 0 or state.step == recipe.steps:
                entries.append(watch.entry(state.step, rate))
                write_entries(entries, log_file)
                progress(_progress_line(entries, recipe.steps))
            if state.step % 100 == 0 or state.step == recipe.steps:
                state.save(checkpoint)
                write_figure(entries, run / "training_log.svg")
    return checkpoint


def draw(rng: np.random.Generator, simulated: Sequence[Case], real: Sequence[Case]) -> Case:
    """Draw a patient: with `REAL_FRACTION` a real one, where there are any."""
    source = real if real and rng.random() < REAL_FRACTION else simulated
    return source[int(rng.integers(len(source)))]


def _check_run(run: Path, recipe: Recipe) -> None:
    """Note in a run's folder what decides its result, or make sure that it was begun with the same."""
    check_writable(run)
    if recipe.start is not None and not recipe.start.is_file():
        raise InputError(
            f"{recipe.start} is not there: give the ONNX weight of an earlier run, or leave it out"
        )
    asked = {
        "anatomies": "template" if recipe.anatomies is None else label_map_hashes(recipe.anatomies),
        "start": None if recipe.start is None else hashlib.sha256(recipe.start.read_bytes()).hexdigest()[:16],
        **({"cohort": sorted(file.stem for file in recipe.cohort)} if recipe.cohort else {}),
        **{name: getattr(recipe, name) for name in ("batch", "learning_rate", "warm_up", "average", "seed")},
    }
    check_run_settings(run / "recipe.json", "a run begun", asked)


def _progress_line(entries: list[Entry], steps: int) -> str:
    """How far a run is, how long it waited, and how long it will take at the pace of its latest entries."""
    first, last = entries[max(len(entries) - 20, 0)], entries[-1]
    line = (
        f"step {last.step} of {steps}: loss {last.loss:.3f}, Dice {last.dice:.2f}, "
        f"waited {last.waited:.0%} of the time for patients"
    )
    if last.step == first.step:
        return line
    pace = (last.seconds - first.seconds) / (last.step - first.step)
    return f"{line}, {(steps - last.step) * pace / 60:.0f} min left"


def train_and_export(
    recipe: Recipe, run: Path, progress: Callable[[str], None] = lambda line: None, task: Task = MODEL1
) -> tuple[Path, ...]:
    """Train as `train` does, and export the weight.

    Returns:
        The weight and the training log, as table and figure.
    """
    checkpoint = train(recipe, run, progress, task)
    progress("export")
    export(checkpoint, run / task.name, task)
    return run / task.name, run / "training_log.csv", run / "training_log.svg"


def export(checkpoint: Path, file: Path, task: Task = MODEL1) -> int:
    """Export the averaged weights of a checkpoint as ONNX.

    Args:
        checkpoint: as `train` writes it.
        file: the ONNX file to write.
        task: what has been trained.

    Returns:
        The number of steps that the weights have been trained for.
    """
    state = torch.load(checkpoint, weights_only=True)
    network = AveragedModel(task.begin(None))
    network.load_state_dict(state["average"])
    whole = nn.Sequential(network.module, nn.Softmax(dim=1))
    export_onnx(whole, torch.zeros(1, *task.input_shape), file)
    return int(state["step"])
