"""Train the perfusion network on curves of patients, and calibrate it (after Choi 2019).

The paper did not publish its layer sizes, and seems to have scored sampled curves. Here everything is scored by
patient; sampled parts of a region serve only as augmentation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gliotype.dsc import TUMOUR_REGIONS
from gliotype.evaluate.roc import auroc
from gliotype.networks.recurrent import CurveEnsemble, CurveNet
from gliotype.predictors.curves import CHANNELS, CURVES
from gliotype.predictors.trained import UNCALIBRATED, Calibration

Floats = NDArray[np.float64]

WHOLE = [region.value for region in TUMOUR_REGIONS].index("whole")


@dataclass(frozen=True, eq=False)
class CurveExample:
    """One patient as the network sees it.

    Attributes:
        subject: name.
        curves: float32 (variants, channels, points): of whole regions first, then of random parts of them; no variant
            where the patient's perfusion could not be measured.
        phases: phase of each point, (points,), indices into `gliotype.explain.phases.Phase`.
        numbers: perfusion numbers for the baselines, NaN where one is missing.
        mutant: IDH status.
        age: years.
    """

    subject: str
    curves: NDArray[np.float32]
    phases: NDArray[np.intp]
    numbers: Floats
    mutant: bool
    age: float


@dataclass(frozen=True)
class Recipe:
    """What makes one training run.

    Attributes:
        members: networks, each trained on its own bootstrap sample of the patients; they give the interval.
        epochs: passes over the patients, at most.
        patience: passes without a better tuning AUROC after which training stops.
        batch: patients a step.
        learning_rate: of Adam.
        weight_decay: of Adam.
        drop_region: probability with which a region is left out of a patient's curves, never the whole tumour.
        seed: random seed.
    """

    members: int = 5
    epochs: int = 60
    patience: int = 12
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    drop_region: float = 0.15
    seed: int = 1


@dataclass(frozen=True, eq=False)
class CurveModel:
    """A trained model.

    Attributes:
        members: networks.
        average: mean input of the training patients, (channels, points).
        calibration: of the mean log-odds, fitted on the tuning patients.
    """

    members: tuple[CurveNet, ...]
    average: NDArray[np.float32]
    calibration: Calibration = UNCALIBRATED

    def read(self, curves: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Run all members.

        Args:
            curves: (n, channels, points).

        Returns:
            Calibrated mean log-odds (n,) at a prevalence of one half, and mean attention (n, points).
        """
        network = CurveEnsemble(list(self.members)).eval()
        with torch.inference_mode():
            answers = network(torch.from_numpy(curves)).double().numpy().mean(axis=1)
        return self.calibration(answers[:, 0]), answers[:, 1:]

    def log_odds(self, examples: list[CurveExample]) -> Floats:
        """Return calibrated log-odds of patients by their whole regions, (n,); 0 where nothing was measured."""
        found = np.array([len(example.curves) > 0 for example in examples])
        result = np.zeros(len(examples))
        if found.any():
            result[found] = self.read(np.stack([e.curves[0] for e in with_curves(examples)]))[0]
        return result


def with_curves(examples: list[CurveExample]) -> list[CurveExample]:
    """Keep the patients whose perfusion could be measured."""
    return [example for example in examples if len(example.curves)]


def train_member(
    recipe: Recipe,
    training: list[CurveExample],
    tuning: list[CurveExample],
    seed: int,
    log_epoch: Callable[[int, float], None] = lambda epoch, area: None,
) -> CurveNet:
    """Train one network; return the weights of the pass with the best AUROC on the tuning patients.

    Args:
        recipe: how.
        training: patients, of both classes.
        tuning: patients, of both classes.
        seed: random seed.
        log_epoch: called with the number of each pass, from 1, and its AUROC on the tuning patients.
    """
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    network = CurveNet(len(CHANNELS))
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    truth = torch.tensor([float(example.mutant) for example in training])
    weight = torch.where(truth > 0, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    best, best_weights, since = -math.inf, copy.deepcopy(network.state_dict()), 0
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        for chosen in np.array_split(rng.permutation(len(training)), math.ceil(len(training) / recipe.batch)):
            curves = np.stack([_any_variant(rng, training[i]) for i in chosen])
            answer = network(augment(torch.from_numpy(curves), generator, recipe.drop_region))[:, 0]
            loss = nn.functional.binary_cross_entropy_with_logits(answer, truth[chosen], weight[chosen])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
        area = tuning_auroc(network, tuning)
        log_epoch(epoch, area)
        since += 1
        if area > best:
            best, best_weights, since = area, copy.deepcopy(network.state_dict()), 0
        if since >= recipe.patience:
            break
    network.load_state_dict(best_weights)
    return network.eval()


def _any_variant(rng: np.random.Generator, example: CurveExample) -> NDArray[np.float32]:
    return np.asarray(example.curves[rng.integers(len(example.curves))])


def tuning_auroc(network: CurveNet, examples: list[CurveExample]) -> float:
    """AUROC of a network by patient."""
    with torch.inference_mode():
        answers = network.eval()(torch.from_numpy(np.stack([e.curves[0] for e in examples])))[:, 0]
    return auroc([e.mutant for e in examples], answers.double().numpy()).value


def augment(curves: Tensor, generator: torch.Generator, drop_region: float) -> Tensor:
    """Rescale, shift, roughen and shorten curves at random, and leave regions out.

    Args:
        curves: (n, channels, points).
        generator: source of randomness.
        drop_region: probability with which a region is left out.

    Returns:
        Curves of the same shape; what was 0 because it is missing or was not measured stays 0.
    """
    n, _, points = curves.shape
    curves = curves.clone()
    size = torch.exp(0.08 * torch.randn(n, 1, 1, generator=generator))
    noise = 0.03 * torch.randn(n, CURVES, points, generator=generator)
    curves[:, :CURVES] = curves[:, :CURVES] * size + noise * (curves[:, :CURVES] != 0)
    step = int(torch.randint(-1, 2, (1,), generator=generator))
    curves = nn.functional.pad(curves, (1, 1), mode="replicate")[..., 1 + step : 1 + step + points]
    ends = torch.randint(points // 2, 2 * points, (n, 1, 1), generator=generator)
    curves = curves * (torch.arange(points) < ends)
    for index in range(len(TUMOUR_REGIONS)):
        if index != WHOLE:
            present = (torch.rand(n, 1, generator=generator) >= drop_region).float()
            curves[:, index] *= present
            curves[:, CURVES + index] *= present
    return curves
