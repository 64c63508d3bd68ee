"""Train a voxel-wise network on patches, and calibrate the vote of its voxels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from gliotype._version import __version__
from gliotype.atomic_files import check_run_settings, reading_cached, write_text
from gliotype.errors import InputError
from gliotype.masks import box_around, dice
from gliotype.networks.dense_unet import DenseUNet3d
from gliotype.networks.export import read_onnx_weights
from gliotype.predictors.trained import UNCALIBRATED, Calibration
from gliotype.predictors.voxelwise import (
    CLASSES,
    PATCH,
    TS_NET,
    Probabilities,
    Vote,
    class_probabilities,
    count_votes,
    patch_boxes,
)
from gliotype.runtime import Network
from gliotype.study import Sequence
from gliotype.train.common.autocast import autocast
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.calibration import SLOPE_SD, fit_calibration, youden_threshold
from gliotype.train.common.explanation import Explanation
from gliotype.train.common.learner import Learner
from gliotype.train.data.examples import Example
from gliotype.train.data.voxels import VOXELS, Packed, unpack

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

CLASS_WEIGHTS = (0.4, 1.0, 1.0)
"""Weight of each class in the cross-entropy; background is common."""

WARM_UP = 100
"""Steps of the linear warm-up."""


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        sequences: what the network sees, `T2_NET` or `TS_NET`.
        growth: channels that each layer of a dense block adds.
        layers: layers of a dense block.
        steps: optimiser steps.
        batch: patches a step, half of them of mutants.
        learning_rate: peak, lowered to a hundredth by a cosine.
        drop_sequence: probability with which a sequence is left out of a patch, never all.
        average: decay of the running average of the weights, which is what is kept.
        step: voxels between neighbouring patches when patients are scored; 8 is the published overlap of 75 %.
        margin: voxels around the tumour that patches cover when patients are scored; the whole brain, as published,
            when None.
        start: initial weights, as `gliotype.train.voxelwise.method.write_weight` writes them; random ones when None.
        seed: random seed.
    """

    sequences: tuple[Sequence, ...] = TS_NET
    growth: int = 12
    layers: int = 3
    steps: int = 4000
    batch: int = 4
    learning_rate: float = 1.5e-3
    drop_sequence: float = 0.25
    average: float = 0.995
    step: int = 16
    margin: int | None = None
    start: Path | None = None
    seed: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """All values as plain ones; of the initial weights, a digest of their content."""
        start = None if self.start is None else hashlib.sha256(self.start.read_bytes()).hexdigest()[:16]
        return {**asdict(self), "sequences": [str(s) for s in self.sequences], "start": start}


def packed_of(example: Example) -> Packed:
    """Return images and tumour of a patient as `gliotype.train.data.voxels.pack` packed them."""
    return np.asarray(example.inputs[VOXELS], dtype=np.uint8)


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of the whole tumour and of each class of it.

    Args:
        logits: of `CLASSES`, (n, 3, i, j, k).
        labels: their numbers, (n, i, j, k).
    """
    entropy = nn.functional.cross_entropy(logits, labels, torch.tensor(CLASS_WEIGHTS, device=logits.device))
    p, t = logits.softmax(dim=1), nn.functional.one_hot(labels, len(CLASSES)).movedim(-1, 1).float()
    return (
        entropy
        + _dice_loss(1 - p[:, 0], 1 - t[:, 0])
        + 0.5 * (_dice_loss(p[:, 1], t[:, 1]) + _dice_loss(p[:, 2], t[:, 2]))
    )


def _dice_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice loss over the whole batch, so that a class that some patches lack does no harm."""
    smooth = 100.0  # voxels
    return 1 - (2 * (predicted * truth).sum() + smooth) / (predicted.sum() + truth.sum() + smooth)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of tumour voxels whose class is the more probable of the two; NaN without tumour."""
    tumour = labels > 0
    right = (logits[:, 1] > logits[:, 2]) == (labels == 1)
    return float(right[tumour].float().mean()) if bool(tumour.any()) else float("nan")


def draw_patch(
    rng: np.random.Generator, example: Example, recipe: Recipe
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut a patch out of a patient, two thirds of them at tumour, and alter it as scanners might.

    Returns:
        Images (sequences, 32, 32, 32) and labels, numbers of `CLASSES`, (32, 32, 32).
    """
    packed = packed_of(example)
    shape = packed.shape[1:]
    where = np.argwhere(packed[-1] > 0) if rng.random() < 2 / 3 else np.empty((0, 3), int)
    middle = (
        where[rng.integers(len(where))] + rng.integers(-8, 9, 3) if len(where) else rng.integers(0, shape)
    )
    start = [int(np.clip(m - PATCH // 2, 0, n - PATCH)) for m, n in zip(middle, shape, strict=True)]
    images, tumour = unpack(packed[(slice(None), *(slice(s, s + PATCH) for s in start))])
    chosen = images[[TS_NET.index(s) for s in recipe.sequences]]
    labels = tumour * (1 if example.mutant else 2)
    for axis in range(3):
        if rng.random() < 0.5:
            chosen, labels = np.flip(chosen, axis + 1), np.flip(labels, axis)
    return _alter(rng, chosen, recipe), np.ascontiguousarray(labels, dtype=np.int64)


def _alter(rng: np.random.Generator, images: NDArray[np.float32], recipe: Recipe) -> NDArray[np.float32]:
    """Blur to a lower resolution, rescale, add noise, and leave sequences out."""
    signal = images != 0
    if rng.random() < 0.2:
        width = float(rng.choice([0.6, 1.2]))  # about 3 and 5 mm on the grid of 2 mm
        images = ndimage.gaussian_filter(images, (0, width, width, width))
    n = len(images)
    factor, shift = np.exp(0.1 * rng.standard_normal((n, 1, 1, 1))), 0.1 * rng.standard_normal((n, 1, 1, 1))
    noise = rng.uniform(0, 0.15) * rng.standard_normal(images.shape)
    present = rng.random(n) >= (recipe.drop_sequence if n > 1 else 0.0)
    if not present.any():
        present[rng.integers(n)] = True
    altered = (images * factor + shift + noise) * signal * present[:, None, None, None]
    return np.ascontiguousarray(altered, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class VoxelwiseModel:
    """A trained network with the calibration of its vote.

    Attributes:
        recipe: what made it.
        network: maps (n, channels, 32, 32, 32) to logits of `CLASSES`.
        calibration: of the vote's log-odds, fitted on the tuning patients.
        threshold: probability, at the tuning patients' prevalence, that separates them best (Youden).
        prevalence: of IDH mutation among the tuning patients.
    """

    recipe: Recipe
    network: DenseUNet3d
    calibration: Calibration = UNCALIBRATED
    threshold: float = 0.5
    prevalence: float = 0.5
    _votes: dict[Example, Vote] = field(default_factory=dict, init=False, repr=False)

    def vote(self, example: Example) -> Vote:
        """Let the voxels of a patient vote; asked again about a patient, return the same vote."""
        if example not in self._votes:
            self._votes[example] = self._count(example)
        return self._votes[example]

    def _count(self, example: Example) -> Vote:
        return count_votes(self._class_probabilities(example)[0])

    def _class_probabilities(self, example: Example) -> tuple[Probabilities, NDArray[np.float32]]:
        """Return the probabilities of `CLASSES` and the images that the network saw."""
        images, tumour = unpack(packed_of(example))
        chosen = images[[TS_NET.index(s) for s in self.recipe.sequences]]
        margin = max(tumour.shape) if self.recipe.margin is None else self.recipe.margin
        around = box_around(tumour, margin)
        boxes = patch_boxes(tumour.shape, around, self.recipe.step)
        return class_probabilities(as_network(self.network), chosen, boxes), chosen

    def explain(self, example: Example) -> Explanation | None:
        """Return the map of votes where most voxels vote; None where none does."""
        if VOXELS not in example.inputs:
            return None
        probabilities, images = self._class_probabilities(example)
        vote = self._votes.setdefault(example, count_votes(probabilities))
        if not vote.tumour.any():
            return None
        height = int(vote.tumour.sum(axis=(0, 1)).argmax())
        votes = np.where(vote.tumour, np.sign(probabilities[1] - probabilities[2]), 0)
        shown = next((image for image in images if image.any()), images[0])[..., height]
        inside = ndimage.binary_fill_holes(shown != 0)
        shown = np.where(inside & (shown == 0), 1e-3, shown).astype(np.float32)  # 0 is outside the brain
        added = float(self.calibration(np.array([vote.log_odds]))[0])
        return Explanation("map of votes", shown, votes[..., height].astype(np.float32), (("vote", added),))

    def log_odds(self, examples: list[Example]) -> Floats:
        """Return the vote's log-odds (n,) before calibration; NaN where there is no vote."""
        return np.array([self.vote(each).log_odds if VOXELS in each.inputs else np.nan for each in examples])

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return calibrated probabilities at a prevalence, NaN where there is no vote."""
        return self.calibration.probability(self.log_odds(examples), prevalence)

    def dices(self, examples: list[Example]) -> Floats:
        """Return the Dice of the voxels that vote with the true tumour (n,); NaN where this is not known."""
        known = [VOXELS in each.inputs and not np.isnan(each.dice) for each in examples]
        return np.array(
            [
                dice(self.vote(each).tumour, unpack(packed_of(each))[1]) if there else np.nan
                for each, there in zip(examples, known, strict=True)
            ]
        )


def as_network(network: DenseUNet3d) -> Network:
    """Return a function from a batch of patches to probabilities."""
    network = network.eval()
    device = next(network.parameters()).device

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        x = torch.from_numpy(batch).to(device).to(memory_format=torch.channels_last_3d)
        with torch.inference_mode(), autocast(device):
            logits = network(x)
        return np.asarray(logits.float().softmax(dim=1).cpu().numpy())

    return Network(run)


def fit(
    recipe: Recipe,
    training: list[Example],
    tuning: list[Example],
    folder: Path,
    progress: Progress = lambda line: None,
) -> VoxelwiseModel:
    """Train, or resume or load what an earlier call has trained, and calibrate on the tuning patients.

    Args:
        recipe: of the training.
        training: training patients; those without voxels are left out.
        tuning: other patients, for calibration and threshold.
        folder: of the networks, each in a sub-folder named after recipe and patients.
        progress: called with a line of progress.
    """
    learned = [each for each in training if VOXELS in each.inputs]
    inside = folder / _name(recipe, learned)
    network = train(recipe, learned, inside, progress)
    return _calibrate_once(
        VoxelwiseModel(recipe, network), [each for each in tuning if VOXELS in each.inputs], inside, progress
    )


def _calibrate_once(
    model: VoxelwiseModel, tuning: list[Example], folder: Path, progress: Progress
) -> VoxelwiseModel:
    """Calibrate on tuning patients, or read the calibration of an earlier call."""
    settings = {"patients": [(each.subject, each.mutant) for each in tuning], "slope_sd": SLOPE_SD}
    file = folder / f"calibration-{cache_key(settings, (packed_of(each) for each in tuning))}.json"
    if not file.exists():
        progress("calibrate")
        made = calibrate(model, tuning)
        numbers = (made.calibration.slope, made.calibration.offset, made.threshold, made.prevalence)
        write_text(file, json.dumps([float(number) for number in numbers]) + "\n")
    with reading_cached(file):
        slope, offset, threshold, prevalence = json.loads(file.read_text(encoding="utf-8"))
    return VoxelwiseModel(model.recipe, model.network, Calibration(slope, offset), threshold, prevalence)


def _name(recipe: Recipe, training: list[Example]) -> str:
    """Name a training after everything that decides its result."""
    settings = {
        **recipe.settings,
        "version": __version__,
        "patients": [(each.subject, each.mutant) for each in training],
    }
    return cache_key(settings, (packed_of(each) for each in training))


def train(recipe: Recipe, training: list[Example], folder: Path, progress: Progress) -> DenseUNet3d:
    """Train in a folder, or resume an interrupted training, and return the averaged network."""
    named = {**recipe.settings, "patients": len(training)}
    for scored in ("step", "margin"):
        del named[scored]
    check_run_settings(folder / "recipe.json", "a training begun", named)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    network = DenseUNet3d(len(recipe.sequences), len(CLASSES), growth=recipe.growth, layers=recipe.layers)
    if recipe.start is not None:
        load_weights(network, recipe.start)
    learner = Learner.of(network, recipe.average, device, loss, accuracy)
    checkpoint = folder / "checkpoint.pt"
    learner.resume(checkpoint)
    by_class = [[each for each in training if each.mutant is mutant] for mutant in (True, False)]
    network.train()
    losses, scores = [], []
    while learner.step < recipe.steps:
        rng = np.random.default_rng(
            [recipe.seed, learner.step]
        )  # so that a resumed training draws the same patches
        patients = [by_class[n % 2][rng.integers(len(by_class[n % 2]))] for n in range(recipe.batch)]
        patches = [draw_patch(rng, each, recipe) for each in patients]
        x, y = (torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*patches, strict=True))
        value, score = learner.learn(
            x.to(memory_format=torch.channels_last_3d), y, rate(recipe, learner.step)
        )
        losses.append(value)
        scores.append(score)
        if learner.step % 100 == 0 or learner.step == recipe.steps:
            learner.save(checkpoint)
            progress(
                f"step {learner.step} of {recipe.steps}: loss {np.mean(losses):.3f}, "
                f"tumour voxels of the right class {np.nanmean(scores):.2f}"
            )
            losses, scores = [], []
    averaged = learner.average.module
    assert isinstance(averaged, DenseUNet3d)
    return averaged.eval()


def load_weights(network: DenseUNet3d, file: Path) -> None:
    """Give a network the weights of an ONNX file that was exported from one of its size.

    Raises:
        InputError: if they do not fit.
    """
    weights = read_onnx_weights(file)
    for level in range(network.LEVELS):
        # A skip connection and its transition see the same numbers, and the file holds their statistics once.
        for name in ("running_mean", "running_var"):
            shared = weights.get(f"transitions_down.{level}.0.0.{name}")
            if shared is not None:
                weights.setdefault(f"skips.{level}.0.{name}", shared)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"the weights {file.name} are not of this network: give those of the same sequences, growth and layers"
        ) from error


def rate(recipe: Recipe, step: int) -> float:
    """Rate at a step: a linear warm-up, then a cosine down to a hundredth."""
    return (
        recipe.learning_rate
        * min(1.0, (step + 1) / WARM_UP)
        * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * step / recipe.steps))))
    )


def calibrate(model: VoxelwiseModel, tuning: list[Example]) -> VoxelwiseModel:
    """Fit calibration and Youden threshold on the tuning patients with a vote."""
    log_odds = model.log_odds(tuning)
    known = np.isfinite(log_odds)
    truth = np.array([each.mutant for each in tuning])[known]
    calibration = fit_calibration(truth, log_odds[known])
    prevalence = float(truth.mean())
    probability = calibration.probability(log_odds[known], prevalence)
    return VoxelwiseModel(
        model.recipe, model.network, calibration, youden_threshold(truth, probability), prevalence
    )
