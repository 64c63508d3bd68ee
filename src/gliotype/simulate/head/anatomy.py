"""Healthy heads: tissue maps of whole heads, and their random reshaping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.tissue import PARENCHYMA, Tissue
from gliotype.volume import Grid, Matrix, Volume

TURN_DEG = 5.0
"""Standard deviation of a reshaped head's turn about each axis."""
BEND_MM = 2.0
"""Standard deviation of its smooth displacement."""

_FREESURFER: dict[Tissue, tuple[int, ...]] = {
    Tissue.WHITE_MATTER: (2, 41, 7, 46, 85),
    Tissue.GREY_MATTER: (3, 42, 8, 47, 17, 53, 18, 54),
    Tissue.DEEP_GREY: (10, 49, 11, 50, 12, 51, 13, 52, 26, 58, 136, 137, 163, 164, 28, 60),
    Tissue.BRAINSTEM: (16,),
    Tissue.VENTRICLE: (4, 43, 5, 44, 14, 15, 72, 30, 62),
    Tissue.CSF: (24,),
    Tissue.MUSCLE: (507, 508, 512, 530),
    Tissue.SCALP: (511,),
    Tissue.BONE: (515,),
    Tissue.MARROW: (516,),
    Tissue.VESSEL: (502, 514),
    Tissue.EYE: (506,),
    Tissue.MUCOSA: (509,),
    Tissue.WM_LESION: (25, 57),
}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A healthy head.

    Attributes:
        tissue: uint8 codes of `Tissue`, in the head's own space.
        mni_from_world: affine transform from that space to MNI152, RAS mm.
    """

    tissue: Volume
    mni_from_world: Matrix

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Parenchyma, ventricles and the sulci between: the brain as an extractor would mask it."""
        return brain_mask(np.asarray(self.tissue.array), self.tissue.grid.spacing)


def brain_mask(tissue: NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Mask the brain of a tissue map: parenchyma and ventricles, with sulci closed over 4 mm."""
    inside = np.isin(tissue, [*PARENCHYMA, Tissue.VENTRICLE])
    steps = max(1, round(4.0 / float(np.mean(spacing_mm))))
    closed = ndimage.binary_closing(np.pad(inside, steps), iterations=steps)
    filled = ndimage.binary_fill_holes(closed[(slice(steps, -steps),) * 3])
    return np.asarray(filled & (tissue != Tissue.BONE), dtype=np.bool_)


def tissue_from_freesurfer(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Translate a whole-head label map (FreeSurfer numbers; 5xx outside the brain) to tissue codes.

    Labels without a translation become air.

    Example:
        >>> tissue_from_freesurfer(np.array([0, 2, 42, 24, 515]))
        array([0, 1, 2, 6, 9], dtype=uint8)
    """
    table = np.zeros(max(int(labels.max()), 600) + 1, np.uint8)
    for tissue, numbers in _FREESURFER.items():
        table[list(numbers)] = tissue
    return np.asarray(table[labels], dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Reshaping:
    """A random change of a head's shape, as a pull-back: points of the new head to points of the old.

    Attributes:
        old_from_new: affine part, RAS mm.
        displacement: smooth part in mm on the new grid, shape (3, i, j, k).
    """

    old_from_new: Matrix
    displacement: NDArray[np.float32]


def draw_reshaping(rng: np.random.Generator, grid: Grid, scale: float) -> Reshaping:
    """Draw a random affine and a smooth random deformation of a head.

    Args:
        rng: source of randomness.
        grid: of the new head.
        scale: standard deviation of the log-scale of each axis.
    """
    matrix = np.diag([*np.exp(scale * rng.standard_normal(3)), 1.0])
    for axis in range(3):
        angle = np.radians(TURN_DEG) * rng.standard_normal()
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    matrix[:3, 3] = 3.0 * rng.standard_normal(3)
    length = rng.uniform(25.0, 50.0) / float(np.mean(grid.spacing))
    strength = BEND_MM * min(abs(rng.standard_normal()), 2.0)
    bend = strength * np.stack([smooth_noise(rng, grid.shape, length) for _ in range(3)])
    return Reshaping(matrix, bend.astype(np.float32))


def reshape(
    tissue: Volume,
    old_from_world: Matrix,
    grid: Grid,
    reshaping: Reshaping,
    push: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Read a tissue map on a grid through a reshaping (nearest neighbour).

    Args:
        tissue: the map.
        old_from_world: transform from the space of `grid` to that of `tissue`, RAS mm.
        grid: where tissue is wanted.
        reshaping: random change of shape, in the space of `grid`.
        push: a further pull-back displacement in mm, shape (3, i, j, k), such as a mass effect.
    """
    index_from_world = np.linalg.inv(tissue.affine) @ old_from_world @ reshaping.old_from_new
    world = np.moveaxis(grid.world(), -1, 0).astype(np.float32) + reshaping.displacement
    if push is not None:
        world += push
    index = np.einsum("ab,bijk->aijk", index_from_world[:3, :3].astype(np.float32), world, optimize=True)
    index += index_from_world[:3, 3].astype(np.float32)[:, None, None, None]
    return np.asarray(
        ndimage.map_coordinates(tissue.array, index, order=0, mode="constant", cval=0), dtype=np.uint8
    )
