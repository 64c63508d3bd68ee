"""A patient's images on Model 1's grid and the true tumour in one array: what voxel-wise networks learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import box_around
from gliotype.predictors.voxelwise import PATCH, TS_NET, scaled_images
from gliotype.segment.model1 import CLIP, GRID
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.study import PreparedStudy
from gliotype.volume import Box, Volume

VOXELS = "voxels"
"""Name of the input array."""

STEPS_PER_UNIT = 25.0
"""Scaled intensities are stored as whole numbers of this fineness, from the lower end of `CLIP`."""

Packed = NDArray[np.uint8]


def pack(images: NDArray[np.float32], tumour: NDArray[np.bool_], brain: NDArray[np.bool_]) -> Packed:
    """Pack scaled images and the true tumour into one array of bytes, cut to the brain.

    Args:
        images: (3, i, j, k) as `scaled_images` stacks them for `TS_NET`.
        tumour: true whole tumour.
        brain: mask.

    Returns:
        (4, i, j, k) with at least `PATCH` voxels along each axis; the tumour comes last.
    """
    whole_numbers = np.round((np.clip(images, *CLIP) - CLIP[0]) * STEPS_PER_UNIT).astype(np.uint8)
    box = _at_least_a_patch(box_around(brain | tumour), tumour.shape)
    return np.concatenate([whole_numbers[(slice(None), *box)], tumour[box][None].astype(np.uint8)])


def unpack(packed: Packed) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return images and tumour as `pack` packed them.

    Example:
        >>> images = np.linspace(-4, 6, 3 * 32**3, dtype=np.float32).reshape(3, 32, 32, 32)
        >>> everywhere = np.ones((32, 32, 32), bool)
        >>> again, tumour = unpack(pack(images, everywhere, everywhere))
        >>> bool(np.abs(again - images).max() <= 0.0201), bool(tumour.all())
        (True, True)
    """
    return packed[:-1].astype(np.float32) / STEPS_PER_UNIT + CLIP[0], packed[-1] > 0


def _at_least_a_patch(box: Box, shape: tuple[int, ...]) -> Box:
    """Widen a box to `PATCH` voxels along each axis, within the grid."""
    i, j, k = (
        _widened(part, PATCH, size) if part.stop - part.start < PATCH else part
        for part, size in zip(box, shape, strict=True)
    )
    return i, j, k


def _widened(part: slice, length: int, size: int) -> slice:
    """Widen a slice evenly to a length, within 0 and a size."""
    start = int(np.clip((part.start + part.stop - length) // 2, 0, size - length))
    return slice(start, start + length)


def voxels_of(prepared: PreparedStudy, tumour: NDArray[np.bool_]) -> Packed:
    """Bring a prepared study and its whole tumour to the networks' grid and pack them.

    Args:
        prepared: the study.
        tumour: mask on the prepared grid.
    """
    images, brain = strip_to_network_grid(prepared)
    to_grid = np.linalg.inv(prepared.mni_from_prepared)
    mask = Volume(tumour.astype(np.uint8), prepared.grid.affine).resample(GRID, to_grid, order=0)
    return pack(scaled_images(images, brain, TS_NET), np.asarray(mask.array) > 0, brain)
