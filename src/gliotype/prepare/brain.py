"""The brain mask: found by a network or by fitting the atlas, or given where the skull was removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from gliotype.atlas import atlas
from gliotype.errors import InputError
from gliotype.masks import dice
from gliotype.prepare.head import shrink
from gliotype.prepare.intensity import likely_white, white_matter_level
from gliotype.runtime import side_by_side
from gliotype.study import Sequence
from gliotype.volume import Matrix, Volume

BrainFinder = Callable[[Mapping[Sequence, Volume], Matrix], Volume]
"""Maps images on one grid, and the affine from their world to MNI152, to a boolean brain mask on that grid."""

MIN_AGREEMENT = 0.75
"""Dice with the atlas's brain, within the images' field, below which a found brain is not believed."""

INWARD_MM, OUTWARD_MM = 10, 8
"""How far the atlas's surface may move."""
INSIDE_MM, OUTSIDE_MM = 6, 3
"""Thickness of the layers that are compared beneath and above the surface."""
SPARE_MM = 1.0
"""Added outside the surface found, so that no tumour at the cortex is cut off."""
STIFFNESS = 0.003
"""Price of moving the surface, in contrast per square millimetre."""


@dataclass(frozen=True, eq=False)
class FoundBrain:
    """A brain mask, how far it agrees with the atlas's (Dice), and what went wrong with it."""

    mask: Volume
    agreement: float
    warnings: tuple[str, ...] = ()


def brain_of(
    images: Mapping[Sequence, Volume], mni_from_world: Matrix, support: Volume | None, find_brain: BrainFinder
) -> FoundBrain:
    """Find the brain, tumour included.

    Args:
        images: on one grid.
        mni_from_world: affine transform of their world to MNI152.
        support: the brain where the skull was removed already, else None.
        find_brain: used where the skull is there.

    Returns:
        The support, or the found brain if it agrees with the atlas's, or else the atlas's with a warning.
    """
    mask, expected = side_by_side(
        lambda: support if support is not None else find_brain(images, mni_from_world),
        lambda: atlas_brain_in_patient(images, mni_from_world),
    )
    agreement = dice(*(np.asarray(brain.array, dtype=np.bool_) for brain in (mask, expected)))
    if support is None and agreement < MIN_AGREEMENT:
        note = f"The brain was not found (overlap with the atlas {agreement:.2f}): the atlas's brain is used instead."
        return FoundBrain(atlas_brain(images, mni_from_world), agreement, (note,))
    return FoundBrain(mask, agreement)


def atlas_brain_in_patient(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
    """Bring the atlas's brain mask to the patient as it is, within the field of the images."""
    image = next(iter(images.values()))
    in_patient = atlas.brain().resample(image.grid, mni_from_world, order=0)
    return image.with_array(np.asarray(in_patient.array, dtype=np.bool_) & _has_signal(images))


def atlas_brain(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
    """Fit the atlas's brain to the patient, within the field of the images.

    The atlas's surface moves along its normal, by up to 10 mm inward and 8 mm outward, to where the
    tissue beneath it (6 mm) is brightest against what lies above it (3 mm): bone, and CSF in T1 and
    FLAIR. Intensities count up to that of white matter, so that neither scalp nor fat is brighter than
    brain, and are averaged over the sequences. The shift varies slowly over the surface (Gaussian of 10 mm),
    so a tumour of any signal beneath it stays inside.

    Args:
        images: on one grid; zero where an image has no data.
        mni_from_world: affine transform of their world to MNI152.

    Returns:
        Boolean mask on the images' grid.
    """
    shell = _shell()
    here = apply_affine(np.linalg.inv(mni_from_world), shell.points)
    rough = atlas_brain_in_patient(images, mni_from_world)
    white = likely_white(rough.grid, mni_from_world)
    readings = [_bright(image, white_matter_level(image, rough, white), here) for image in images.values()]
    known = np.any([reading > 0 for reading in readings], axis=0)
    shift = _surface_shift(shell, np.mean(readings, axis=0), known)
    level = np.array(shell.distance.array, dtype=np.float32)
    level[shell.near] -= shift[shell.cell] + SPARE_MM
    fitted = shell.distance.with_array(ndimage.gaussian_filter(level, 1.0))
    image = next(iter(images.values()))
    inside = np.asarray(fitted.resample(image.grid, mni_from_world, outside=99.0).array) < 0
    return image.with_array(inside & _has_signal(images))


@dataclass(frozen=True, eq=False)
class _Shell:
    """The surroundings of the atlas's brain surface, in MNI152.

    Attributes:
        distance: signed distance from the surface in mm, negative inside, on a 2 mm grid.
        near: which of its voxels lie within reach of the surface.
        points: world coordinates of these voxels.
        depth: their distance in whole mm, counted from 0 at the innermost.
        cell: for each of them, the nearest surface patch.
        blend: weights with which patches lend each other their shift.
    """

    distance: Volume
    near: NDArray[np.bool_]
    points: NDArray[np.float64]
    depth: NDArray[np.intp]
    cell: NDArray[np.intp]
    blend: NDArray[np.float64]


@cache
def _shell() -> _Shell:
    brain = atlas.brain()
    fraction = shrink(brain, 2.0)
    mask = np.asarray(fraction.array) >= 0.5
    outward, inward = (
        ndimage.distance_transform_edt(m, sampling=fraction.grid.spacing) for m in (~mask, mask)
    )
    values = np.where(mask, 1.0 - inward, outward - 1.0).astype(np.float32)
    distance = fraction.with_array(values)
    near = (values >= -INWARD_MM - INSIDE_MM) & (values < OUTWARD_MM + OUTSIDE_MM)
    points = apply_affine(fraction.affine, np.argwhere(near))
    surface = apply_affine(fraction.affine, np.argwhere(np.abs(values) <= 1.0))
    patches = surface[np.random.default_rng(0).permutation(len(surface))[:1500]]
    blend = np.exp(-cdist(patches, patches, "sqeuclidean") / (2 * 10.0**2))
    return _Shell(
        distance=distance,
        near=near,
        points=points,
        depth=np.floor(values[near] + INWARD_MM + INSIDE_MM).astype(np.intp),
        cell=KDTree(patches).query(points)[1],
        blend=blend,
    )


def _bright(image: Volume, white: float, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read an image at world points, as a fraction of white matter, at most 1."""
    index = apply_affine(np.linalg.inv(image.affine), points)
    values = ndimage.map_coordinates(np.asarray(image.array), index.T, order=1, prefilter=False)
    return np.asarray(np.clip(values / max(white, 1e-6), 0.0, 1.0), dtype=np.float64)


def _surface_shift(
    shell: _Shell, brightness: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Find by how many mm each patch of the surface moves outward."""
    patches, layers = len(shell.blend), INWARD_MM + INSIDE_MM + OUTWARD_MM + OUTSIDE_MM
    bin_index = shell.cell * layers + shell.depth
    shape = (patches, layers)
    nearby = shell.blend**2.8  # a Gaussian of 6 mm

    def sum_layers(what: NDArray[np.float64]) -> NDArray[np.float64]:
        layered = np.bincount(bin_index, what, patches * layers).reshape(shape)
        return np.asarray(np.pad((nearby @ layered).cumsum(axis=1), ((0, 0), (1, 0))), dtype=np.float64)

    total, count = sum_layers(brightness * known), sum_layers(known.astype(np.float64))
    shifts = np.arange(-INWARD_MM, OUTWARD_MM + 1)
    at = shifts + INWARD_MM + INSIDE_MM
    beneath = _mean_between(total, count, at - INSIDE_MM, at)
    above = _mean_between(total, count, at, at + OUTSIDE_MM)
    contrast = beneath - above - STIFFNESS * shifts**2
    weight = np.maximum(contrast.max(axis=1), 0.0)
    wanted = shifts[contrast.argmax(axis=1)]
    return np.asarray((shell.blend @ (weight * wanted)) / (shell.blend @ (weight + 0.02)))


def _mean_between(
    total: NDArray[np.float64], count: NDArray[np.float64], first: NDArray[np.intp], last: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Average layers first to last (exclusive) from running sums."""
    return np.asarray((total[:, last] - total[:, first]) / np.maximum(count[:, last] - count[:, first], 1e-9))


def _has_signal(images: Mapping[Sequence, Volume]) -> NDArray[np.bool_]:
    """Tell where any image has signal."""
    return np.asarray(np.any([np.asarray(image.array) != 0 for image in images.values()], axis=0))


def brain_with_signal(
    name: str, reference: Volume, brain: Volume, series_from_prepared: Matrix, min_signal: float
) -> NDArray[np.bool_]:
    """Bring the brain to the grid of a series, and leave out voxels without signal.

    Args:
        name: of the series, for the error.
        reference: image on the grid of the series.
        brain: boolean mask on the prepared grid.
        series_from_prepared: rigid transform, world of the prepared grid to that of the series (RAS mm).
        min_signal: fraction of the brain's median signal at or below which a voxel holds none.

    Returns:
        Mask on the grid of the series.

    Raises:
        InputError: if the series lies outside the brain.
    """
    prepared_from_series = np.asarray(np.linalg.inv(series_from_prepared))
    fraction = brain.with_array(np.asarray(brain.array, dtype=np.float32)).resample(
        reference.grid, prepared_from_series
    )
    inside = np.asarray(fraction.array) >= 0.5
    if not inside.any():
        raise InputError(f"{name} lies outside the brain: check that it is of the same patient")
    signal = np.asarray(reference.array)
    return np.asarray(inside & (signal > max(min_signal * float(np.median(signal[inside])), 0.0)))
