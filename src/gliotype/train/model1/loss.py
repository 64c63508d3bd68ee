"""What Model 1 lowers, and how its training is watched."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CLASS_WEIGHTS = (0.5, 0.5, 3.0, 3.0, 3.0)
"""Weight of each class in the cross-entropy; tumour is rare."""


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of brain, whole tumour, tumour core, oedema and enhancing tumour."""
    weights = torch.tensor(CLASS_WEIGHTS, device=logits.device)
    entropy = nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.02)
    p, t = logits.softmax(dim=1), nn.functional.one_hot(labels, 5).movedim(-1, 1).float()
    brain = dice_loss(1 - p[:, 0], 1 - t[:, 0])
    whole = dice_loss(p[:, 2] + p[:, 3] + p[:, 4], t[:, 2] + t[:, 3] + t[:, 4])
    core = dice_loss(p[:, 2] + p[:, 4], t[:, 2] + t[:, 4])
    parts = dice_loss(p[:, 3], t[:, 3]) + dice_loss(p[:, 4], t[:, 4])
    return entropy + 0.5 * brain + 1.5 * whole + 0.5 * core + 0.5 * parts


def dice_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice loss where a region is there; a logarithmic price of false alarm where it is not.

    The gradient of Dice on an absent region fades with the square of the false alarm, so that healthy heads would
    hardly teach; that of the logarithm is about as large as Dice's on a tumour of the same size.
    """
    smooth = 100.0  # voxels
    found, there = predicted.flatten(1).sum(dim=1), truth.flatten(1).sum(dim=1)
    overlap = (predicted * truth).flatten(1).sum(dim=1)
    dice = 1 - (2 * overlap + smooth) / (found + there + smooth)
    return torch.where(there > 0, dice, 0.3 * torch.log1p(found / smooth)).mean()


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
