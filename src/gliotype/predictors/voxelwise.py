"""What T2-net and TS-net share between training and use: the grid, the patches, and the vote of the voxels.

After Bangalore Yogananda 2020 (Neuro-Oncology 22:402): a network gives each voxel the probabilities of background,
IDH-mutant tumour and IDH-wildtype tumour. Both tumour classes together are the tumour (dual-volume fusion), small
components are dropped, and the remaining voxels vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.runtime import Network
from gliotype.segment.model1 import GRID, scale
from gliotype.study import Sequence
from gliotype.volume import Box

PATCH = 32
"""Voxels of a patch along each axis."""

CLASSES = ("background", "mutant", "wildtype")
"""Order of the networks' output channels."""

T2_NET: tuple[Sequence, ...] = (Sequence.T2,)
TS_NET: tuple[Sequence, ...] = (Sequence.T2, Sequence.FLAIR, Sequence.T1C)
"""Order of the networks' image channels."""

MIN_RELATIVE_SIZE = 0.1
"""A further component must hold this fraction of the largest one's voxels."""

Images = NDArray[np.float32]
Probabilities = NDArray[np.float32]


def scaled_images(
    images: Mapping[Sequence, NDArray[np.float32]],
    brain: NDArray[np.bool_],
    sequences: tuple[Sequence, ...],
) -> Images:
    """Stack scaled images in the network's order.

    Args:
        images: per sequence, on `gliotype.segment.model1.GRID`, 0 outside the brain.
        brain: mask on the same grid.
        sequences: `T2_NET` or `TS_NET`.

    Returns:
        (sequences, i, j, k); 0 where a sequence is missing.
    """
    nothing = np.zeros(GRID.shape, np.float32)
    return np.stack([scale(images[s], brain) if s in images else nothing for s in sequences])


def patch_boxes(shape: tuple[int, ...], around: Box, step: int) -> Iterator[Box]:
    """Yield the boxes of overlapping patches that cover a part of a grid.

    Args:
        shape: of the grid, at least `PATCH` along each axis.
        around: the part to be covered.
        step: voxels between neighbouring patches; a quarter of `PATCH` is the published overlap of 75 %.

    Example:
        >>> boxes = list(patch_boxes((40, 32, 64), (slice(0, 40), slice(4, 20), slice(40, 64)), 16))
        >>> [tuple(part.start for part in box) for box in boxes]
        [(0, 0, 32), (8, 0, 32)]
    """
    starts = []
    for size, part in zip(shape, around, strict=True):
        last = size - PATCH
        first = min(max(part.start - (PATCH - (part.stop - part.start)) // 2, 0), part.start, last)
        end = min(max(part.stop - PATCH, first), last)
        starts.append(sorted({*range(first, end, step), end}))
    for i in starts[0]:
        for j in starts[1]:
            for k in starts[2]:
                yield tuple(slice(n, n + PATCH) for n in (i, j, k))


def class_probabilities(network: Network, images: Images, around: Box, step: int) -> Probabilities:
    """Run a network on overlapping patches and take the mean where they overlap.

    Patches count less towards their border, where they see least.

    Args:
        network: maps (1, channels, 32, 32, 32) to probabilities of `CLASSES`, (1, 3, 32, 32, 32).
        images: as `scaled_images` stacks them.
        around: the part of the grid to be covered.
        step: voxels between neighbouring patches.

    Returns:
        (3, i, j, k); background where no patch lies.
    """
    ramp = np.minimum(np.arange(PATCH) + 1, np.arange(PATCH)[::-1] + 1).astype(np.float32)
    weight = np.einsum("i,j,k->ijk", ramp, ramp, ramp)
    total = np.zeros((len(CLASSES), *images.shape[1:]), np.float32)
    weights = np.zeros(images.shape[1:], np.float32)
    for box in patch_boxes(images.shape[1:], around, step):
        total[(slice(None), *box)] += weight * network(images[(slice(None), *box)][None])[0]
        weights[box] += weight
    total /= np.maximum(weights, 1e-6)
    total[0, weights == 0] = 1.0
    return total


@dataclass(frozen=True, eq=False)
class Vote:
    """The vote of the tumour's voxels.

    Attributes:
        tumour: mask of those that vote.
        mutant: how many vote for IDH-mutant.
        wildtype: how many vote for IDH-wildtype.
    """

    tumour: NDArray[np.bool_]
    mutant: int
    wildtype: int

    @property
    def share(self) -> float | None:
        """Share of votes for IDH-mutant; None where nobody votes."""
        n = self.mutant + self.wildtype
        return self.mutant / n if n else None

    @property
    def log_odds(self) -> float:
        """Logit of the share, with one voter added to each side; NaN where nobody votes.

        Example:
            >>> Vote(np.ones((2, 2, 1), bool), 3, 1).log_odds == np.log(4 / 2)
            True
        """
        return float(np.log((self.mutant + 1) / (self.wildtype + 1))) if self.share is not None else float("nan")

    @property
    def call(self) -> str | None:
        """``mutant`` or ``wildtype`` by the majority, as published; None in a tie or where nobody votes."""
        if self.mutant == self.wildtype:
            return None
        return "mutant" if self.mutant > self.wildtype else "wildtype"


def count_votes(probabilities: Probabilities) -> Vote:
    """Fuse both tumour classes, drop small components, and count what the remaining voxels vote for.

    Args:
        probabilities: of `CLASSES`, (3, i, j, k).
    """
    tumour = probabilities[1:].sum(axis=0) > 0.5
    parts, n = ndimage.label(tumour)
    sizes = np.bincount(parts.ravel(), minlength=n + 1)
    sizes[0] = 0
    tumour = (sizes >= max(MIN_RELATIVE_SIZE * sizes.max(), 1))[parts]
    for_mutant = tumour & (probabilities[1] > probabilities[2])
    for_wildtype = tumour & (probabilities[2] > probabilities[1])
    return Vote(tumour, int(for_mutant.sum()), int(for_wildtype.sum()))
