"""Model 2's input: a flip, a wrong slice or a leak of the tumour into the scale must fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conftest import oblique_affine
from gliotype.masks import within_mm
from gliotype.predictors.slices import IMAGES, NUMBERS, OFFSETS_MM, numbers_of, slices_of
from gliotype.study import Measurements, Outline, PreparedStudy, Sequence, Subject, Tumour
from gliotype.volume import Grid, Volume
from support.factory import make_result

GRID = Grid((190, 220, 170), np.array([[1, 0, 0, -95], [0, 1, 0, -120], [0, 0, 1, -70], [0, 0, 0, 1.0]]))


def study(
    mni_from_prepared: np.ndarray, sequences: tuple[Sequence, ...] = IMAGES
) -> tuple[PreparedStudy, Tumour]:
    """A brain whose brightness rises to the right, anterior and up, with a tumour at MNI (30, -20, 40)."""
    mni = Volume(np.zeros(GRID.shape, np.float32), mni_from_prepared @ GRID.affine).grid.world()
    brain = (mni[..., 0] / 70) ** 2 + ((mni[..., 1] + 18) / 85) ** 2 + ((mni[..., 2] - 10) / 65) ** 2 < 1
    ramp = 1 + 0.004 * mni[..., 0] + 0.002 * mni[..., 1] + 0.001 * mni[..., 2]
    tumour = ((mni - [30, -20, 40]) ** 2).sum(axis=-1) < 15**2
    image = np.where(brain, np.where(tumour, 9.0, ramp), 0).astype(np.float32)
    volume = Volume(image, GRID.affine)
    prepared = replace(
        make_result().prepared,
        images=dict.fromkeys(sequences, volume),
        brain=volume.with_array(brain | tumour),
        mni_from_prepared=mni_from_prepared,
    )
    return prepared, Tumour(volume.with_array(tumour.astype(np.uint8)), "given")


@pytest.mark.slow
def test_slices_lie_where_they_say_whatever_the_patient_s_pose() -> None:
    oblique = oblique_affine((1.0, 1.0, 1.0), (3.0, -4.0, 2.0))
    turned = oblique[:3, :3] @ np.diag(1 / np.linalg.norm(oblique[:3, :3], axis=0))
    if np.linalg.det(turned) < 0:
        turned = turned @ np.diag([-1, 1, 1])
    straight = np.eye(4)
    small = np.eye(4)
    small[:3, :3] = 0.1 * turned + 0.9 * np.eye(3)
    for mni_from_prepared in (straight, small):
        prepared, tumour = study(mni_from_prepared)
        slices = slices_of(prepared, tumour)
        world = slices.grid.world()
        assert abs(world[0, 0, 2, 2] - 40) <= 1.5, "the middle slice has the largest section"
        np.testing.assert_allclose(world[0, 0, :, 2] - world[0, 0, 2, 2], OFFSETS_MM)
        mask = slices.array[2, -1] > 0
        middle = world[:, :, 2][mask].mean(axis=0)
        np.testing.assert_allclose(middle[:2], [30, -20], atol=1.5)
        inside = ((world[:, :, 2, :2] - [30, -20]) ** 2).sum(axis=-1) < 11**2
        assert (slices.array[2, 0][inside] > 0.95).all(), "the tumour is bright"
        healthy = slices.array[2, 0]
        right, left = healthy[90, 64], healthy[36, 64]
        assert right > left, "the patient's right stays at the larger x"
        assert healthy[64, 90] > healthy[64, 40], "anterior stays at the larger y"


@pytest.mark.slow
def test_the_scale_does_not_see_the_tumour() -> None:
    prepared, tumour = study(np.eye(4))
    brighter = {
        s: image.with_array(np.where(tumour.mask, 90.0, image.array).astype(np.float32))
        for s, image in prepared.images.items()
    }
    first = slices_of(prepared, tumour).array
    second = slices_of(replace(prepared, images=brighter), tumour).array
    outside = first[:, -1] == 0
    away = np.abs(first[:, 0] - second[:, 0])[outside]
    assert np.quantile(away, 0.98) < 1e-5  # all but the rim that interpolation mixes


@pytest.mark.slow
def test_a_missing_sequence_is_zero() -> None:
    prepared, tumour = study(np.eye(4), (Sequence.FLAIR,))
    slices = slices_of(prepared, tumour).array
    assert not slices[:, 0].any()
    assert not slices[:, 1].any()
    assert slices[:, 2].any()


def test_missing_numbers_are_nan() -> None:
    numbers = numbers_of(Measurements(shape={"Sphericity": 0.6}, loci={"Frontal": None}), Subject("a"))
    named = dict(zip(NUMBERS, numbers, strict=True))
    assert named["Sphericity"] == 0.6
    assert np.isnan(named["Frontal"])
    assert np.isnan(named["age"])


@pytest.mark.slow
def test_the_same_tumour_has_the_same_slices_and_another_study_has_others() -> None:
    prepared, tumour = study(np.eye(4), (Sequence.FLAIR,))
    first = slices_of(prepared, tumour)
    assert slices_of(prepared, tumour) is first
    darker = {s: image.with_array(np.asarray(image.array) ** 2) for s, image in prepared.images.items()}
    assert (slices_of(replace(prepared, images=darker), tumour).array != first.array).any()


@pytest.mark.slow
def test_other_outlines_of_a_tumour_see_its_images_and_their_own_mask() -> None:
    prepared, tumour = study(np.eye(4), (Sequence.FLAIR,))
    wider = Outline("wider", within_mm(tumour.mask, 3.0, prepared.grid.spacing))
    first, other = slices_of(prepared, tumour), slices_of(prepared, tumour.drawn_as(wider))
    np.testing.assert_array_equal(other.grid.affine, first.grid.affine)
    np.testing.assert_array_equal(other.array[:, :-1], first.array[:, :-1])
    assert other.array[:, -1].sum() > first.array[:, -1].sum()
    on_its_own = slices_of(prepared, replace(tumour.drawn_as(wider), drawn=None))
    assert (on_its_own.array[:, :-1] != first.array[:, :-1]).any()
