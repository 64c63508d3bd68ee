from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from gliotype import masks
from gliotype.atlas import atlas
from gliotype.prepare import atlas_brain
from gliotype.prepare.brain import atlas_brain_in_patient, brain_of
from gliotype.study import Sequence
from gliotype.volume import Matrix, Volume
from support.template_head import AXIAL, head, moved, tumour_in

TO_MNI = moved((-8.0, 3.0, 5.0), (3.0, -6.0, 8.0)) @ np.diag([1.1, 1.05, 1.05, 1.0])
GRID = AXIAL.bounding(3.0)
BIGGER = np.diag([1.06, 1.06, 1.06, 1.0])
"""An affine that is wrong by 6 %: some 4 mm at the surface."""


def dice(one: Volume | np.ndarray, other: Volume | np.ndarray) -> float:
    return masks.dice(
        *(np.asarray(v.array if isinstance(v, Volume) else v, dtype=bool) for v in (one, other))
    )


@pytest.fixture(scope="module")
def images() -> dict[Sequence, Volume]:
    return {s: head(s, GRID, TO_MNI, seed=n) for n, s in enumerate((Sequence.T1C, Sequence.FLAIR))}


@pytest.fixture(scope="module")
def truth(images: dict[Sequence, Volume]) -> Volume:
    return atlas_brain_in_patient(images, TO_MNI)


def test_the_surface_moves_to_the_brain_when_the_affine_is_a_little_wrong(
    images: dict[Sequence, Volume], truth: Volume
) -> None:
    wrong = BIGGER @ TO_MNI
    assert dice(atlas_brain_in_patient(images, wrong), truth) < 0.93
    assert dice(atlas_brain(images, wrong), truth) > 0.955


def test_a_dark_tumour_at_the_surface_stays_inside(truth: Volume) -> None:
    x, y, z = np.moveaxis(GRID.world() @ TO_MNI[:3, :3].T + TO_MNI[:3, 3], -1, 0)
    inside = np.asarray(truth.array, dtype=bool)
    tumour = inside & (np.linalg.norm(np.stack([x - 55, y - 5, z - 30]), axis=0) < 24)
    t1 = head(Sequence.T1, GRID, TO_MNI)
    dark = t1.with_array(np.where(tumour, np.float32(70), t1.array))
    found = np.asarray(atlas_brain({Sequence.T1: dark}, TO_MNI).array)
    assert tumour.sum() * GRID.voxel_ml > 25
    assert (tumour & ~found).sum() < 0.01 * tumour.sum()


def test_nothing_is_brain_where_no_image_reaches(images: dict[Sequence, Volume]) -> None:
    cropped = {
        s: v.with_array(np.where(np.arange(v.array.shape[2]) > 33, 0, v.array)) for s, v in images.items()
    }
    found = np.asarray(atlas_brain(cropped, TO_MNI).array)
    assert found[:, :, 27].any()
    assert not found[:, :, 34:].any()


def test_the_support_is_taken_where_the_skull_was_removed(
    images: dict[Sequence, Volume], truth: Volume
) -> None:
    def never(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
        raise AssertionError("no finder is needed")

    found = brain_of(images, TO_MNI, truth, never)
    assert found.mask is truth
    assert found.agreement == 1.0
    assert not found.warnings


def test_a_finder_that_fails_is_noticed(images: dict[Sequence, Volume], truth: Volume) -> None:
    def failing(images: Mapping[Sequence, Volume], mni_from_world: Matrix) -> Volume:
        return truth.with_array(tumour_in(GRID, TO_MNI))

    found = brain_of(images, TO_MNI, None, failing)
    assert dice(found.mask, truth) > 0.94
    assert "was not found" in found.warnings[0]
    assert brain_of(images, TO_MNI, None, lambda *_: truth).mask is truth


def test_the_atlas_brain_is_where_the_tumour_is(images: dict[Sequence, Volume]) -> None:
    found = np.asarray(atlas_brain(images, TO_MNI).array)
    assert found[tumour_in(GRID, TO_MNI)].all()
    assert atlas.brain().grid.shape != found.shape
