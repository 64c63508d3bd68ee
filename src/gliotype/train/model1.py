"""Train Model 1 on digital patients alone, streamed from worker processes."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing as mp
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import Empty

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gliotype.errors import GliotypeError, InputError
from gliotype.networks.export import export_onnx, read_onnx_weights
from gliotype.networks.unet import model1
from gliotype.prepare import atlas
from gliotype.segment.model1 import CHANNELS, GRID
from gliotype.simulate.label_maps import label_map_hashes
from gliotype.staging import check_writable, refuse_other_settings, write_text, written_whole
from gliotype.train.anatomies import read_anatomies
from gliotype.train.cases import GridPatient, augment, simulate_case
from gliotype.train.precision import mixed_precision
from gliotype.train.record import Entry, read_entries, write_entries, write_figure


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        anatomies: folder of whole-head label maps; the shipped template alone when None.
        steps: optimiser steps.
        batch: patients a step.
        learning_rate: peak, reached after `warm_up` steps and lowered to a hundredth by a cosine.
        warm_up: steps.
        pool: simulated patients kept; each step draws from them while workers replace the oldest.
        uses: steps between two replacements in the pool, so that simulation leaves time to training.
        workers: simulating processes.
        average: decay of the running average of the weights, which is what is exported.
        seed: of everything random.
        start: weights to begin from, as `export` writes them; random ones when None.
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


CLASS_WEIGHTS = (0.5, 0.5, 3.0, 3.0, 3.0)
"""Weight of each class in the cross-entropy; tumour is rare."""


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of brain, whole tumour, tumour core, oedema and enhancing tumour."""
    weights = torch.tensor(CLASS_WEIGHTS, device=logits.device)
    entropy = nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.02)
    p, t = logits.softmax(dim=1), nn.functional.one_hot(labels, 5).movedim(-1, 1).float()
    brain = _dice_loss(1 - p[:, 0], 1 - t[:, 0])
    whole = _dice_loss(p[:, 2] + p[:, 3] + p[:, 4], t[:, 2] + t[:, 3] + t[:, 4])
    core = _dice_loss(p[:, 2] + p[:, 4], t[:, 2] + t[:, 4])
    parts = _dice_loss(p[:, 3], t[:, 3]) + _dice_loss(p[:, 4], t[:, 4])
    return entropy + 0.5 * brain + 1.5 * whole + 0.5 * core + 0.5 * parts


def _dice_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice loss where a region is there; a logarithmic price of false alarm where it is not.

    The gradient of Dice on an absent region fades with the square of the false alarm, so that healthy heads would
    hardly teach; that of the logarithm is about as large as Dice's on a tumour of the same size.
    """
    smooth = 100.0  # voxels
    found, there = predicted.flatten(1).sum(dim=1), truth.flatten(1).sum(dim=1)
    overlap = (predicted * truth).flatten(1).sum(dim=1)
    dice = 1 - (2 * overlap + smooth) / (found + there + smooth)
    return torch.where(there > 0, dice, 0.3 * torch.log1p(found / smooth)).mean()


def _simulate_forever(queue: mp.Queue[GridPatient], recipe: Recipe, run: Path, seed: int) -> None:
    anatomies = read_anatomies(recipe.anatomies, run)
    rng = np.random.default_rng(seed)
    while True:
        queue.put(simulate_case(rng, anatomies))


def stream(recipe: Recipe, run: Path, first_seed: int) -> Generator[list[GridPatient]]:
    """Yield a list of simulated patients that workers keep renewing, until the generator is closed.

    Raises:
        GliotypeError: if a worker has ended.
    """
    context = mp.get_context("spawn")
    queue: mp.Queue[GridPatient] = context.Queue(maxsize=8)
    simulating = [
        context.Process(target=_simulate_forever, args=(queue, recipe, run, first_seed + worker), daemon=True)
        for worker in range(recipe.workers)
    ]
    for process in simulating:
        process.start()
    try:
        pool = [_next(queue, simulating) for _ in range(min(16, recipe.pool))]
        oldest = 0
        while True:
            if len(pool) < recipe.pool:
                pool.append(_next(queue, simulating))
            else:
                pool[oldest] = _next(queue, simulating)
                oldest = (oldest + 1) % recipe.pool
            for _ in range(recipe.uses):
                yield pool
    finally:
        for process in simulating:
            process.terminate()


LOOK_S = 5.0
"""Seconds of waiting after which the workers are looked at."""


def _next(queue: mp.Queue[GridPatient], simulating: list[SpawnProcess]) -> GridPatient:
    """Wait for a patient as long as every worker lives."""
    while True:
        try:
            return queue.get(timeout=LOOK_S)
        except Empty:
            ended = [process for process in simulating if not process.is_alive()]
            if ended:
                raise GliotypeError(
                    f"a process that simulates patients has ended (exit code {ended[0].exitcode}), for want of memory "
                    "perhaps: run again with fewer --workers to go on from the last checkpoint"
                ) from None


Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (n, 5, i, j, k) and labels (n, i, j, k) to a scalar."""


@dataclass(eq=False)
class Learner:
    """What a run carries from step to step.

    Attributes:
        network: maps inputs (n, channels, i, j, k) to logits (n, 5, i, j, k).
        average: running average of its weights.
        optimiser: of its weights.
        loss: what it lowers.
        step: steps taken so far.
    """

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    loss: Loss = loss
    step: int = 0

    @classmethod
    def of(cls, network: nn.Module, decay: float, device: torch.device, loss: Loss = loss) -> Learner:
        """Make a network ready to learn.

        Args:
            network: to be trained; it is moved to the device.
            decay: of the running average.
            device: where to compute.
            loss: to be lowered.
        """
        network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
        return cls(network, average, torch.optim.AdamW(network.parameters(), weight_decay=1e-3), loss)

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if checkpoint.exists():
            kept = torch.load(checkpoint, weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.average.load_state_dict(kept["average"])
            self.optimiser.load_state_dict(kept["optimiser"])
            self.step = kept["step"]

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint, replaced at once when complete."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        with written_whole(checkpoint) as aside:
            torch.save({**parts, "step": self.step}, aside)

    def learn(self, x: Tensor, y: Tensor, rate: float) -> tuple[float, float]:
        """Take one optimiser step at a learning rate; return loss and whole-tumour Dice before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with mixed_precision(x.device):
            logits = self.network(x)
        value = self.loss(logits.float(), y)
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(value.detach()), whole_tumour_dice(logits.detach(), y)


def whole_tumour_dice(logits: Tensor, labels: Tensor) -> float:
    """Dice of the whole tumour over a batch; NaN where no case has one.

    Args:
        logits: (n, 5, i, j, k).
        labels: (n, i, j, k).
    """
    found, truth = logits.argmax(dim=1) >= 2, labels >= 2
    if not truth.any():
        return math.nan
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


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


def train(recipe: Recipe, run: Path, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Train, or go on training, in a run folder.

    Args:
        recipe: what to do.
        run: folder of the checkpoint (``checkpoint.pt``), the recipe (``recipe.json``), the record (``record.csv``,
            ``record.svg``) and the aligned label maps.
        tell: called with a line of progress now and then.

    Returns:
        The last checkpoint.

    Raises:
        UsageError: if the folder holds a run of another recipe.
        InputError: if label maps or starting weights cannot be read.
        OutputError: if the run folder cannot be written.
    """
    checkpoint, record = run / "checkpoint.pt", run / "record.csv"
    _claim(run, recipe)
    tell("read and align the anatomies")
    read_anatomies(recipe.anatomies, run)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = _begin(recipe, device)
    state.resume(checkpoint)
    rng = np.random.default_rng([recipe.seed, state.step])
    place = np.asarray(atlas.brain().resample(GRID, order=0).array, dtype=np.bool_)
    entries = read_entries(record, state.step)
    watch = _Stopwatch(entries[-1].seconds if entries else 0.0)
    with closing(stream(recipe, run, 1000 * recipe.seed + state.step)) as pools:
        while state.step < recipe.steps:
            asked = time.monotonic()
            pool = next(pools)
            watch.waiting += time.monotonic() - asked
            cases = [augment(rng, pool[rng.integers(len(pool))], place) for _ in range(recipe.batch)]
            x, y = (torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*cases, strict=True))
            rate = learning_rate(recipe, state.step)
            value, dice = state.learn(x.to(memory_format=torch.channels_last_3d), y, rate)
            watch.losses.append(value)
            watch.dices.append(dice)
            if state.step % 25 == 0:
                entries.append(watch.entry(state.step, rate))
                write_entries(entries, record)
                tell(_progress_line(entries, recipe.steps))
            if state.step % 100 == 0 or state.step == recipe.steps:
                state.save(checkpoint)
                write_figure(entries, run / "record.svg")
    return checkpoint


def _claim(run: Path, recipe: Recipe) -> None:
    """Note in a run's folder what decides its result, or make sure that it was begun with the same."""
    check_writable(run)
    if recipe.start is not None and not recipe.start.is_file():
        raise InputError(
            f"{recipe.start} is not there: give the ONNX weight of an earlier run, or leave it out"
        )
    asked = {
        "anatomies": "template" if recipe.anatomies is None else label_map_hashes(recipe.anatomies),
        "start": None if recipe.start is None else hashlib.sha256(recipe.start.read_bytes()).hexdigest()[:16],
        **{name: getattr(recipe, name) for name in ("batch", "learning_rate", "warm_up", "average", "seed")},
    }
    file = run / "recipe.json"
    if file.exists():
        refuse_other_settings(run, "a run begun", json.loads(file.read_text(encoding="utf-8")), asked)
    else:
        write_text(file, json.dumps(asked, indent=1) + "\n")


def _begin(recipe: Recipe, device: torch.device) -> Learner:
    """Take random weights, or those to start from."""
    torch.manual_seed(recipe.seed)
    network = model1()
    if recipe.start is not None:
        network.load_state_dict(read_onnx_weights(recipe.start))
    return Learner.of(network, recipe.average, device)


def _progress_line(entries: list[Entry], steps: int) -> str:
    """Where a run stands, how long it waited, and how long it will take at the pace of its latest entries."""
    first, last = entries[max(len(entries) - 20, 0)], entries[-1]
    line = (
        f"step {last.step} of {steps}: loss {last.loss:.3f}, Dice {last.dice:.2f}, "
        f"waited {last.waited:.0%} of the time for patients"
    )
    if last.step == first.step:
        return line
    pace = (last.seconds - first.seconds) / (last.step - first.step)
    return f"{line}, {(steps - last.step) * pace / 60:.0f} min left"


def export(checkpoint: Path, file: Path) -> int:
    """Export the averaged weights of a checkpoint as ONNX.

    Args:
        checkpoint: as `train` writes it.
        file: the ONNX file to write.

    Returns:
        The number of steps that the weights have been trained for.
    """
    state = torch.load(checkpoint, weights_only=True)
    network = AveragedModel(model1())
    network.load_state_dict(state["average"])
    whole = nn.Sequential(network.module, nn.Softmax(dim=1))
    export_onnx(whole, torch.zeros(1, 2 * len(CHANNELS), *GRID.shape), file)
    return int(state["step"])
