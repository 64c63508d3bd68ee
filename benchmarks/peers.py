"""The time of a chain of other tools from a raw study to IDH status, step by step, on this machine.

    python benchmarks/peers.py [--repeats N]

No other system that was found does all of it, so the steps of a chain are added up, for four series of 240 x 240 x 155
voxels of 1 mm. Measured are one rigid and one affine registration by ANTs (``pip install antspyx``; without it the
registrations are left out), one patch through a network of nnU-Net's size and one through a Dense-UNet, with random
weights; how often a step does these is counted by its published sliding windows, and multiplied. It needs the extra
``train``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from gliotype.atlas import atlas
from gliotype.masks import box_around
from gliotype.networks.dense_unet import DenseUNet3d
from gliotype.prepare.search import rotation
from gliotype.runtime import available_threads
from gliotype.study import Sequence
from gliotype.volume import Grid

FIELD = (240, 240, 155)
NNUNET_PATCH, NNUNET_WIDTHS = 128, (32, 64, 128, 256, 320, 320)
"""Patch and channels of each level of nnU-Net's standard network in full resolution."""
DENSE_PATCH, DENSE_SIZE = 32, {"growth": 12, "layers": 4}
SERIES_TO_ONE = 3


class PlainUNet(nn.Module):
    """A network of the size of nnU-Net's: two convolutions a level on the way down, and two on the way up."""

    def __init__(self, channels_in: int, classes: int) -> None:
        super().__init__()
        self.first = _level(channels_in, NNUNET_WIDTHS[0], 1)
        self.down = nn.ModuleList(_level(a, b, 2) for a, b in pairwise(NNUNET_WIDTHS))
        self.raise_to = nn.ModuleList(
            nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in pairwise(NNUNET_WIDTHS)
        )
        self.up = nn.ModuleList(_level(2 * a, a, 1) for a in NNUNET_WIDTHS[:-1])
        self.head = nn.Conv3d(NNUNET_WIDTHS[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, channels_in, i, j, k) to (n, classes, i, j, k)."""
        kept = [self.first(x)]
        for down in self.down:
            kept.append(down(kept[-1]))
        x = kept.pop()
        for raise_to, up in zip(reversed(self.raise_to), reversed(self.up), strict=True):
            x = up(torch.cat([raise_to(x), kept.pop()], dim=1))
        return torch.as_tensor(self.head(x))


def _level(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels, 3, stride=stride, padding=1),
        nn.InstanceNorm3d(channels, affine=True),
        nn.LeakyReLU(0.01),
        nn.Conv3d(channels, channels, 3, padding=1),
        nn.InstanceNorm3d(channels, affine=True),
        nn.LeakyReLU(0.01),
    )


@dataclass(frozen=True)
class Step:
    """One step of the chain: what was measured (seconds, None where it was not), and how often the step does it."""

    name: str
    tool: str
    what: str
    seconds: float | None
    times: int
    whole: bool

    @property
    def total(self) -> float:
        """Seconds of the step; 0 where nothing was measured."""
        return (self.seconds or 0.0) * self.times

    def row(self) -> str:
        """Lay the step out as a row of a Markdown table."""
        if self.seconds is None:
            return f"| {self.name} | {self.tool} | not measured | | |"
        known = "measured" if self.whole else "estimated"
        return (
            f"| {self.name} | {self.tool} | {self.times} x {self.seconds:.1f} ({self.what}) "
            f"| {self.total:.0f} | {known} |"
        )


def windows(sizes: tuple[int, ...], patch: int, overlap: float) -> int:
    """Count the patches of a sliding window.

    Example:
        >>> windows((240, 240, 155), 128, 0.5), windows((32, 64, 65), 32, 0.0)
        (18, 6)
    """
    step = patch * (1 - overlap)
    return math.prod(math.ceil(max(size - patch, 0) / step) + 1 for size in sizes)


def timed(job: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a job."""
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def patch_seconds(network: nn.Module, channels: int, patch: int, repeats: int) -> float:
    """Time one patch through a network, after a first one that is not counted."""
    batch = torch.zeros(1, channels, patch, patch, patch)
    with torch.inference_mode():
        network.eval()(batch)
        return timed(partial(network, batch), repeats)


def registration_seconds(kind: str, repeats: int) -> float | None:
    """Time one registration by ANTs of the template's T2 to its T1, 8 degrees and 6 mm apart; None without ANTs."""
    if importlib.util.find_spec("ants") is None:
        return None
    ants = importlib.import_module("ants")
    middle = (np.array(FIELD) - 1) / 2
    here = np.eye(4)
    here[:3, 3] = atlas.brain().grid.centre - middle
    away = np.eye(4)
    away[:3, :3] = rotation(np.array([0.1, -0.05, 0.08]))
    away[:3, 3] = (6.0, -3.0, 2.0)
    grid = Grid(FIELD, here)
    fixed, moving = (
        ants.from_numpy(np.asarray(atlas.template(s).resample(grid, place).array, np.float32))
        for s, place in ((Sequence.T1, np.eye(4)), (Sequence.T2, away))
    )
    return timed(lambda: ants.registration(fixed, moving, type_of_transform=kind), repeats)


def chain(repeats: int) -> Iterator[Step]:
    """Measure the parts, and yield the steps."""
    rigid, affine = (registration_seconds(kind, repeats) for kind in ("Rigid", "Affine"))
    yield Step("three series to one", "ANTs, rigid", "a pair of images", rigid, SERIES_TO_ONE, True)
    yield Step("one series to MNI152", "ANTs, affine", "a pair of images", affine, 1, True)
    brain = np.asarray(atlas.brain().array, dtype=np.bool_)
    inside = tuple(along.stop - along.start for along in box_around(brain))
    for name, tool, channels, classes, sizes in (
        ("brain", "HD-BET", 1, 2, FIELD),
        ("tumour", "nnU-Net", 4, 4, inside),
    ):
        seconds = patch_seconds(PlainUNet(channels, classes), channels, NNUNET_PATCH, repeats)
        field = " x ".join(map(str, sizes))
        count = windows(sizes, NNUNET_PATCH, 0.5)
        what = f"a patch of {NNUNET_PATCH}; overlapping by half in {field}, not mirrored"
        yield Step(name, tool, what, seconds, count, False)
    seconds = patch_seconds(DenseUNet3d(3, **DENSE_SIZE), 3, DENSE_PATCH, repeats)
    field = " x ".join(map(str, inside))
    what = f"a patch of {DENSE_PATCH}; side by side in {field}, the published overlap is 75 %"
    count = windows(inside, DENSE_PATCH, 0.0)
    yield Step("IDH status by voxels", "Dense-UNet", what, seconds, count, False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(available_threads())
    torch.manual_seed(0)
    print(f"{available_threads()} threads, median of {arguments.repeats}\n")
    print("| Step | Tool | Times x seconds | Seconds | How known |\n| --- | --- | --- | --- | --- |")
    steps = []
    for step in chain(arguments.repeats):
        steps.append(step)
        print(step.row(), flush=True)
    left_out = "" if all(step.seconds is not None for step in steps) else ", without what was not measured"
    print(f"| the chain | | sum{left_out} | {sum(step.total for step in steps):.0f} | partly estimated |")


if __name__ == "__main__":
    main()
