"""A 3D U-Net whose full-resolution level is light."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions with instance norm and leaky ReLU, around a residual connection."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.InstanceNorm3d(channels, affine=True)
        self.second = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.InstanceNorm3d(channels, affine=True)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, i, j, k) to (n, channels, i/stride, j/stride, k/stride)."""
        x = self.act(self.first_norm(self.first(x)))
        return cast(Tensor, self.act(x + self.second_norm(self.second(x))))


class UNet3d(nn.Module):
    """3D residual U-Net; each level halves the resolution.

    Args:
        channels_in: image channels.
        classes: output channels.
        widths: channels of each level, finest first. The finest level holds single convolutions, since it
            costs most and sees least.
    """

    def __init__(self, channels_in: int, classes: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(channels_in, widths[0], 3, padding=1, bias=False),
            nn.InstanceNorm3d(widths[0], affine=True),
            nn.LeakyReLU(0.01),
        )
        self.down = nn.ModuleList(ConvBlock(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(ConvBlock(2 * a, a) for a in widths[1:-1])
        self.last = nn.Sequential(
            nn.Conv3d(2 * widths[0], widths[0], 3, padding=1, bias=False),
            nn.InstanceNorm3d(widths[0], affine=True),
            nn.LeakyReLU(0.01),
        )
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, channels_in, i, j, k) to logits (n, classes, i, j, k); i, j, k divisible by 2^levels."""
        skips = [self.stem(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for level in range(len(self.up) - 1, -1, -1):
            x = torch.cat([self.up[level](x), skips[level]], dim=1)
            x = self.last(x) if level == 0 else self.merge[level - 1](x)
        return cast(Tensor, self.head(x))


def model1() -> UNet3d:
    """Build Model 1: four sequences and their mirror images in, five classes out, 2 mm grid."""
    return UNet3d(channels_in=8, classes=5, widths=(16, 32, 64, 96, 128))


def subregions() -> UNet3d:
    """Build the second stage: four sequences and the outline in, three sub-regions out, on the tumour's box."""
    return UNet3d(channels_in=5, classes=3, widths=(16, 32, 64, 96, 128))
