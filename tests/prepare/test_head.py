from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.prepare.head import head_mask, is_stripped, shrink, support, zero_background
from gliotype.study import Sequence
from gliotype.volume import Volume
from support.template_head import AXIAL, head


@cache
def stripped(sequence: Sequence, empty: float = 0.0) -> Volume:
    """A head on thick slices whose skull was removed (by the template's mask, made a little smaller)."""
    image = head(sequence)
    brain = np.asarray(atlas.brain().resample(AXIAL, order=0).array, dtype=np.bool_)
    return image.with_array(np.where(brain, np.asarray(image.array) + 1, empty).astype(np.float32))


@pytest.mark.parametrize("sequence", [Sequence.T1C, Sequence.T2, Sequence.FLAIR])
def test_a_removed_skull_is_recognised_in_every_contrast(sequence: Sequence) -> None:
    assert is_stripped(stripped(sequence))
    assert not is_stripped(head(sequence))


def test_a_head_before_a_zeroed_background_is_not_taken_for_a_brain() -> None:
    image = head(Sequence.T1)
    inside = head_mask(image)
    assert not is_stripped(image.with_array(np.where(inside, image.array, 0)))


def test_another_background_than_zero_is_recognised_and_removed() -> None:
    image = stripped(Sequence.T1, empty=-50.0)
    assert is_stripped(image)
    level = zero_background(image)
    outside = ~support(image)
    assert np.abs(np.asarray(level.array)[outside]).max() == 0
    assert np.asarray(level.array).min() >= 0


def test_the_support_is_the_brain_without_holes() -> None:
    brain = np.asarray(atlas.brain().resample(AXIAL, order=0).array, dtype=np.bool_)
    image = stripped(Sequence.T1)
    with_cyst = np.asarray(image.array).copy()
    with_cyst[95:105, 100:110, 12:15] = 0
    found = support(image.with_array(with_cyst))
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.99
    assert found[95:105, 100:110, 12:15].all()


def test_a_magnitude_image_is_not_changed() -> None:
    image = head(Sequence.T1)
    assert np.array_equal(zero_background(image).array, image.array)


@pytest.mark.slow
def test_a_signed_inversion_recovery_image_gets_black_air_and_dark_csf() -> None:
    image = head(Sequence.T1)
    signal = np.asarray(image.array)
    inside = head_mask(image)
    signed = image.with_array(np.where(inside, signal - 110.0, 0.0) * 4 + 700)  # air 700, CSF far below it
    level = np.asarray(zero_background(signed).array)
    assert np.median(level[~inside]) == 0
    white = np.asarray(atlas.tissue(atlas.Tissue.WHITE).resample(AXIAL).array) > 0.9
    csf = np.asarray(atlas.tissue(atlas.Tissue.CSF).resample(AXIAL).array) > 0.9
    assert np.median(level[white]) > 2 * np.median(level[csf]) > 0


def test_the_head_is_found_in_noise() -> None:
    quiet, loud = head_mask(head(Sequence.T2, noise=1.0)), head_mask(head(Sequence.T2, noise=12.0))
    assert 2 * (quiet & loud).sum() / (quiet.sum() + loud.sum()) > 0.97
    assert not quiet[:, :, 13].all()
    empty = Volume(np.zeros((20, 20, 20), np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))
    assert not head_mask(empty).any()


@pytest.mark.parametrize("unit", [1e-4, 1e-2, 1e4])
def test_the_head_does_not_depend_on_the_unit_of_the_intensities(unit: float) -> None:
    image = head(Sequence.T2, noise=4.0)
    scaled = image.with_array(np.asarray(image.array, np.float32) * np.float32(unit))
    assert (head_mask(scaled) != head_mask(image)).mean() < 1e-4


def test_shrinking_keeps_place_and_mean(phantom: Volume) -> None:
    small = shrink(phantom, 4.0)
    assert min(small.grid.spacing) > 3
    assert np.linalg.norm(small.grid.centre - phantom.grid.centre) < 2.0
    assert np.isclose(np.asarray(small.array).mean(), np.asarray(phantom.array).mean(), rtol=0.02)
