"""Heads made from the templates, with a tumour on the right, at known places in space."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.study import Image, Sequence, Study, Subject
from gliotype.volume import Grid, Matrix, Volume

TUMOUR_CENTRE = (38.0, 20.0, 22.0)
"""MNI152, right frontal: the template is symmetric, the tumour is what a flip would move."""
TUMOUR_RADIUS = 17.0
TUMOUR_SIGNAL = {Sequence.T1: 0.7, Sequence.T1C: 0.8, Sequence.T2: 1.9, Sequence.FLAIR: 1.6}
"""Over white matter."""

AXIAL = Grid(
    (200, 230, 27), np.array([[-0.95, 0, 0, 95], [0, 0.95, 0, -125], [0, 0, 6.0, -68], [0, 0, 0, 1.0]])
)
"""A clinical axial grid: 6 mm slices, stored from the patient's right to left."""


def moved(angles_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> Matrix:
    """A rigid transform: turns about x, y and z in turn, then a shift."""
    matrix = np.eye(4)
    for axis, degrees in enumerate(angles_deg):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        matrix = turn @ matrix
    matrix[:3, 3] = shift_mm
    return matrix


def tumour_in(grid: Grid, mni_from_world: Matrix) -> np.ndarray:
    """Where the tumour is on a grid."""
    mni = grid.world() @ mni_from_world[:3, :3].T + mni_from_world[:3, 3]
    return np.asarray(np.linalg.norm(mni - TUMOUR_CENTRE, axis=-1) < TUMOUR_RADIUS)


def head(
    sequence: Sequence,
    grid: Grid = AXIAL,
    mni_from_world: Matrix | None = None,
    noise: float = 2.0,
    seed: int = 0,
) -> Volume:
    """A head with a tumour, as a scanner would see it at a place given by `mni_from_world`."""
    place = np.eye(4) if mni_from_world is None else np.asarray(mni_from_world, dtype=np.float64)
    image = _without_noise(sequence, grid.shape, grid.affine.tobytes(), place.tobytes())
    rng = np.random.default_rng(seed)
    return Volume(np.abs(image + rng.normal(0, noise, image.shape)).astype(np.float32), grid.affine)


@cache
def _without_noise(
    sequence: Sequence, shape: tuple[int, int, int], affine: bytes, mni_from_world: bytes
) -> np.ndarray:
    grid = Grid(shape, np.frombuffer(affine).reshape(4, 4))
    place = np.frombuffer(mni_from_world).reshape(4, 4)
    template = atlas.template(sequence)
    signal = np.asarray(template.array, dtype=np.float32)
    white = float(np.median(signal[np.asarray(atlas.tissue(atlas.Tissue.WHITE).array) > 0.95]))
    image = np.asarray(template.with_array(signal).resample(grid, place).array).copy()
    image[tumour_in(grid, place)] = TUMOUR_SIGNAL[sequence] * white
    image.flags.writeable = False
    return image


def write_small_study(folder: Path, mask: Path) -> None:
    """Write a T2 of few voxels and the mask of its tumour: the study that takes the command least time."""
    grid = atlas.brain().grid.bounding(4.0)
    t2 = head(Sequence.T2, grid)
    nib.save(nib.Nifti1Image(np.asarray(t2.array, np.float32), t2.affine), folder / "AX_T2.nii.gz")
    nib.save(nib.Nifti1Image(tumour_in(grid, np.eye(4)).astype(np.uint8), t2.affine), mask)


def study_of(volumes: dict[Sequence, Volume]) -> Study:
    """A study of images that the caller names."""
    images = tuple(Image(v, s, 1.0, "given", f"{s}.nii.gz") for s, v in volumes.items())
    return Study(Subject("phantom"), images)


def brain_points() -> np.ndarray:
    """Points spread over the brain, MNI152."""
    inside = np.argwhere(ndimage.binary_erosion(np.asarray(atlas.brain().array)[::6, ::6, ::6])) * 6
    return np.asarray(inside @ atlas.brain().affine[:3, :3].T + atlas.brain().affine[:3, 3])


def mean_distance(one: Matrix, other: Matrix, points: np.ndarray) -> float:
    """Mean distance between the places to which two transforms carry points."""
    change = one - other
    return float(np.linalg.norm(points @ change[:3, :3].T + change[:3, 3], axis=1).mean())
