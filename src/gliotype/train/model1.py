"""Train Model 1 on digital patients alone, streamed from worker processes."""

from __future__ import annotations

import csv
import math
import multiprocessing as mp
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gliotype.networks.export import export_onnx, read_onnx_weights
from gliotype.networks.unet import UNet3d, model1
from gliotype.prepare import atlas
from gliotype.segment.model1 import CHANNELS, GRID, network_input
from gliotype.simulate.anatomy import Anatomy
from gliotype.simulate.distractors import Distractor
from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.patient import acquire, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocol
from gliotype.simulate.tissue import draw_parameters
from gliotype.simulate.tumour import GliomaType
from gliotype.study import Sequence
from gliotype.train.anatomies import read_anatomies

CASE_MIX: dict[GliomaType | Distractor | None, float] = {
    GliomaType.GLIOBLASTOMA: 0.27,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.13,
    GliomaType.ASTROCYTOMA: 0.26,
    GliomaType.OLIGODENDROGLIOMA: 0.16,
    Distractor.INFARCT: 0.03,
    Distractor.PLAQUES: 0.03,
    None: 0.12,
}
"""What the segmenter trains on: classes more even than any hospital's, healthy heads, and lesions to leave alone.

Metastases are not among them, since a single one cannot be told from a glioblastoma by its image.
"""

SEQUENCE_SETS: tuple[tuple[tuple[Sequence, ...], float], ...] = (
    (CHANNELS, 0.34),
    ((Sequence.T1, Sequence.T1C, Sequence.FLAIR), 0.26),
    ((Sequence.T2, Sequence.FLAIR), 0.08),
    ((Sequence.FLAIR,), 0.08),
    ((Sequence.T2,), 0.06),
    ((Sequence.T1C,), 0.04),
    ((Sequence.T1,), 0.02),
    ((Sequence.T1C, Sequence.FLAIR), 0.06),
    ((Sequence.T1C, Sequence.T2), 0.03),
    ((Sequence.T1, Sequence.T1C, Sequence.T2), 0.03),
)
"""Which sequences a training case has, and how often."""


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        anatomies: folder of whole-head label maps.
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

    anatomies: Path
    steps: int = 4000
    batch: int = 1
    learning_rate: float = 2e-3
    warm_up: int = 100
    pool: int = 160
    uses: int = 3
    workers: int = 1
    average: float = 0.995
    seed: int = 1
    start: Path | None = None


@dataclass(frozen=True, eq=False)
class GridPatient:
    """A simulated patient on the network's grid: images (4, i, j, k) float16, labels and brain uint8."""

    images: NDArray[np.float16]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]


def _wild_protocol(rng: np.random.Generator, sequence: Sequence, thickness_mm: float | None) -> Protocol:
    """A protocol with wider image defects than hospitals accept."""
    return replace(
        draw_protocol(rng, sequence, thickness_mm=thickness_mm),
        bias=float(rng.uniform(0.0, 0.28)),
        noise=float(rng.choice([rng.uniform(0.0, 0.05), rng.uniform(0.02, 0.12)])),
        gamma=float(np.exp(0.25 * rng.standard_normal())),
        in_plane_mm=float(rng.uniform(0.8, 3.0)),
        ghost=float(rng.uniform(0.0, 0.2)) if rng.random() < 0.3 else 0.0,
    )


def simulate_case(rng: np.random.Generator, anatomies: list[Anatomy]) -> GridPatient:
    """Simulate one patient on the network's grid, randomised more widely than reality."""
    kinds = list(CASE_MIX)
    disease = kinds[rng.choice(len(kinds), p=list(CASE_MIX.values()))]
    anatomy = anatomies[rng.integers(len(anatomies))]
    patient = draw_patient(rng, anatomy, GRID, disease, reshape_scale=0.08)
    parameters = draw_parameters(rng, 1.5 if rng.random() < 0.4 else 3.0, spread=0.08)
    thick = None if rng.random() < 0.3 else float(rng.choice([2.0, rng.uniform(3, 7)]))
    protocols = {s: _wild_protocol(rng, s, thick) for s in CHANNELS}
    images = acquire(
        rng,
        patient,
        parameters,
        protocols,
        contrast_spread=float(rng.uniform(0.0, 0.12)),
        lesion_spread=float(rng.uniform(0.0, 0.25)),
    )
    stack = np.stack([_shaded(rng, images[s], patient.brain) for s in CHANNELS])
    if rng.random() < 0.5:  # imperfect registration between sequences
        for channel in stack[1:]:
            channel[:] = ndimage.shift(channel, rng.uniform(-0.8, 0.8, 3), order=1, mode="nearest")
    stack /= np.quantile(stack[:, ::4, ::4, ::4], 0.99, axis=(1, 2, 3))[:, None, None, None] + 1e-6
    labels = patient.brain.astype(np.uint8)
    if patient.tumour is not None:
        labels = np.where(patient.tumour.labels > 0, patient.tumour.labels + 1, labels)
    return GridPatient(stack.astype(np.float16), labels.astype(np.uint8), patient.brain)


def _surface(brain: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Voxels at the border of the brain, (n, 3)."""
    return np.argwhere(brain & ~ndimage.binary_erosion(brain))


def _shaded(
    rng: np.random.Generator, image: NDArray[np.float32], brain: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Brighten or darken some spots at the brain's surface, as air in the sinuses and surface coils do."""
    if rng.random() < 0.6:
        return image
    surface = _surface(brain)
    field = np.zeros(image.shape, np.float32)
    for centre in surface[rng.integers(len(surface), size=int(rng.integers(1, 4)))]:
        width = rng.uniform(8.0, 20.0) / GRID.spacing[0]
        away = [
            np.exp(-0.5 * ((np.arange(n) - c) / width) ** 2) for n, c in zip(image.shape, centre, strict=True)
        ]
        field += rng.uniform(-0.3, 0.5) * np.einsum("i,j,k->ijk", *away).astype(np.float32)
    return np.asarray(image * np.exp(field), dtype=np.float32)


def _with_leftovers(rng: np.random.Generator, place: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add what skull-stripping leaves behind at some spots: orbits, sinuses, scalp."""
    surface = _surface(place)
    if len(surface) == 0:
        return place
    place = place.copy()
    axes = np.ogrid[tuple(slice(n) for n in place.shape)]
    for centre in surface[rng.integers(len(surface), size=int(rng.integers(1, 4)))]:
        radius = rng.uniform(6.0, 18.0) / GRID.spacing[0]
        place |= sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2
    return place


def augment(
    rng: np.random.Generator, case: GridPatient, atlas_brain: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Turn a simulated patient into one network input: side, sequences, coverage, skull on or off.

    Returns:
        Input (8, i, j, k) and labels (i, j, k), with enhancing tumour counted as core where T1c is missing.
    """
    images, labels = case.images.astype(np.float32), case.labels.astype(np.int64)
    images = images * np.exp(0.1 * rng.standard_normal((4, 1, 1, 1))).astype(np.float32)
    if rng.random() < 0.3:  # a slab that misses the top or the bottom of the head
        low, high = int(rng.uniform(0, 25)), GRID.shape[2] - int(rng.uniform(0, 18))
        images[..., :low] = images[..., high:] = 0
        labels[..., :low] = labels[..., high:] = 0
    place = atlas_brain
    if rng.random() < 0.6:
        wobble = ndimage.gaussian_filter(case.brain.astype(np.float32), 1.0)
        wobble += rng.uniform(0.05, 0.25) * smooth_noise(rng, GRID.shape, rng.uniform(3, 10))
        place = (wobble > rng.uniform(0.25, 0.7)) | (labels > 1) & (rng.random() < 0.7)
        if rng.random() < 0.25:
            place = _with_leftovers(rng, place)
        if rng.random() < 0.8:
            images = images * place
            labels = labels * place
    sets = [names for names, _ in SEQUENCE_SETS]
    names = sets[rng.choice(len(sets), p=[share for _, share in SEQUENCE_SETS])]
    if Sequence.T1C not in names:
        labels[labels == 4] = 2
    if rng.random() < 0.5:
        images, labels, place = images[:, ::-1], labels[::-1], place[::-1]
    chosen = {s: np.ascontiguousarray(images[i]) for i, s in enumerate(CHANNELS) if s in names}
    return network_input(chosen, place), np.ascontiguousarray(labels)


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
    smooth = 100.0  # voxels; lets a region that is absent, and found absent, cost nothing
    overlap = 2 * (predicted * truth).flatten(1).sum(dim=1) + smooth
    return (1 - overlap / (predicted.flatten(1).sum(dim=1) + truth.flatten(1).sum(dim=1) + smooth)).mean()


def _simulate_forever(queue: mp.Queue[GridPatient], recipe: Recipe, cache: Path, seed: int) -> None:
    anatomies = read_anatomies(recipe.anatomies, atlas.tissue(atlas.Tissue.WHITE), cache)
    rng = np.random.default_rng(seed)
    while True:
        queue.put(simulate_case(rng, anatomies))


def stream(recipe: Recipe, cache: Path, first_seed: int) -> Iterator[list[GridPatient]]:
    """Yield a list of simulated patients that workers keep renewing."""
    context = mp.get_context("spawn")
    queue: mp.Queue[GridPatient] = context.Queue(maxsize=8)
    for worker in range(recipe.workers):
        args = (queue, recipe, cache, first_seed + worker)
        context.Process(target=_simulate_forever, args=args, daemon=True).start()
    pool = [queue.get() for _ in range(min(16, recipe.pool))]
    oldest = 0
    while True:
        if len(pool) < recipe.pool:
            pool.append(queue.get())
        else:
            pool[oldest] = queue.get()
            oldest = (oldest + 1) % recipe.pool
        for _ in range(recipe.uses):
            yield pool


@dataclass(eq=False)
class _State:
    """What a run carries from step to step."""

    network: UNet3d
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def begin(cls, recipe: Recipe, checkpoint: Path, device: torch.device) -> _State:
        """Start a run, or go on from its checkpoint."""
        torch.manual_seed(recipe.seed)
        network = model1()
        if recipe.start is not None:
            network.load_state_dict(read_onnx_weights(recipe.start))
        network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        state = cls(network, average, torch.optim.AdamW(network.parameters(), weight_decay=1e-3))
        if checkpoint.exists():
            kept = torch.load(checkpoint, weights_only=True)
            network.load_state_dict(kept["network"])
            average.load_state_dict(kept["average"])
            state.optimiser.load_state_dict(kept["optimiser"])
            state.step = kept["step"]
        return state

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint aside and move it into place."""
        aside = checkpoint.with_suffix(".part")
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        torch.save({**parts, "step": self.step}, aside)
        aside.replace(checkpoint)

    def learn(self, x: Tensor, y: Tensor, rate: float) -> float:
        """Take one optimiser step at a learning rate; return the loss before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(x.device.type, torch.bfloat16):
            logits = self.network(x)
        value = loss(logits.float(), y)
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(value.detach())


def learning_rate(recipe: Recipe, step: int) -> float:
    """Rate at a step: a linear warm-up, then a cosine down to a hundredth.

    Example:
        >>> recipe = Recipe(Path("label_maps"), steps=1000, learning_rate=1e-3, warm_up=100)
        >>> [f"{learning_rate(recipe, step):.0e}" for step in (0, 99, 1000)]
        ['1e-05', '1e-03', '1e-05']
    """
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return recipe.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))


def train(recipe: Recipe, run: Path) -> Path:
    """Train, or go on training, in a run folder.

    Args:
        recipe: what to do.
        run: folder of checkpoints (``checkpoint.pt``), the record (``record.csv``) and the anatomy cache.

    Returns:
        The last checkpoint.
    """
    run.mkdir(parents=True, exist_ok=True)
    cache, checkpoint, record = run / "anatomies.npz", run / "checkpoint.pt", run / "record.csv"
    if not cache.exists():
        read_anatomies(recipe.anatomies, atlas.tissue(atlas.Tissue.WHITE), cache)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = _State.begin(recipe, checkpoint, device)
    rng = np.random.default_rng([recipe.seed, state.step])
    place = np.asarray(atlas.brain().resample(GRID, order=0).array, dtype=np.bool_)
    pools = stream(recipe, cache, 1000 * recipe.seed + state.step)
    started, recent = time.monotonic(), []
    while state.step < recipe.steps:
        pool = next(pools)
        cases = [augment(rng, pool[rng.integers(len(pool))], place) for _ in range(recipe.batch)]
        x = torch.from_numpy(np.stack([c[0] for c in cases])).to(device, memory_format=torch.channels_last_3d)
        y = torch.from_numpy(np.stack([c[1] for c in cases])).to(device)
        rate = learning_rate(recipe, state.step)
        recent.append(state.learn(x, y, rate))
        if state.step % 25 == 0:
            _note(record, state.step, float(np.mean(recent)), rate, time.monotonic() - started, len(pool))
            recent = []
        if state.step % 100 == 0 or state.step == recipe.steps:
            state.save(checkpoint)
    return checkpoint


def _note(record: Path, step: int, value: float, rate: float, seconds: float, pool: int) -> None:
    new = not record.exists()
    with record.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "learning_rate", "seconds", "pool"])
        writer.writerow([step, round(value, 4), round(rate, 6), round(seconds, 1), pool])


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
    export_onnx(network.module, torch.zeros(1, 2 * len(CHANNELS), *GRID.shape), file)
    return int(state["step"])
