"""Model 2's image network: a 2D residual network whose answer is a map."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, around a shortcut (He 2016, basic block)."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, i, j) to (n, channels, i/stride, j/stride)."""
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class ActivationMapNet(nn.Module):
    """Residual network that maps a slice to a class activation map, whose mean is its log-odds.

    As in Choi 2021 the stem is a 7 x 7 convolution of stride 2 without max-pooling. The last feature maps are
    weighted by a 1 x 1 convolution before they are averaged, which is the same number as a linear layer behind
    the average, so that the map adds up to the answer (class activation mapping, Zhou 2016) and needs no
    gradient.

    Args:
        channels_in: channels of a slice.
        widths: channels of each stage; every stage but the first halves the resolution.
        blocks: residual blocks of each stage.
    """

    def __init__(
        self, channels_in: int = 4, widths: tuple[int, ...] = (16, 32, 64, 96), blocks: int = 1
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels_in, widths[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        stages: list[nn.Module] = []
        before = widths[0]
        for level, width in enumerate(widths):
            for block in range(blocks):
                stages.append(ResidualBlock(before, width, 2 if level > 0 and block == 0 else 1))
                before = width
        self.stages = nn.Sequential(*stages)
        self.drop = nn.Dropout2d(0.2)
        self.weigh = nn.Conv2d(before, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map slices (n, channels_in, 128, 128) to log-odds (n, 1, 8, 8) of IDH mutation."""
        return cast(Tensor, self.weigh(self.drop(self.stages(self.stem(x)))))


class Ensemble(nn.Module):
    """Several networks side by side, one output channel each."""

    def __init__(self, members: list[ActivationMapNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Map slices (n, channels_in, 128, 128) to maps (n, members, 8, 8)."""
        return torch.cat([member(x) for member in self.members], dim=1)
