"""Train one network of Model 2: batches, augmentation, optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliotype.predictors.trained import Standardiser
from gliotype.train.common.autocast import autocast
from gliotype.train.common.bootstrap import bootstrap
from gliotype.train.data.examples import Example
from gliotype.train.model2.model import PARTS, Hybrid, Recipe

Schedule = torch.optim.lr_scheduler.OneCycleLR

WARM_UP = 0.1
"""Fraction of the steps in which the learning rate rises."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Patients of one step.

    Attributes:
        slices: (n, 4, 128, 128), one slice of each.
        numbers: (n, 20), standardised.
        mutant: (n,), 1 or 0.
        weight: (n,), so that both classes weigh the same in the training set.
    """

    slices: Tensor
    numbers: Tensor
    mutant: Tensor
    weight: Tensor


class TrainingSet:
    """The patients that one network learns from; those without a tumour found are left out.

    Args:
        examples: of the training patients.
        standardiser: of the numbers.
        rng: source of randomness for the bootstrap, the order of the patients and their slices.
        resampled: whether they are a bootstrap sample of the patients.
    """

    def __init__(
        self,
        examples: list[Example],
        standardiser: Standardiser,
        rng: np.random.Generator,
        *,
        resampled: bool,
    ) -> None:
        found = [e for e in examples if e.found]
        self._rng = rng
        self._patients = [found[i] for i in bootstrap([e.mutant for e in found], rng)] if resampled else found
        scores = standardiser(np.stack([e.numbers for e in self._patients]))
        self._numbers = torch.from_numpy(scores.astype(np.float32))
        self._mutant = torch.tensor([float(e.mutant) for e in self._patients])
        fraction = float(self._mutant.mean())
        self._weight = torch.where(self._mutant > 0, 0.5 / fraction, 0.5 / (1 - fraction))

    def parts(self, size: int) -> list[NDArray[np.int_]]:
        """Split all patients, in random order, into batches of about a size."""
        count = math.ceil(len(self._patients) / size)
        return np.array_split(self._rng.permutation(len(self._patients)), count)

    def batch(self, chosen: NDArray[np.int_]) -> Batch:
        """Return some patients with a random slice of each."""
        slices = np.stack([self._patients[i].slices[self._rng.integers(5)] for i in chosen])
        return Batch(
            torch.from_numpy(slices.astype(np.float32)),
            self._numbers[chosen],
            self._mutant[chosen],
            self._weight[chosen],
        )

    def __len__(self) -> int:
        return len(self._patients)


def train_member(
    recipe: Recipe,
    examples: list[Example],
    standardiser: Standardiser,
    seed: int,
    log_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    *,
    resampled: bool = True,
) -> Hybrid:
    """Train one network on (a bootstrap sample of) patients, on all graphics cards that there are.

    Args:
        recipe: how.
        examples: training patients; those without a tumour found are left out.
        standardiser: of the numbers.
        seed: random seed.
        log_epoch: called with the number of each epoch, from 1, and its mean loss.
        resampled: whether on a bootstrap sample.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    patients = TrainingSet(examples, standardiser, np.random.default_rng(seed), resampled=resampled)
    network = Hybrid(recipe.parts).to("cuda" if torch.cuda.is_available() else "cpu")
    network.train()
    spread, precision = on_all_cards(network), _precision(network)
    steps = recipe.epochs * math.ceil(len(patients) / recipe.batch)
    optimiser = _optimiser(network, recipe)
    schedule = Schedule(
        optimiser,
        [group["lr"] for group in optimiser.param_groups],
        total_steps=steps,
        pct_start=WARM_UP if steps * WARM_UP != 1 else 1.1 * WARM_UP,  # a warm-up of one step divides by zero
    )
    for epoch in range(recipe.epochs):
        losses = []
        for chosen in patients.parts(recipe.batch):
            batch = _augment_batch(patients.batch(chosen), network, generator, recipe)
            optimiser.zero_grad()
            with precision:
                log_odds = spread(batch.slices, batch.numbers)
            loss = nn.functional.binary_cross_entropy_with_logits(
                log_odds.float(), batch.mutant, batch.weight
            )
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        log_epoch(epoch + 1, float(np.mean(losses)))
    return network.cpu().eval()


def on_all_cards(network: nn.Module) -> nn.Module:
    """Split every batch among the graphics cards, where there are several."""
    return nn.DataParallel(network) if torch.cuda.device_count() > 1 else network


def _optimiser(network: Hybrid, recipe: Recipe) -> torch.optim.Optimizer:
    image = [] if network.image is None else list(network.image.parameters())
    numbers = list(network.numbers.parameters())
    return torch.optim.AdamW(
        [
            {"params": image, "lr": recipe.learning_rate, "weight_decay": 0.05},
            {"params": numbers, "lr": 5 * recipe.learning_rate, "weight_decay": 0.02},
        ]
    )


def _augment_batch(batch: Batch, network: Hybrid, generator: torch.Generator, recipe: Recipe) -> Batch:
    """Augment the slices as far as the network sees them, leave numbers out, and bring all to the network."""
    slices, device = batch.slices, network.channels.device
    if network.image is not None:
        slices = augment(slices * network.channels.cpu(), generator, recipe)
    return Batch(
        slices.to(device, memory_format=torch.channels_last),
        leave_out_numbers(batch.numbers, generator, recipe).to(device),
        batch.mutant.to(device),
        batch.weight.to(device),
    )


def _precision(network: Hybrid) -> AbstractContextManager[None]:
    """Compute an image in bf16 where the machine does, and numbers alone in fp32."""
    if network.image is None:
        return nullcontext()
    return autocast(network.channels.device)


def augment(slices: Tensor, generator: torch.Generator, recipe: Recipe) -> Tensor:
    """Turn, scale, shift and rescale slices at random, mirror left and right, and leave sequences out.

    Args:
        slices: (n, 4, 128, 128), to the right and to the front; the last channel is the mask.
        generator: source of randomness.
        recipe: how often a sequence is left out.
    """
    n, images = len(slices), slices.shape[1] - 1

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    angle, size = torch.deg2rad(uniform(-15, 15)), uniform(0.9, 1.1)
    side = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    turn = torch.stack(
        [torch.cos(angle), -torch.sin(angle) * side, torch.sin(angle), torch.cos(angle) * side]
    )  # affine_grid names the last axis first
    theta = torch.cat(
        [(turn.T.reshape(n, 2, 2) * size[:, None, None]), uniform(-0.06, 0.06, 2)[:, :, None]], dim=2
    )
    grid = nn.functional.affine_grid(theta, list(slices.shape), align_corners=False)
    moved = nn.functional.grid_sample(slices, grid, align_corners=False)
    picture, mask = moved[:, :-1], moved[:, -1:]
    there = (picture != 0).float()
    picture = picture * uniform(0.75, 1.25, images, 1, 1) + uniform(-0.08, 0.08, images, 1, 1)
    picture = picture + uniform(0, 0.06, 1, 1, 1) * torch.randn(picture.shape, generator=generator)
    present = torch.rand(n, images, generator=generator) >= recipe.drop_sequence
    had = slices[:, :-1].abs().amax(dim=(2, 3)) > 0
    only = torch.rand(n, images, generator=generator) * had
    present |= nn.functional.one_hot(only.argmax(dim=1), images).bool()
    return torch.cat([picture * there * present[:, :, None, None], mask], dim=1)


def leave_out_numbers(numbers: Tensor, generator: torch.Generator, recipe: Recipe) -> Tensor:
    """Set the shape, the loci or the age of some patients to their mean (0)."""
    numbers = numbers.clone()
    for indices in PARTS.values():
        gone = torch.rand(len(numbers), generator=generator) < recipe.drop_number
        numbers[:, list(indices)] *= (~gone).float()[:, None]
    return numbers
