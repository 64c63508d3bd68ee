"""Train Model 2: a residual network on slices, joined with shape, place and age in one sum of log-odds.

After Choi 2021 (published code), with these deviations. The layers behind the pooled features are linear there,
one after the other, and so equal to one linear layer: here that layer is written as such, and every number and
every place in the slices has its own share of the answer. The network is narrower. Slices' log-odds are
averaged, not their probabilities, so that the shares still add up. Inputs are left out at random, so that a
missing sequence or age is tolerated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from gliotype.networks.export import export_onnx
from gliotype.networks.resnet import ActivationMapNet, Ensemble
from gliotype.predictors.slices import IMAGES, LIMIT, NUMBERS, SIZE
from gliotype.train.examples import Example

Floats = NDArray[np.float64]

PARTS: dict[str, tuple[int, ...]] = {"shape": tuple(range(13)), "loci": tuple(range(13, 19)), "age": (19,)}
"""Places of each part in `NUMBERS`; the fourth part is the image."""

ALL_PARTS = frozenset({"image", *PARTS})


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        parts: what the model sees: ``image``, ``shape``, ``loci``, ``age``.
        members: networks, each trained on its own bootstrap sample of the patients; they give the interval.
        epochs: passes over the patients, with one slice of each.
        batch: slices a step.
        learning_rate: peak, lowered to zero by a cosine after a short warm-up.
        drop_sequence: probability with which a sequence of a slice is left out, never all.
        drop_number: probability with which the shape, the loci or the age are left out.
        seed: of everything random.
    """

    parts: frozenset[str] = ALL_PARTS
    members: int = 3
    epochs: int = 40
    batch: int = 32
    learning_rate: float = 2e-3
    drop_sequence: float = 0.2
    drop_number: float = 0.15
    seed: int = 1


@dataclass(frozen=True, eq=False)
class Standard:
    """How numbers are standardised: mean and SD of the training patients; a missing number counts as the mean."""

    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, examples: list[Example]) -> Standard:
        """Take mean and SD from the patients in whom a tumour was found."""
        table = np.stack([e.numbers for e in examples if e.found])
        return cls(np.nanmean(table, axis=0), np.maximum(np.nanstd(table, axis=0), 1e-9))

    def __call__(self, numbers: Floats) -> Floats:
        """Standardise (n, 20) numbers, clipped to `LIMIT`."""
        scores = np.clip((numbers - self.mean) / self.sd, -LIMIT, LIMIT)
        return np.asarray(np.nan_to_num(scores), dtype=np.float64)


class Hybrid(nn.Module):
    """Sum of an image's map and of weighted numbers, in log-odds at a prevalence of one half."""

    used: Tensor

    def __init__(self, parts: frozenset[str]) -> None:
        super().__init__()
        self.image = ActivationMapNet(len(IMAGES) + 1) if "image" in parts else None
        self.numbers = nn.Linear(len(NUMBERS), 1)
        nn.init.zeros_(self.numbers.weight)
        nn.init.zeros_(self.numbers.bias)
        used = torch.zeros(len(NUMBERS))
        for part in parts - {"image"}:
            used[list(PARTS[part])] = 1.0
        self.register_buffer("used", used)

    def forward(self, slices: Tensor, numbers: Tensor) -> Tensor:
        """Map slices (n, 4, 128, 128) and standardised numbers (n, 20) to log-odds (n,)."""
        told: Tensor = self.numbers(numbers * self.used)[:, 0]
        return told if self.image is None else told + self.image(slices).float().mean(dim=(1, 2, 3))


def augment(slices: Tensor, generator: torch.Generator, recipe: Recipe) -> Tensor:
    """Turn, scale, shift, mirror and rescale slices at random, and leave sequences out.

    Args:
        slices: (n, 4, 128, 128); the last channel is the mask.
        generator: source of randomness.
        recipe: how often a sequence is left out.
    """
    n, images = len(slices), slices.shape[1] - 1

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    angle, size = torch.deg2rad(uniform(-15, 15)), uniform(0.9, 1.1)
    side = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    turn = torch.stack(
        [torch.cos(angle) * side, -torch.sin(angle), torch.sin(angle) * side, torch.cos(angle)]
    )
    theta = torch.cat(
        [(turn.T.reshape(n, 2, 2) * size[:, None, None]), uniform(-0.06, 0.06, 2)[:, :, None]], dim=2
    )
    grid = nn.functional.affine_grid(theta, list(slices.shape), align_corners=False)
    moved = nn.functional.grid_sample(slices, grid, align_corners=False)
    picture, mask = moved[:, :-1], moved[:, -1:]
    there = (picture != 0).float()
    picture = picture * uniform(0.75, 1.25, images, 1, 1) + uniform(-0.08, 0.08, images, 1, 1)
    picture = picture + uniform(0, 0.06, 1, 1, 1) * torch.randn(picture.shape, generator=generator)
    kept = torch.rand(n, images, generator=generator) >= recipe.drop_sequence
    had = slices[:, :-1].abs().amax(dim=(2, 3)) > 0
    only = torch.rand(n, images, generator=generator) * had
    kept |= nn.functional.one_hot(only.argmax(dim=1), images).bool()
    return torch.cat([picture * there * kept[:, :, None, None], mask], dim=1)


def leave_out_numbers(numbers: Tensor, generator: torch.Generator, recipe: Recipe) -> Tensor:
    """Set the shape, the loci or the age of some patients to their mean (0)."""
    numbers = numbers.clone()
    for places in PARTS.values():
        gone = torch.rand(len(numbers), generator=generator) < recipe.drop_number
        numbers[:, list(places)] *= (~gone).float()[:, None]
    return numbers


@dataclass(frozen=True, eq=False)
class Model2:
    """A trained model.

    Attributes:
        recipe: what made it.
        members: networks.
        standard: of the numbers.
        slope: by which the mean log-odds are multiplied, fitted on the tuning patients.
        offset: added then, for log-odds at a prevalence of one half.
        cut: probability, at the tuning patients' prevalence, that parts them best (Youden).
        prevalence: of IDH mutation among the tuning patients.
    """

    recipe: Recipe
    members: tuple[Hybrid, ...]
    standard: Standard
    slope: float = 1.0
    offset: float = 0.0
    cut: float = 0.5
    prevalence: float = 0.5

    def log_odds(self, examples: list[Example]) -> Floats:
        """Return each member's log-odds (members, n) at a prevalence of one half, before calibration.

        The mean over a patient's slices; NaN where no tumour was found.
        """
        result = np.full((len(self.members), len(examples)), np.nan)
        for place, example in enumerate(examples):
            if not example.found:
                continue
            slices = torch.from_numpy(example.slices.astype(np.float32))
            scores = self.standard(example.numbers[None]).repeat(len(slices), axis=0)
            with torch.inference_mode():
                for row, member in enumerate(self.members):
                    answer = member.eval()(slices, torch.from_numpy(scores.astype(np.float32)))
                    result[row, place] = float(answer.mean())
        return result

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return calibrated probabilities at a prevalence, NaN where no tumour was found."""
        mean = self.log_odds(examples).mean(axis=0)
        prior = math.log(prevalence / (1 - prevalence))
        return np.asarray(1 / (1 + np.exp(-(self.slope * mean + self.offset + prior))))


def train_member(
    recipe: Recipe,
    examples: list[Example],
    standard: Standard,
    seed: int,
    note: Callable[[int, float], None] = lambda epoch, loss: None,
    *,
    bootstrap: bool = True,
) -> Hybrid:
    """Train one network on (a bootstrap sample of) patients.

    Args:
        recipe: how.
        examples: training patients; those without a tumour found are left out.
        standard: of the numbers.
        seed: of everything random.
        note: told each epoch, from 1, and its mean loss.
        bootstrap: whether to draw the patients with replacement.
    """
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    found = [e for e in examples if e.found]
    if bootstrap:
        found = [found[i] for i in rng.integers(len(found), size=len(found))]
    numbers = torch.from_numpy(standard(np.stack([e.numbers for e in found])).astype(np.float32))
    truth = torch.tensor([float(e.mutant) for e in found])
    share = float(truth.mean())
    weight = torch.where(truth > 0, 0.5 / share, 0.5 / (1 - share))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Hybrid(recipe.parts).to(device)
    image = [] if network.image is None else list(network.image.parameters())
    optimiser = torch.optim.AdamW(
        [
            {"params": image, "lr": recipe.learning_rate, "weight_decay": 0.05},
            {"params": network.numbers.parameters(), "lr": 5 * recipe.learning_rate, "weight_decay": 0.02},
        ]
    )
    steps = recipe.epochs * math.ceil(len(found) / recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [group["lr"] for group in optimiser.param_groups], total_steps=steps, pct_start=0.1
    )
    for epoch in range(recipe.epochs):
        losses = []
        for chosen in np.array_split(rng.permutation(len(found)), math.ceil(len(found) / recipe.batch)):
            stack = np.stack([found[i].slices[rng.integers(5)] for i in chosen])
            slices = torch.from_numpy(stack.astype(np.float32))
            if network.image is not None:
                slices = augment(slices, generator, recipe)
            told = leave_out_numbers(numbers[chosen], generator, recipe)
            network.train()
            slices = slices.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=network.image is not None):
                log_odds = network(slices, told.to(device))
            loss = nn.functional.binary_cross_entropy_with_logits(
                log_odds.float(), truth[chosen].to(device), weight[chosen].to(device)
            )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        note(epoch + 1, float(np.mean(losses)))
    return network.cpu().eval()


def calibrated(model: Model2, tuning: list[Example]) -> Model2:
    """Fit slope, offset (Platt 1999, on log-odds) and the Youden cut on tuning patients."""
    found = [e for e in tuning if e.found]
    truth = np.array([e.mutant for e in found])
    log_odds = model.log_odds(found).mean(axis=0)
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    fit = LogisticRegression(C=10.0).fit(log_odds[:, None], truth, sample_weight=weight)
    slope, offset = max(float(fit.coef_[0, 0]), 0.05), float(fit.intercept_[0])
    prevalence = float(truth.mean())
    even = Model2(model.recipe, model.members, model.standard, slope, offset, 0.5, prevalence)
    return Model2(
        model.recipe,
        model.members,
        model.standard,
        slope,
        offset,
        youden_cut(truth, even.probabilities(found, prevalence)),
        prevalence,
    )


def youden_cut(truth: NDArray[np.bool_], probability: Floats) -> float:
    """Return the cut with the largest sum of sensitivity and specificity, midway between two patients.

    Example:
        >>> round(youden_cut(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.6, 0.9])), 3)
        0.5
    """
    order = np.unique(probability)
    cuts = np.r_[(order[1:] + order[:-1]) / 2] if len(order) > 1 else order
    gains = [(probability[truth] >= c).mean() + (probability[~truth] < c).mean() for c in cuts]
    return float(cuts[int(np.argmax(gains))])


def export(model: Model2, folder: Path, about: dict[str, Any]) -> tuple[Path, Path]:
    """Write a model with all parts as ``model2.onnx`` (the image's maps) and ``model2.json`` (all else).

    Args:
        model: to write.
        folder: where.
        about: further keys of the JSON file.
    """
    networks = [member.image for member in model.members if member.image is not None]
    onnx = folder / "model2.onnx"
    export_onnx(nn.Sequential(Ensemble(networks)), torch.zeros(2, len(IMAGES) + 1, SIZE, SIZE), onnx)
    document = {
        "schema": 1,
        "name": "model2",
        **about,
        "numbers": list(NUMBERS),
        "mean": [float(f"{v:.6g}") for v in model.standard.mean],
        "sd": [float(f"{v:.6g}") for v in model.standard.sd],
        "coefficients": [
            [round(v, 5) for v in (m.numbers.weight[0] * m.used).tolist()] for m in model.members
        ],
        "intercepts": [round(m.numbers.bias[0].item(), 5) for m in model.members],
        "slope": round(model.slope, 5),
        "offset": round(model.offset, 5),
    }
    file = folder / "model2.json"
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return onnx, aside.replace(file)
