from __future__ import annotations

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.segment.model1 import CHANNELS, GRID, network_input, scale
from gliotype.segment.tumour import given_tumour, plausible_components
from gliotype.study import Label, PreparedStudy, Sequence
from gliotype.volume import Grid, Volume


def ball(shape: tuple[int, int, int], centre: tuple[int, int, int], radius: float) -> np.ndarray:
    index = np.indices(shape)
    return sum((i - c) ** 2 for i, c in zip(index, centre, strict=True)) < radius**2


def test_two_certain_foci_are_kept_and_specks_are_not() -> None:
    whole = np.zeros((60, 60, 60))
    whole[ball(whole.shape, (20, 20, 20), 10)] = 0.95
    whole[ball(whole.shape, (45, 40, 40), 7)] = 0.9
    whole[ball(whole.shape, (50, 10, 50), 2)] = 1.0
    found = plausible_components(whole, whole, 0.001)
    assert found.kept[20, 20, 20]
    assert found.kept[45, 40, 40]
    assert not found.kept[50, 10, 50]
    assert found.warnings == ("the tumour has 2 separate parts",)


def test_a_faint_suspicion_is_no_tumour_and_is_mentioned() -> None:
    whole = np.where(ball((40, 40, 40), (20, 20, 20), 8), 0.6, 0.0)
    found = plausible_components(whole, whole, 0.001)
    assert not found.kept.any()
    assert "was not taken for a tumour" in found.warnings[0]
    assert plausible_components(np.zeros((5, 5, 5)), np.zeros((5, 5, 5)), 0.001).warnings == ()


def test_scaling_ignores_what_lies_outside_the_brain_and_keeps_empty_space_empty() -> None:
    rng = np.random.default_rng(0)
    place = ball((40, 40, 40), (20, 20, 20), 12)
    image = np.where(place, rng.normal(500, 50, place.shape), 0).astype(np.float32)
    with_scalp = image.copy()
    with_scalp[ball(place.shape, (20, 20, 20), 17) & ~place] = 5000
    np.testing.assert_array_equal(scale(image, place)[place], scale(with_scalp, place)[place])
    assert (scale(image, place)[~place] == 0).all()
    assert not scale(np.full_like(image, 7.0), place).any()
    np.testing.assert_allclose(scale(3 * image, place), scale(image, place), atol=1e-4)


def test_the_network_sees_each_image_and_its_mirror_image() -> None:
    rng = np.random.default_rng(1)
    flair = rng.normal(100, 10, GRID.shape).astype(np.float32)
    stack = network_input({Sequence.FLAIR: flair}, np.ones(GRID.shape, bool))
    channel = CHANNELS.index(Sequence.FLAIR)
    np.testing.assert_array_equal(stack[channel + 4], stack[channel, ::-1])
    assert not np.delete(stack, [channel, channel + 4], axis=0).any()


def test_the_grid_is_symmetric_about_the_midline() -> None:
    x = GRID.world()[:, 0, 0, 0]
    np.testing.assert_allclose(x, -x[::-1])


@pytest.fixture
def prepared() -> PreparedStudy:
    grid = Grid((40, 50, 30), np.diag([1.0, 1, 1, 1]))
    image = Volume(np.ones(grid.shape, np.float32), grid.affine)
    return PreparedStudy(
        images={Sequence.FLAIR: image},
        brain=image.with_array(np.ones(grid.shape, bool)),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={Sequence.FLAIR: np.eye(4)},
        acquired_grids={Sequence.FLAIR: grid},
        reference=Sequence.FLAIR,
        skull_stripped=False,
    )


def test_a_given_mask_is_moved_by_its_affine_and_old_labels_are_understood(prepared: PreparedStudy) -> None:
    labels = np.zeros((20, 25, 30), np.uint8)
    labels[3:6, 4:9, 10:20] = 4
    labels[6:8, 4:9, 10:20] = 2
    flipped = Volume(labels[::-1], np.array([[-2.0, 0, 0, 38], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    tumour = given_tumour(flipped, prepared)
    assert tumour.labels.array[8, 12, 15] == Label.ENHANCING
    assert tumour.labels.array[13, 12, 15] == Label.OEDEMA
    assert not tumour.labels.array[30:].any()
    assert tumour.source == "given"


def test_a_mask_of_one_value_is_whole_tumour(prepared: PreparedStudy) -> None:
    mask = np.zeros((40, 50, 30), np.uint8)
    mask[5:9, 5:9, 5:9] = 255
    tumour = given_tumour(Volume(mask, np.eye(4)), prepared)
    assert set(np.unique(tumour.labels.array)) == {0, Label.CORE}


def test_masks_with_other_labels_or_elsewhere_are_refused(prepared: PreparedStudy) -> None:
    mask = np.zeros((40, 50, 30), np.float32)
    mask[5, 5, 5], mask[6, 6, 6] = 7, 9
    with pytest.raises(InputError, match="the mask holds the values 7, 9"):
        given_tumour(Volume(mask, np.eye(4)), prepared)
    away = np.eye(4)
    away[0, 3] = 500
    with pytest.raises(InputError, match="outside the images"):
        given_tumour(Volume((mask > 0).astype(np.uint8), away), prepared)
