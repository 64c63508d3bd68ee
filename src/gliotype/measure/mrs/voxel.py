"""What the measured box holds: how much of it is tumour, and how much is brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from gliotype.mrs import Floats
from gliotype.study import PreparedStudy, Tumour
from gliotype.volume import Grid

SAMPLES = 24
"""Points along each edge of the box at which the images are looked at."""


@dataclass(frozen=True)
class BoxContent:
    """What a box holds.

    Attributes:
        tumour: part of it that is tumour, 0 to 1.
        brain: part of it that is brain, tumour included.
    """

    tumour: float
    brain: float


def sample_points(voxel: Grid) -> Floats:
    """Return evenly spread points of a box, (points, 3), RAS mm.

    Example:
        >>> points = sample_points(Grid((1, 1, 1), np.diag([20.0, 20.0, 20.0, 1.0])))
        >>> points.shape, points.min().round(1), points.max().round(1)
        ((13824, 3), np.float64(-9.6), np.float64(9.6))
    """
    line = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    return np.asarray(
        apply_affine(voxel.affine, np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3))
    )


def box_content(voxel: Grid, prepared: PreparedStudy, tumour: Tumour) -> BoxContent:
    """Look at what a box holds.

    The box lies where its header has it, in the space of the reference image: a spectrum cannot be registered.

    Args:
        voxel: the box in scanner coordinates (RAS mm).
        prepared: images on the 1 mm grid.
        tumour: label map on the same grid.
    """
    index = apply_affine(np.linalg.inv(prepared.grid.affine), sample_points(voxel)).T

    def part(mask: np.ndarray) -> float:
        return float(ndimage.map_coordinates(mask.astype(np.uint8), index, order=0, mode="constant").mean())

    inside, brain = tumour.mask, np.asarray(prepared.brain.array, dtype=np.bool_)
    return BoxContent(part(inside), part(inside | brain))
