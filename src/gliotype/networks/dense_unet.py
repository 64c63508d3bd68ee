"""The 3D Dense-UNet of T2-net and TS-net."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class DenseBlock(nn.Module):
    """Layers of norm, ReLU and a 3 x 3 x 3 convolution, each of which reads the outputs of all before it.

    Args:
        channels_in: channels of the input.
        growth: channels that each layer adds.
        layers: number of layers.
    """

    def __init__(self, channels_in: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm3d(channels_in + n * growth),
                nn.ReLU(),
                nn.Conv3d(channels_in + n * growth, growth, 3, padding=1, bias=False),
            )
            for n in range(layers)
        )
        self.channels = channels_in + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, i, j, k) to (n, channels_in + layers * growth, i, j, k)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


def _squeeze(channels_in: int, channels: int) -> nn.Sequential:
    """Reduce channels by norm, ReLU and a 1 x 1 x 1 convolution."""
    return nn.Sequential(
        nn.BatchNorm3d(channels_in), nn.ReLU(), nn.Conv3d(channels_in, channels, 1, bias=False)
    )


class DenseUNet3d(nn.Module):
    """3D Dense-UNet: seven dense blocks, three transitions down and three up.

    After Bangalore Yogananda 2020 (Neuro-Oncology 22:402), whose growth rate and number of layers were not published.
    A transition down halves channels and resolution; a transition up doubles the resolution by a transposed
    convolution; a bottleneck block reduces the channels of each skip connection.

    Args:
        channels_in: image channels.
        classes: output channels.
        growth: channels that each layer of a dense block adds.
        layers: layers of a dense block.
        stem: channels behind the first convolution.
    """

    LEVELS = 3

    def __init__(
        self, channels_in: int, classes: int = 3, *, growth: int = 12, layers: int = 4, stem: int = 16
    ) -> None:
        super().__init__()
        self.stem = nn.Conv3d(channels_in, stem, 3, padding=1, bias=False)
        self.down_blocks, self.transitions_down = nn.ModuleList(), nn.ModuleList()
        self.skips, self.transitions_up, self.up_blocks = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width, kept = stem, []
        for _ in range(self.LEVELS):
            block = DenseBlock(width, growth, layers)
            width = block.channels // 2
            kept.append(width)
            self.down_blocks.append(block)
            self.skips.append(_squeeze(block.channels, width))
            self.transitions_down.append(nn.Sequential(_squeeze(block.channels, width), nn.AvgPool3d(2)))
        self.deepest = DenseBlock(width, growth, layers)
        below = self.deepest.channels
        for level in reversed(range(self.LEVELS)):
            self.transitions_up.append(nn.ConvTranspose3d(below, kept[level], 2, stride=2))
            block = DenseBlock(2 * kept[level], growth, layers)
            self.up_blocks.append(block)
            below = block.channels
        self.head = nn.Sequential(nn.BatchNorm3d(below), nn.ReLU(), nn.Conv3d(below, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (n, channels_in, i, j, k) to logits (n, classes, i, j, k); i, j, k divisible by 8."""
        x, skips = self.stem(x), []
        for block, skip, transition in zip(self.down_blocks, self.skips, self.transitions_down, strict=True):
            dense = block(x)
            skips.append(skip(dense))
            x = transition(dense)
        x = self.deepest(x)
        for transition, block in zip(self.transitions_up, self.up_blocks, strict=True):
            x = block(torch.cat([transition(x), skips.pop()], dim=1))
        return cast(Tensor, self.head(x))
