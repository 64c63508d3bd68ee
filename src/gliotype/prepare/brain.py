"""The brain mask: from a network where the skull is there, and from the image where it was removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gliotype.prepare import atlas
from gliotype.study import Sequence
from gliotype.volume import Matrix, Volume

BrainFinder = Callable[[Mapping[Sequence, Volume], Matrix], Volume]
"""Maps images on one grid, and the affine from their world to MNI152, to a boolean brain mask on that grid."""

LEAST_AGREEMENT = 0.75
"""Dice with the atlas's brain, within the images' field, below which a found brain is not believed."""


@dataclass(frozen=True, eq=False)
class FoundBrain:
    """A brain mask, how far it agrees with the atlas's (Dice), and what went wrong with it."""

    mask: Volume
    agreement: float
    warnings: tuple[str, ...] = ()


def atlas_brain(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
    """Bring the atlas's brain to the patient, within the field of the images.

    It covers the outer CSF spaces, so it holds the brain and some of its surroundings.
    """
    image = next(iter(images.values()))
    brought = atlas.brain().resample(image.grid, mni_from_world, order=0)
    seen = np.any([np.asarray(each.array) != 0 for each in images.values()], axis=0)
    return image.with_array(np.asarray(brought.array, dtype=np.bool_) & seen)


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
    expected = atlas_brain(images, mni_from_world)
    mask = support if support is not None else find_brain(images, mni_from_world)
    agreement = _dice(mask, expected)
    if support is None and agreement < LEAST_AGREEMENT:
        note = f"the brain was not found (overlap with the atlas {agreement:.2f}): the atlas's brain is used instead"
        return FoundBrain(expected, agreement, (note,))
    return FoundBrain(mask, agreement)


def _dice(one: Volume, other: Volume) -> float:
    a, b = (np.asarray(v.array, dtype=np.bool_) for v in (one, other))
    return float(2 * (a & b).sum() / max(1, int(a.sum()) + int(b.sum())))
