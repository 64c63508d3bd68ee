"""Prepare a study: all structural images side by side on one 1 mm grid, brain masked, intensities scaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gliotype.prepare import atlas
from gliotype.prepare.bias import corrected
from gliotype.prepare.brain import BrainFinder, brain_of
from gliotype.prepare.head import Mask, brain_support
from gliotype.prepare.intensity import scaled_to_white_matter
from gliotype.prepare.register import Alignment, Pair, Side, affine, rigid
from gliotype.study import STRUCTURAL, Image, PreparedStudy, Sequence, Study
from gliotype.volume import Grid, Matrix, Volume

SPACING_MM = 1.0
MARGIN_MM = 15.0
"""The prepared grid reaches this far beyond the atlas's brain."""


@dataclass(frozen=True, eq=False)
class _Alignments:
    """How the images of a study lie to each other and to MNI152."""

    acquired_from_reference: dict[Sequence, Matrix]
    mni_from_reference: Matrix
    quality: dict[str, float]
    warnings: tuple[str, ...]


def prepare(study: Study, find_brain: BrainFinder) -> PreparedStudy:
    """Register, mask, correct and scale the structural images of a study.

    Args:
        study: with at least one of T1, T1C, T2 and FLAIR.
        find_brain: finds the brain of heads with their skull; see `BrainFinder`.

    Returns:
        The images on a 1 mm RAS+ grid that shares the reference image's world space. What went less than well is
        in `PreparedStudy.warnings`, with numbers in `PreparedStudy.quality`.
    """
    chosen = {s: image for s in STRUCTURAL if (image := study.chosen.get(s)) is not None}
    reference = study.reference
    supports = {s: brain_support(image.volume) for s, image in chosen.items()}
    stripped = supports[reference] is not None
    aligned = _align(chosen, reference, supports)
    grid = prepared_grid(chosen[reference].volume.grid, aligned.mni_from_reference)
    raw = {s: _on_grid(image.volume, grid, aligned.acquired_from_reference[s]) for s, image in chosen.items()}
    support = None if not stripped else _support_on_grid(chosen[reference].volume, supports[reference], grid)
    brain = brain_of(raw, aligned.mni_from_reference, support, find_brain)
    images = {
        s: scaled_to_white_matter(corrected(image, brain.mask), brain.mask, aligned.mni_from_reference)
        for s, image in raw.items()
    }
    return PreparedStudy(
        images=images,
        brain=brain.mask,
        mni_from_prepared=aligned.mni_from_reference,
        acquired_from_prepared=aligned.acquired_from_reference,
        acquired_grids={s: image.volume.grid for s, image in chosen.items()},
        reference=reference,
        skull_stripped=stripped,
        quality=aligned.quality | {"brain agreement with the atlas": brain.agreement},
        warnings=aligned.warnings + brain.warnings,
    )


def _align(
    chosen: Mapping[Sequence, Image], reference: Sequence, supports: Mapping[Sequence, Mask | None]
) -> _Alignments:
    """Align every image to the reference, and the reference to the template of each contrast together."""
    sides = {s: Side.of(image.volume, supports[s]) for s, image in chosen.items()}
    quality: dict[str, float] = {}
    warnings: list[str] = []
    acquired: dict[Sequence, Matrix] = {reference: np.eye(4)}
    for sequence in [s for s in chosen if s is not reference]:
        if _registered_before(chosen, sequence, reference, supports):
            acquired[sequence] = np.eye(4)
            continue
        found = rigid(sides[reference], sides[sequence])
        acquired[sequence] = found.moving_from_fixed
        _record(found, f"{sequence} to {reference}", quality, warnings)
    pairs = [
        Pair(sides[s], _template_side(s, supports[s] is not None), None if s is reference else acquired[s])
        for s in (reference, *(s for s in chosen if s is not reference))
        if (supports[s] is None) == (supports[reference] is None)
    ]
    to_mni = affine(pairs)
    _record(to_mni, f"{reference} to MNI152", quality, warnings)
    return _Alignments(acquired, to_mni.moving_from_fixed, quality, tuple(warnings))


def _registered_before(
    chosen: Mapping[Sequence, Image], one: Sequence, other: Sequence, supports: Mapping[Sequence, Mask | None]
) -> bool:
    """Tell whether two images were registered and skull-stripped already: one grid, and no skull on either."""
    same = chosen[one].volume.grid.same_as(chosen[other].volume.grid)
    return same and supports[one] is not None and supports[other] is not None


def _record(found: Alignment, name: str, quality: dict[str, float], warnings: list[str]) -> None:
    quality[f"{name}: similarity"] = round(found.similarity, 4)
    quality[f"{name}: overlap"] = round(found.overlap, 4)
    if found.doubts:
        warnings.append(
            f"the registration of {name} is doubtful ({'; '.join(found.doubts)}): look at the report"
        )


def _template_side(sequence: Sequence, stripped: bool) -> Side:
    template = atlas.template(sequence)
    if not stripped:
        return Side.of(template)
    brain = np.asarray(atlas.brain().array, dtype=np.bool_)
    return Side.of(template.with_array(np.where(brain, template.array, 0)), brain)


def prepared_grid(reference: Grid, mni_from_world: Matrix) -> Grid:
    """Make the 1 mm RAS+ grid that covers the reference image's field around the brain.

    Args:
        reference: grid of the reference image.
        mni_from_world: affine transform of its world to MNI152; it says where the brain is.
    """
    whole = reference.bounding(SPACING_MM)
    brain = np.argwhere(np.asarray(atlas.brain().array))
    low, high = brain.min(axis=0) - MARGIN_MM, brain.max(axis=0) + MARGIN_MM  # the atlas has 1 mm voxels
    corners = np.array(
        [[x, y, z, 1] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    world = (np.linalg.inv(mni_from_world) @ atlas.brain().affine @ corners.T)[:3].T
    index = (world - whole.affine[:3, 3]) / SPACING_MM
    first = np.clip(np.floor(index.min(axis=0)), 0, np.array(whole.shape) - 1).astype(int)
    last = np.clip(np.ceil(index.max(axis=0)), first, np.array(whole.shape) - 1).astype(int)
    affine = whole.affine.copy()
    affine[:3, 3] += first * SPACING_MM
    i, j, k = (last - first + 1).tolist()
    return Grid((i, j, k), affine)


def _on_grid(image: Volume, grid: Grid, acquired_from_prepared: Matrix) -> Volume:
    """Read an acquired image on the prepared grid, without negative values."""
    moved = image.resample(grid, acquired_from_prepared)
    return moved.with_array(np.maximum(moved.array, np.float32(0)))


def _support_on_grid(image: Volume, support: Mask | None, grid: Grid) -> Volume:
    moved = image.with_array(np.asarray(support, dtype=np.uint8)).resample(grid, order=0)
    return moved.with_array(np.asarray(moved.array) > 0)
