"""The sub-regions of a tumour: a second network, which looks at the box around the outline that Model 1 drew.

Model 1 looks at the whole head on a grid of 2 mm. This network looks at the tumour alone, on a grid of 1.25 mm, or as
fine as the tumour allows, and is given the outline. The same input is built here for training and for use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import box_around
from gliotype.runtime import Network, load_network
from gliotype.segment.model1 import CHANNELS, scale
from gliotype.study import Label, PreparedStudy, Sequence
from gliotype.volume import Box, Grid, Volume

SHIPPED = "subregions.onnx"
"""File name of the shipped weight."""

SHAPE = (80, 80, 64)
"""Voxels of the network's grid."""

FINEST_MM = 1.25
"""Spacing of that grid where the tumour and its margin fit."""

MARGIN_MM = 5.0
"""What the network sees on each side of the tumour at least."""

REGIONS = (Label.CORE, Label.OEDEMA, Label.ENHANCING)
"""Order of the network's output channels."""

MIN_AROUND = 1000
"""Voxels of brain around the outline that suffice to scale images by; with fewer, the tumour counts as well."""


def box_grid(mask: NDArray[np.bool_], grid: Grid) -> Grid:
    """Place the network's grid around a mask.

    Args:
        mask: not empty.
        grid: on which it lies, isotropic; its axes are kept.

    Example:
        >>> mask = np.zeros((200, 60, 40), bool); mask[10:190, 20:30, 20:30] = True
        >>> box_grid(mask, Grid(mask.shape, np.eye(4))).spacing
        (2.375, 2.375, 2.375)
    """
    box = box_around(mask)
    step = grid.spacing[0]
    extent_mm = [(along.stop - along.start) * step + 2 * MARGIN_MM for along in box]
    spacing_mm = max(FINEST_MM, *(mm / n for mm, n in zip(extent_mm, SHAPE, strict=True)))
    affine = grid.affine.copy()
    affine[:3, :3] *= spacing_mm / step
    middle = grid.affine @ [*((along.start + along.stop - 1) / 2 for along in box), 1.0]
    affine[:3, 3] = middle[:3] - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return Grid(SHAPE, affine)


def network_input(
    images: Mapping[Sequence, NDArray[np.float32]], outline: NDArray[np.bool_], brain: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Stack images, scaled within the brain around the outline, and the outline.

    Args:
        images: per sequence, 0 outside the brain; missing sequences are left out.
        outline: of the whole tumour, on the same grid.
        brain: where the brain is, on the same grid.

    Returns:
        float32 array (5, i, j, k); channels of missing sequences are 0.
    """
    around = brain & ~outline
    region = around if np.count_nonzero(around) >= MIN_AROUND else brain
    empty = np.zeros(outline.shape, np.float32)
    scaled = [scale(images[s], region) if s in images else empty for s in CHANNELS]
    return np.stack([*scaled, outline.astype(np.float32)])


def see_subregions(mask: NDArray[np.bool_], prepared: PreparedStudy, box: Box) -> NDArray[np.float32]:
    """Run the network on the tumour's box.

    Args:
        mask: the whole tumour, on the prepared grid; not empty.
        prepared: gives the images.
        box: where the result is wanted.

    Returns:
        Probabilities of `REGIONS` in the box of the prepared grid, (3, i, j, k).
    """
    grid = box_grid(mask, prepared.grid)
    brain = np.asarray(prepared.brain.resample(grid, order=0).array, dtype=np.bool_)
    outline = np.asarray(Volume(mask, prepared.grid.affine).resample(grid).array) >= 0.5
    images = {
        s: np.asarray(image.resample(grid).array) * brain
        for s, image in prepared.images.items()
        if s in CHANNELS
    }
    seen = _network()(network_input(images, outline, brain)[None])[0]
    part = prepared.grid.part(box)
    return np.stack([np.asarray(Volume(p, grid.affine).resample(part).array) for p in seen])


def most_probable(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Choose between oedema and the core with enhancing tumour first, and then within the core.

    Args:
        probabilities: of `REGIONS`, (3, ...), up to a common factor.

    Returns:
        Labels (`Label`).

    Example:
        >>> most_probable(np.array([[0.3], [0.4], [0.3]], np.float32)).tolist()
        [1]
    """
    core, oedema, enhancing = probabilities
    within = np.where(enhancing > core, np.uint8(Label.ENHANCING), np.uint8(Label.CORE))
    return np.where(core + enhancing > oedema, within, np.uint8(Label.OEDEMA))


def load() -> None:
    """Load the network ahead of its first use."""
    _network()


@cache
def _network() -> Network:
    return load_network(SHIPPED)
