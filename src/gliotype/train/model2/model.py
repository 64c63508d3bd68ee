"""Train Model 2: a residual network on slices, combined with shape, location and age in one sum of log-odds.

After Choi 2021 (published code), with these deviations. The layers behind the pooled features are linear there,
one after the other, and so equal to one linear layer: here that layer is written as such, and every number and
every position in the slices has its own contribution to the answer. The network is narrower. Slices' log-odds are
averaged, not their probabilities, so that the contributions still add up. Inputs are left out at random, so that a
missing sequence or age is tolerated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliotype.atomic_files import write_text
from gliotype.networks.export import export_onnx
from gliotype.networks.resnet import ActivationMapNet, Ensemble
from gliotype.predictors.slices import IMAGES, NUMBERS, SIZE
from gliotype.predictors.trained import UNCALIBRATED, Calibration, Standardiser
from gliotype.train.common.calibration import fit_calibration, youden_threshold
from gliotype.train.common.explanation import Explanation, largest_first
from gliotype.train.data.examples import Example

Floats = NDArray[np.float64]

PARTS: dict[str, tuple[int, ...]] = {"shape": tuple(range(13)), "loci": tuple(range(13, 19)), "age": (19,)}
"""Indices of each part into `NUMBERS`."""

CHANNELS: dict[str, tuple[int, ...]] = {
    "image": tuple(range(len(IMAGES) + 1)),
    **{str(sequence): (index, len(IMAGES)) for index, sequence in enumerate(IMAGES)},
    "outline": (len(IMAGES),),
}
"""Channels of each part of the slices; every image comes with the tumour's outline."""

ALL_PARTS = frozenset({"image", *PARTS})


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        parts: what the model sees: those of `PARTS`, and of `CHANNELS` (``image`` is all of them).
        members: networks, each trained on its own bootstrap sample of the patients; they give the interval.
        epochs: passes over the patients, with one slice of each.
        batch: slices a step.
        learning_rate: peak, lowered to zero by a cosine after a short warm-up.
        drop_sequence: probability with which a sequence of a slice is left out, never all.
        drop_number: probability with which the shape, the loci or the age are left out.
        seed: random seed.
    """

    parts: frozenset[str] = ALL_PARTS
    members: int = 3
    epochs: int = 40
    batch: int = 32
    learning_rate: float = 2e-3
    drop_sequence: float = 0.2
    drop_number: float = 0.15
    seed: int = 1


def fit_standardiser(examples: list[Example]) -> Standardiser:
    """Take mean and SD from the patients in whom a tumour was found; 0 and 1 of a number that none of them has."""
    table = np.stack([e.numbers for e in examples if e.found])
    known = np.isfinite(table).any(axis=0)
    mean, sd = np.zeros(known.size), np.ones(known.size)
    mean[known] = np.nanmean(table[:, known], axis=0)
    sd[known] = np.maximum(np.nanstd(table[:, known], axis=0), 1e-9)
    return Standardiser(mean, sd)


class Hybrid(nn.Module):
    """Sum of an image's map and of weighted numbers, in log-odds at a prevalence of one half."""

    used: Tensor
    channels: Tensor

    def __init__(self, parts: frozenset[str]) -> None:
        super().__init__()
        self.image = ActivationMapNet(len(IMAGES) + 1) if parts & CHANNELS.keys() else None
        self.numbers = nn.Linear(len(NUMBERS), 1)
        nn.init.zeros_(self.numbers.weight)
        nn.init.zeros_(self.numbers.bias)
        used = torch.zeros(len(NUMBERS))
        for part in parts & PARTS.keys():
            used[list(PARTS[part])] = 1.0
        self.register_buffer("used", used)
        channels = torch.zeros(len(IMAGES) + 1, 1, 1)
        for part in parts & CHANNELS.keys():
            channels[list(CHANNELS[part])] = 1.0
        self.register_buffer("channels", channels, persistent=False)

    def forward(self, slices: Tensor, numbers: Tensor) -> Tensor:
        """Map slices (n, 4, 128, 128) and standardised numbers (n, 20) to log-odds (n,)."""
        from_numbers: Tensor = self.numbers(numbers * self.used)[:, 0]
        if self.image is None:
            return from_numbers
        from_image: Tensor = self.image(slices * self.channels).float().mean(dim=(1, 2, 3))
        return from_numbers + from_image


@dataclass(frozen=True, eq=False)
class Model2:
    """A trained model.

    Attributes:
        recipe: what made it.
        members: networks.
        standardiser: of the numbers.
        calibration: of the mean log-odds, fitted on the tuning patients.
        threshold: probability, at the tuning patients' prevalence, that separates them best (Youden).
        prevalence: of IDH mutation among the tuning patients.
    """

    recipe: Recipe
    members: tuple[Hybrid, ...]
    standardiser: Standardiser
    calibration: Calibration = UNCALIBRATED
    threshold: float = 0.5
    prevalence: float = 0.5

    def log_odds(self, examples: list[Example]) -> Floats:
        """Return each member's log-odds (members, n) at a prevalence of one half, before calibration.

        The mean over a patient's slices; NaN where no tumour was found.
        """
        result = np.full((len(self.members), len(examples)), np.nan)
        for index, example in enumerate(examples):
            if not example.found:
                continue
            slices = torch.from_numpy(example.slices.astype(np.float32))
            scores = self.standardiser(example.numbers[None]).repeat(len(slices), axis=0)
            with torch.inference_mode():
                for row, member in enumerate(self.members):
                    answer = member.eval()(slices, torch.from_numpy(scores.astype(np.float32)))
                    result[row, index] = float(answer.mean())
        return result

    def explain(self, example: Example) -> Explanation | None:
        """Return the activation map of the middle slice and what each part adds to the log-odds; None without tumour.

        The mean over the members, after calibration.
        """
        if not example.found:
            return None
        middle = len(example.slices) // 2
        slices = torch.from_numpy(example.slices.astype(np.float32))
        scores = self.standardiser(example.numbers[None])[0]
        maps, weights = np.zeros((len(slices), 1, 1)), np.zeros(len(NUMBERS))
        with torch.inference_mode():
            for member in self.members:
                weights = weights + (member.numbers.weight[0] * member.used).double().numpy()
                if member.image is not None:
                    maps = maps + member.image.eval()(slices * member.channels)[:, 0].double().numpy()
        scale = self.calibration.slope / len(self.members)
        added = {name: scale * float((weights * scores)[list(PARTS[name])].sum()) for name in PARTS}
        images = example.slices[middle, : len(IMAGES)].astype(np.float32)
        shown = next((image for image in images if image.any()), images[0])
        pixels = (scale * maps[middle]).astype(np.float32)
        return Explanation(
            "activation map",
            shown,
            np.kron(pixels, np.ones((SIZE // len(pixels), SIZE // len(pixels)), np.float32)),
            largest_first({"image": scale * float(maps.mean(axis=(1, 2)).mean()), **added}),
        )

    def probabilities(self, examples: list[Example], prevalence: float) -> Floats:
        """Return calibrated probabilities at a prevalence, NaN where no tumour was found."""
        return self.calibration.probability(self.log_odds(examples).mean(axis=0), prevalence)


def calibrate(model: Model2, tuning: list[Example]) -> Model2:
    """Fit calibration and Youden threshold on tuning patients."""
    found = [e for e in tuning if e.found]
    truth = np.array([e.mutant for e in found])
    log_odds = model.log_odds(found).mean(axis=0)
    calibration = fit_calibration(truth, log_odds)
    prevalence = float(truth.mean())
    even = replace(model, calibration=calibration, prevalence=prevalence)
    return replace(even, threshold=youden_threshold(truth, even.probabilities(found, prevalence)))


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
        "mean": [float(f"{v:.6g}") for v in model.standardiser.mean],
        "sd": [float(f"{v:.6g}") for v in model.standardiser.sd],
        "coefficients": [
            [round(v, 5) for v in (m.numbers.weight[0] * m.used).tolist()] for m in model.members
        ],
        "intercepts": [round(m.numbers.bias[0].item(), 5) for m in model.members],
        "slope": round(model.calibration.slope, 5),
        "offset": round(model.calibration.offset, 5),
    }
    return onnx, write_text(folder / "model2.json", json.dumps(document, indent=1) + "\n")
