"""From Model 1's probabilities to a brain mask and a tumour label map on the prepared grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.errors import InputError
from gliotype.masks import box_around, dice, within_mm
from gliotype.runtime import in_parallel
from gliotype.segment.appearance import Appearance
from gliotype.segment.candidates import CandidateFeatures, CandidateModel, candidate_features, candidate_model
from gliotype.segment.model1 import (
    CLASSES,
    GRID,
    NetworkPass,
    expected_brain_region,
    on_network_grid,
    run_network,
    run_once,
)
from gliotype.segment.outlines import draw_looks, plausible_outlines
from gliotype.segment.regions import refine_regions
from gliotype.segment.subregions import most_probable, see_subregions
from gliotype.segment.tidying import part_at_necks, tidying
from gliotype.study import Label, Outline, PreparedStudy, Sequence, Tumour
from gliotype.volume import Box, Grid, Matrix, Volume

Part = TypeVar("Part", bound=np.generic)

WHOLE_THRESHOLD = 0.5
"""Sharpened whole-tumour probability at or above which a voxel is tumour; chosen on development patients."""

FLUID_BRIGHT = (Sequence.T2, Sequence.FLAIR)
"""Sequences on which oedema and infiltration are bright; the network also looks at them alone."""

PASSES = ("all sequences together", "T2 and FLAIR alone")
"""What the network is shown, pass by pass."""

SPARE_MM = 2.0
"""Added around the brain that the network finds, so that no tumour at the cortex is cut off."""

REACH_MM = 10.0
"""How far a brain may extend beyond the atlas's, transformed to the patient; parts of the orbits lie within it."""

MIN_VOLUME_ML = 1.0
"""A component smaller than this is not reported; glioma cohorts hold hardly any."""

MIN_PEAK = 0.8
"""A component whose probability nowhere exceeds this is not reported."""

MIN_RELATIVE_MASS = 0.1
"""A further component must hold this fraction of the largest one's summed probability."""

BOX_MARGIN = 4
"""Voxels of the prepared grid around the brain that count when its images are brought to the network's grid."""

NOT_TAKEN = "A faint or small region of {:.1f} ml was not taken for a tumour."
"""Reported when something looked like tumour and no candidate was accepted or doubtful."""

PERHAPS_TUMOUR = (
    "A doubtful region of {:.1f} ml may be a tumour: look at the images, and give an outline with --mask if it is "
    "one."
)
"""What is said where no candidate was accepted, but some are doubtful."""

NOT_FLUID_BRIGHT = (
    "The study has neither T2 nor FLAIR: without them, tumours are missed wholly or in large part."
)
"""What is said where all `FLUID_BRIGHT` sequences are missing."""


WHOLE_ALONE = (
    "The given mask has one value: it is taken for the whole tumour, whose sub-regions are not known."
)
"""What is said of a mask without sub-regions."""


def find_brain(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
    """Find the brain, tumour included, with Model 1, in one pass of the image without its mirror image.

    Args:
        images: structural images on one grid, skull on.
        mni_from_world: affine transform of their world space to MNI152.

    Returns:
        Boolean mask on the images' grid: the largest connected component within `REACH_MM` of the atlas's brain,
        without holes, `SPARE_MM` wider.
    """
    grid = next(iter(images.values())).grid
    brain_region = Volume(atlas.brain().array, np.linalg.inv(mni_from_world) @ atlas.brain().affine)
    outside = run_once(*on_network_grid(images, mni_from_world, brain_region))[CLASSES.index("outside")]
    inside = Volume(np.where(_reachable(), 1 - outside, 0), GRID.affine).resample(grid, mni_from_world)
    mask = np.asarray(inside.array) > 0.5
    if mask.any():
        parts, _ = ndimage.label(mask)
        mask = parts == np.bincount(parts.ravel())[1:].argmax() + 1
        box = box_around(mask)
        mask[box] = ndimage.binary_fill_holes(mask[box])
        mask = within_mm(mask, SPARE_MM, grid.spacing)
    return Volume(np.asarray(mask, dtype=np.bool_), grid.affine)


@cache
def _reachable() -> NDArray[np.bool_]:
    """Mask the voxels of the network's grid within `REACH_MM` of the atlas's brain."""
    return within_mm(expected_brain_region(), REACH_MM, GRID.spacing)


def segment(prepared: PreparedStudy) -> Tumour:
    """Find the tumour and its sub-regions with Model 1.

    Of the candidates (`find_candidates`) those are tumour that `select_candidates` accepts; their voxels take the
    sub-region that is most probable in the mean of Model 1 and the second stage (`see_subregions`), and
    `refine_regions` draws enhancing tumour again. When none is left, no tumour was found. Every drawing is tidied
    (`tidying`).
    """
    box = _brain_box(prepared)
    inner = prepared.cropped(box)
    _ON_NETWORK_GRID[inner] = strip_to_network_grid(prepared)
    candidates = find_candidates(inner)
    selection = select_candidates(candidates, candidate_model())
    images = {s: np.asarray(image.array) for s, image in inner.images.items()}
    tidy = tidying(inner)
    mask = tidy(selection.mask)
    labels = _labels(mask, candidates.regions, inner)
    found = bool(mask.any())
    confidence = float(candidates.whole[mask].mean()) if found else None
    blind = () if any(s in prepared.images for s in FLUID_BRIGHT) else (NOT_FLUID_BRIGHT,)
    drawn = np.asarray(labels > 0)
    looks = draw_looks(
        drawn,
        views=candidates.views,
        images=images,
        brain=np.asarray(inner.brain.array, dtype=np.bool_),
        spacing_mm=prepared.grid.spacing[0],
        threshold=WHOLE_THRESHOLD,
        tidy=tidy,
    )
    return Tumour(
        Volume(_put_back(labels, box, prepared.grid), prepared.grid.affine),
        "model1",
        confidence,
        tuple(
            Outline(each.name, _put_back(each.mask, box, prepared.grid))
            for each in plausible_outlines(drawn, candidates.sharp, looks, tidy)
        ),
        {name: dice(mask, drawn) for name, mask in looks.items()},
        doubts=() if found else selection.doubts + blind,
        warnings=selection.warnings + (blind if found else ()),
    )


def _labels(
    mask: NDArray[np.bool_], regions: NDArray[np.float32], prepared: PreparedStudy
) -> NDArray[np.uint8]:
    """Give each voxel of the tumour its sub-region, from the probabilities of Model 1 and of the second stage."""
    labels = np.zeros(mask.shape, np.uint8)
    if mask.any():
        box = box_around(mask, BOX_MARGIN)
        part = prepared.cropped(box)
        first = np.stack([_up(region, part) for region in regions])
        first /= np.maximum(first.sum(axis=0), 1e-6)
        seen = most_probable(first + see_subregions(mask, prepared, box))
        images = {s: np.asarray(image.array) for s, image in part.images.items()}
        drawn = np.where(mask[box], seen, 0).astype(np.uint8)
        labels[box] = refine_regions(drawn, images, prepared.grid.spacing[0])
    return labels


def _brain_box(prepared: PreparedStudy) -> Box:
    """Box of the brain with the margin that smoothing reaches; the whole grid where there is no brain."""
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    return box_around(brain if brain.any() else np.ones_like(brain), BOX_MARGIN)


def _put_back(part: NDArray[Part], box: Box, grid: Grid) -> NDArray[Part]:
    """Put a part of a grid where it was; the rest is 0."""
    whole = np.zeros(grid.shape, part.dtype)
    whole[box] = part
    return whole


@dataclass(frozen=True, eq=False)
class Candidate:
    """A component that is large and certain enough to be accepted or rejected by its features.

    Attributes:
        number: in `TumourCandidates.parts`.
        mass: summed whole-tumour probability of its voxels.
        features: by which it is accepted or rejected.
    """

    number: int
    mass: float
    features: CandidateFeatures


@dataclass(frozen=True, eq=False)
class TumourCandidates:
    """All that looks like tumour, on the prepared grid.

    Attributes:
        regions: the network's probability of each sub-region in all sequences together, (3, i, j, k) on its own grid.
        whole: its whole-tumour probability.
        sharp: that probability, sharpened by the patient's own appearance.
        views: whole-tumour probability of single network passes and mirror sides, by name.
        parts: numbers of the connected components, 0 elsewhere.
        largest_ml: volume of the largest component.
        candidates: components to be weighed.
    """

    regions: NDArray[np.float32]
    whole: NDArray[np.float32]
    sharp: NDArray[np.float32]
    views: Mapping[str, NDArray[np.float32]]
    parts: NDArray[np.int32]
    largest_ml: float
    candidates: tuple[Candidate, ...]


def find_candidates(prepared: PreparedStudy) -> TumourCandidates:
    """Find the components that look like tumour.

    The network looks at all sequences together and at `FLUID_BRIGHT` alone, and the higher whole-tumour
    probability counts: T1 and T1c without a sign of tumour would otherwise hide one that is faint on T2 and FLAIR.
    That probability is sharpened by the patient's own appearance (`Appearance`). Components are drawn where it reaches
    `WHOLE_THRESHOLD`, and parted at their necks (`part_at_necks`); candidates are those of at least `MIN_VOLUME_ML`
    with a probability of at least `MIN_PEAK`.
    """
    passes = _run_passes(prepared)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    straight, mirrored = (
        in_parallel(lambda probabilities: _whole(probabilities, prepared), each)
        for each in ([one.straight for one in passes], [one.mirrored for one in passes])
    )
    seen = [(one + other) / 2 for one, other in zip(straight, mirrored, strict=True)]
    whole = np.maximum.reduce(seen)
    arrays = {s: np.asarray(image.array) for s, image in prepared.images.items()}
    sharp = Appearance.of(arrays, brain, prepared.grid.spacing[0]).sharpen(whole)
    regions = passes[0].mean[2:]
    parts, n = part_at_necks(sharp >= WHOLE_THRESHOLD, whole >= MIN_PEAK, prepared.grid.spacing)
    volumes = np.bincount(parts.ravel(), minlength=n + 1)[1:] * prepared.grid.voxel_ml
    found = tuple(_candidates(parts, volumes, whole, passes, prepared))
    views = {
        **(dict(zip(PASSES, seen, strict=True)) if len(seen) > 1 else {}),
        "as seen": np.maximum.reduce(straight),
        "mirrored": np.maximum.reduce(mirrored),
    }
    return TumourCandidates(regions, whole, sharp, views, parts, float(volumes.max(initial=0.0)), found)


def _whole(probabilities: NDArray[np.float32], prepared: PreparedStudy) -> NDArray[np.float32]:
    """Whole-tumour probability within the brain on the prepared grid, from those of `CLASSES` on the network's."""
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    return np.asarray(_up(probabilities[2:].sum(axis=0), prepared) * brain)


def _run_passes(prepared: PreparedStudy) -> list[NetworkPass]:
    """Look at all sequences, and at those alone on which oedema is bright, where these are some of them."""
    images, brain = strip_to_network_grid(prepared)
    fluid_bright = {s: image for s, image in images.items() if s in FLUID_BRIGHT}
    inputs = [images, fluid_bright] if 0 < len(fluid_bright) < len(images) else [images]
    return [run_network(some, brain) for some in inputs]


def strip_to_network_grid(
    prepared: PreparedStudy,
) -> tuple[dict[Sequence, NDArray[np.float32]], NDArray[np.bool_]]:
    """Return the images without all that is not brain, and the brain, both on the network's grid.

    Model 1, T2-net and TS-net look at the same arrays, which are not to be changed: they are made once for a study.
    """
    if prepared not in _ON_NETWORK_GRID:
        inner = prepared.cropped(_brain_box(prepared))
        stripped = {
            s: image.with_array(np.where(inner.brain.array, image.array, 0).astype(np.float32))
            for s, image in inner.images.items()
        }
        made = on_network_grid(stripped, inner.mni_from_prepared, inner.brain)
        for array in (*made[0].values(), made[1]):
            array.flags.writeable = False
        _ON_NETWORK_GRID[prepared] = made
    return _ON_NETWORK_GRID[prepared]


_ON_NETWORK_GRID: WeakKeyDictionary[
    PreparedStudy, tuple[dict[Sequence, NDArray[np.float32]], NDArray[np.bool_]]
] = WeakKeyDictionary()


def _up(array: NDArray[np.float32], prepared: PreparedStudy) -> NDArray[np.float32]:
    """Bring a map from the network's grid to the prepared one."""
    return np.asarray(Volume(array, GRID.affine).resample(prepared.grid, prepared.mni_from_prepared).array)


def _candidates(
    parts: NDArray[np.int32],
    volumes: NDArray[np.floating],
    whole: NDArray[np.float32],
    passes: list[NetworkPass],
    prepared: PreparedStudy,
) -> Iterator[Candidate]:
    """Yield the components that are large and certain enough, with their features."""
    if not len(volumes):
        return
    numbers = np.arange(1, len(volumes) + 1)
    marked = parts > 0
    probabilities, number_of = whole[marked], parts[marked]
    peaks = np.asarray(ndimage.maximum(probabilities, number_of, numbers))
    enough = (volumes >= MIN_VOLUME_ML) & (peaks >= MIN_PEAK)
    if not enough.any():
        return
    weighed = Volume(np.where(np.r_[False, enough][parts], parts, 0), prepared.grid.affine)
    seen = weighed.resample(GRID, np.linalg.inv(prepared.mni_from_prepared), order=0).array
    masses = ndimage.sum_labels(probabilities, number_of, numbers)
    for number in numbers[enough]:
        part = seen == number
        if part.any():
            features = candidate_features(part, seen > 0, float(volumes[number - 1]), passes)
            yield Candidate(int(number), float(masses[number - 1]), features)


@dataclass(frozen=True, eq=False)
class Selection:
    """Which voxels are tumour, and what is to be said about the others.

    Attributes:
        mask: voxels of the selected candidates.
        doubts: where there are none, why there may be a tumour nevertheless.
        warnings: one sentence each.
    """

    mask: NDArray[np.bool_]
    doubts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def select_candidates(candidates: TumourCandidates, model: CandidateModel) -> Selection:
    """Select the accepted candidates that have at least `MIN_RELATIVE_MASS` of the mass of the largest one."""
    accepted = [c for c in candidates.candidates if model.accepts(c.features)]
    if not accepted:
        nothing = np.zeros(candidates.parts.shape, np.bool_)
        doubtful = [
            float(np.exp(c.features.log_volume))
            for c in candidates.candidates
            if model.is_doubtful(c.features)
        ]
        if doubtful:
            return Selection(nothing, doubts=(PERHAPS_TUMOUR.format(max(doubtful)),))
        not_taken = (NOT_TAKEN.format(candidates.largest_ml),) if candidates.largest_ml else ()
        return Selection(nothing, warnings=not_taken)
    largest = max(c.mass for c in accepted)
    selected = [c.number for c in accepted if c.mass >= MIN_RELATIVE_MASS * largest]
    mask = np.isin(candidates.parts, selected)
    separate = ndimage.label(mask)[1] if len(selected) > 1 else 1
    warnings = (f"The tumour has {separate} separate parts.",) if separate > 1 else ()
    return Selection(mask, warnings=warnings)


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
    return Tumour(moved, "given", warnings=(WHOLE_ALONE,) if values.size == 1 else ())
