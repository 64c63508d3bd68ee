"""A network in training: its optimiser steps and its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gliotype.atomic_files import reading_cached
from gliotype.train.common.autocast import autocast
from gliotype.train.common.state import save_state

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (n, classes, i, j, k) and labels (n, i, j, k) to a scalar."""

Score = Callable[[Tensor, Tensor], float]
"""Maps the same to a number by which a training is watched."""


@dataclass(eq=False)
class Learner:
    """What a run carries from step to step.

    Attributes:
        network: maps inputs (n, channels, i, j, k) to logits (n, classes, i, j, k).
        average: running average of its weights.
        optimiser: of its weights.
        loss: what it lowers.
        score: by which it is watched.
        step: steps taken so far.
    """

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    loss: Loss
    score: Score
    step: int = 0

    @classmethod
    def of(cls, network: nn.Module, decay: float, device: torch.device, loss: Loss, score: Score) -> Learner:
        """Make a network ready to learn.

        Args:
            network: to be trained; it is moved to the device.
            decay: of the running average.
            device: where to compute.
            loss: to be lowered.
            score: by which the training is watched.
        """
        network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
        return cls(network, average, torch.optim.AdamW(network.parameters(), weight_decay=1e-3), loss, score)

    def resume(self, checkpoint: Path) -> None:
        """Resume from a checkpoint, if there is one."""
        if checkpoint.exists():
            with reading_cached(checkpoint):
                saved = torch.load(checkpoint, weights_only=True)
                self.network.load_state_dict(saved["network"])
                self.average.load_state_dict(saved["average"])
                self.optimiser.load_state_dict(saved["optimiser"])
                self.step = saved["step"]

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint, replaced at once when complete."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        save_state({**parts, "step": self.step}, checkpoint)

    def learn(self, x: Tensor, y: Tensor, rate: float) -> tuple[float, float]:
        """Take one optimiser step at a learning rate; return loss and score before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with autocast(x.device):
            logits = self.network(x)
        value = self.loss(logits.float(), y)
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(value.detach()), self.score(logits.detach(), y)
