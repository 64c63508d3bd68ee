"""From Model 1's probabilities to a brain mask and a tumour label map on the prepared grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.errors import InputError
from gliotype.prepare import atlas
from gliotype.segment.appearance import sharpen
from gliotype.segment.model1 import CLASSES, GRID, probabilities
from gliotype.study import Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Matrix, Volume

WHOLE_CUT = 0.5
"""Sharpened whole-tumour probability from which a voxel is tumour; chosen on development patients (model1.md)."""

FLUID_BRIGHT = (Sequence.T2, Sequence.FLAIR)
"""Sequences on which oedema and infiltration are bright; the network also looks at them alone."""

SPARE_MM = 2.0
"""Added around the brain that the network finds, so that no tumour at the cortex is cut off."""

REACH_MM = 10.0
"""How far beyond the atlas's brain, brought to the patient, a brain may reach; the orbits lie farther."""

MIN_VOLUME_ML = 1.0
"""A component smaller than this is not reported; glioma cohorts hold hardly any."""

MIN_PEAK = 0.8
"""A component whose probability nowhere exceeds this is not reported."""

MIN_SHARE = 0.1
"""A further component must hold this share of the largest one's volume."""


def find_brain(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
    """Find the brain, tumour included, with Model 1.

    Args:
        images: structural images on one grid, skull on.
        mni_from_world: affine transform of their world space to MNI152.

    Returns:
        Boolean mask on the images' grid: the largest connected component within `REACH_MM` of the atlas's brain,
        without holes, `SPARE_MM` wider.
    """
    grid = next(iter(images.values())).grid
    place = Volume(atlas.brain().array, np.linalg.inv(mni_from_world) @ atlas.brain().affine)
    outside = probabilities(images, mni_from_world, place)[CLASSES.index("outside")]
    inside = Volume(np.where(_reachable(), 1 - outside, 0), GRID.affine).resample(grid, mni_from_world)
    mask = np.asarray(inside.array) > 0.5
    if mask.any():
        parts, _ = ndimage.label(mask)
        mask = parts == np.bincount(parts.ravel())[1:].argmax() + 1
        mask = ndimage.binary_fill_holes(mask)
        mask = ndimage.distance_transform_edt(~mask, sampling=grid.spacing) <= SPARE_MM
    return Volume(np.asarray(mask, dtype=np.bool_), grid.affine)


@cache
def _reachable() -> NDArray[np.bool_]:
    """Mask the voxels of the network's grid within `REACH_MM` of the atlas's brain."""
    brain = np.asarray(atlas.brain().resample(GRID, order=0).array, dtype=np.bool_)
    return np.asarray(ndimage.distance_transform_edt(~brain, sampling=GRID.spacing) <= REACH_MM)


def segment(prepared: PreparedStudy) -> Tumour:
    """Find the tumour and its sub-regions with Model 1.

    The network looks at all sequences together and at `FLUID_BRIGHT` alone, and the higher whole-tumour
    probability counts: a faint tumour that T1 and T1c do not show is else talked away by them. That probability
    is sharpened by the patient's own appearance (`sharpen`). Voxels where it reaches `WHOLE_CUT` are tumour and
    take the most probable sub-region of all sequences together. Components are kept by the rules of
    `plausible_components`; when none is left, no tumour was found.
    """
    stripped = {
        s: image.with_array(np.where(prepared.brain.array, image.array, 0).astype(np.float32))
        for s, image in prepared.images.items()
    }
    regions = _regions(stripped, prepared)
    whole = regions.sum(axis=0)
    fluid_bright = {s: image for s, image in stripped.items() if s in FLUID_BRIGHT}
    if 0 < len(fluid_bright) < len(stripped):
        whole = np.maximum(whole, _regions(fluid_bright, prepared).sum(axis=0))
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    whole = whole * brain
    arrays = {s: np.asarray(image.array) for s, image in prepared.images.items()}
    sharp = sharpen(whole, arrays, brain, prepared.grid.spacing[0])
    components = plausible_components(sharp, whole, prepared.grid.voxel_ml)
    labels = np.where(components.kept, regions.argmax(axis=0) + 1, 0).astype(np.uint8)
    confidence = float(whole[components.kept].mean()) if components.kept.any() else None
    return Tumour(Volume(labels, prepared.grid.affine), "model1", confidence, components.warnings)


def _regions(images: Mapping[Sequence, Volume], prepared: PreparedStudy) -> NDArray[np.float32]:
    """Probability of each sub-region on the prepared grid, (3, i, j, k), as some of the images show it."""
    maps = probabilities(images, prepared.mni_from_prepared, prepared.brain)[2:]
    return np.stack(
        [Volume(m, GRID.affine).resample(prepared.grid, prepared.mni_from_prepared).array for m in maps]
    )


@dataclass(frozen=True, eq=False)
class Components:
    """Components of a probability map that may be tumour: their union, and what was left out."""

    kept: NDArray[np.bool_]
    warnings: tuple[str, ...]


def plausible_components(
    sharp: NDArray[np.floating], whole: NDArray[np.floating], voxel_ml: float
) -> Components:
    """Keep the connected components that are large and certain enough to be tumour.

    A component is kept when it holds at least `MIN_VOLUME_ML`, the network's probability reaches `MIN_PEAK` somewhere
    in it, and it holds at least `MIN_SHARE` of the largest one's summed probability (a second focus).

    Args:
        sharp: sharpened whole-tumour probability; it draws the components.
        whole: the network's; it tells how certain they are.
        voxel_ml: volume of a voxel.

    Example:
        >>> whole = np.zeros((20, 20, 20)); whole[2:8, 2:8, 2:8] = 0.9; whole[15, 15, 15] = 1.0
        >>> int(plausible_components(whole, whole, 0.01).kept.sum())
        216
    """
    parts, n = ndimage.label(sharp >= WHOLE_CUT)
    if n == 0:
        return Components(np.zeros(sharp.shape, np.bool_), ())
    numbers = np.arange(1, n + 1)
    volume = np.bincount(parts.ravel(), minlength=n + 1)[1:] * voxel_ml
    mass = ndimage.sum_labels(whole, parts, numbers)
    peak = ndimage.maximum(whole, parts, numbers)
    certain = (volume >= MIN_VOLUME_ML) & (peak >= MIN_PEAK)
    if not certain.any():
        largest = float(volume.max())
        note = f"a faint or small suspicion of {largest:.1f} ml was not taken for a tumour"
        return Components(np.zeros(sharp.shape, np.bool_), (note,))
    keep = certain & (mass >= MIN_SHARE * mass[certain].max())
    note = f"the tumour has {int(keep.sum())} separate parts" if keep.sum() > 1 else ""
    return Components(np.isin(parts, numbers[keep]), (note,) if note else ())


def given_tumour(mask: Volume, prepared: PreparedStudy) -> Tumour:
    """Take a tumour mask from the caller instead of Model 1's.

    Args:
        mask: label map or binary mask in the world space of the reference image. Labels 1, 2 and 3 are those of
            `Label`; 4 is read as enhancing (BraTS up to 2021). A mask of one value only is taken as whole tumour
            without sub-regions (`Label.CORE`).
        prepared: gives the grid.

    Raises:
        InputError: if the mask holds other labels or does not meet the images.
    """
    values = np.unique(np.asarray(mask.array))
    values = values[values != 0]
    known = np.array([Label.CORE, Label.OEDEMA, Label.ENHANCING, 4])
    labels = np.asarray(mask.array)
    if values.size == 1:
        labels = np.where(labels != 0, Label.CORE, 0)
    elif not np.isin(values, known).all():
        found = ", ".join(f"{v:g}" for v in values[:6])
        raise InputError(
            f"the mask holds the values {found}: give labels 1 (core), 2 (oedema) and 3 (enhancing)"
        )
    labels = np.where(labels == 4, Label.ENHANCING, labels).astype(np.uint8)
    moved = mask.with_array(labels).resample(prepared.grid, order=0)
    if values.size and not np.asarray(moved.array).any():
        raise InputError("the mask lies outside the images: give one in the space of the reference image")
    return Tumour(moved, "given")
