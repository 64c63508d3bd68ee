from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.segment import tumour
from gliotype.segment.model1 import CHANNELS, GRID, NetworkPass, network_input, scale
from gliotype.segment.tidying import close_gaps, leave_out_thin, part_at_necks
from gliotype.segment.tumour import find_candidates, given_tumour, segment
from gliotype.study import Label, PreparedStudy, Sequence
from gliotype.volume import Grid, Volume


def ball(shape: tuple[int, int, int], centre: tuple[int, int, int], radius: float) -> np.ndarray:
    index = np.indices(shape)
    return sum((i - c) ** 2 for i, c in zip(index, centre, strict=True)) < radius**2


def flair_alone(flair: Volume, brain: np.ndarray) -> PreparedStudy:
    """A prepared study that has a FLAIR only."""
    return PreparedStudy(
        images={Sequence.FLAIR: flair},
        brain=flair.with_array(brain),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={Sequence.FLAIR: np.eye(4)},
        acquired_grids={Sequence.FLAIR: flair.grid},
        reference=Sequence.FLAIR,
        skull_stripped=False,
    )


@pytest.fixture
def two_balls(monkeypatch: pytest.MonkeyPatch) -> PreparedStudy:
    """A study in which the network sees an asymmetric tumour, and a faint and a small candidate next to it."""
    image = np.zeros(GRID.shape, np.float32)
    says = np.zeros((5, *GRID.shape), np.float32)
    brain = ball(GRID.shape, (40, 48, 40), 36)
    for centre, radius, probability in (
        ((26, 50, 44), 8, 0.95),
        ((56, 40, 40), 7, 0.6),
        ((54, 70, 40), 2, 1.0),
    ):
        there = ball(GRID.shape, centre, radius)
        image[there], says[3][there] = 2.0, probability
    seen = NetworkPass(network_input({}, brain), brain, says, says, frozenset({Sequence.FLAIR}))
    seen.stack[CHANNELS.index(Sequence.FLAIR)] = image
    monkeypatch.setattr(tumour, "run_network", lambda *_: seen)
    volume = Volume(image + 1, GRID.affine)
    return flair_alone(volume, brain)


def test_only_large_and_certain_components_are_candidates(two_balls: PreparedStudy) -> None:
    candidates = find_candidates(two_balls)
    (only,) = candidates.candidates
    assert only.number == candidates.parts[26, 50, 44] != candidates.parts[56, 40, 40]
    assert 1.6 < only.features.contrast <= 2.0
    assert candidates.largest_ml == pytest.approx(17.0, abs=1.0)


def test_the_tumour_is_the_convincing_component_on_its_own_side(two_balls: PreparedStudy) -> None:
    found = segment(two_balls)
    labels = np.asarray(found.labels.array)
    assert labels[26, 50, 44] == Label.OEDEMA
    assert not labels[40:].any()
    assert found.confidence == pytest.approx(0.95)


def test_a_pass_that_sees_nothing_is_no_plausible_outline_but_its_disagreement_is_kept(
    two_balls: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tumour.run_network({}, np.zeros(0, bool))
    nothing = np.zeros_like(seen.straight)
    blind = replace(seen, straight=nothing, mirrored=nothing)
    monkeypatch.setattr(tumour, "run_network", lambda images, _: seen if len(images) > 1 else blind)
    image = two_balls.images[Sequence.FLAIR]
    found = segment(replace(two_balls, images={Sequence.T1: image, Sequence.FLAIR: image}))
    assert found.found
    assert "T2 and FLAIR alone" not in {outline.name for outline in found.outlines}
    assert found.agreement["T2 and FLAIR alone"] == 0.0
    assert found.agreement["all sequences together"] > 0.9


def test_a_thin_sheet_is_left_out_only_where_the_brain_had_to_be_found(
    two_balls: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sheet along the cortex hangs on the tumour, as dura and orbit do next to an imperfect brain mask."""
    seen = tumour.run_network({}, np.zeros(0, bool))
    sheet = (slice(22, 30), slice(56, 68), slice(44, 45))
    seen.straight[3][sheet] = 0.95
    seen.stack[CHANNELS.index(Sequence.FLAIR)][sheet] = 2.0
    image = two_balls.images[Sequence.FLAIR]
    bright = np.array(image.array)
    bright[sheet] = 3.0
    study = replace(two_balls, images={Sequence.FLAIR: image.with_array(bright)})
    own_brain, given_brain = (segment(replace(study, skull_stripped=stripped)) for stripped in (False, True))
    assert np.asarray(given_brain.labels.array)[26, 64, 44]
    assert not np.asarray(own_brain.labels.array)[26, 64, 44]
    assert own_brain.found
    assert not any(outline.mask[26, 64, 44] for outline in own_brain.outlines)


def test_what_stays_of_a_tumour_is_what_is_thick() -> None:
    shape, spacing = (40, 44, 36), (1.0, 1.0, 1.5)
    large, small = ball(shape, (12, 14, 12), 9), ball(shape, (12, 36, 12), 5)
    strand = np.zeros(shape, bool)
    strand[12, 22:32, 12] = True
    alone = leave_out_thin(large | strand | small, spacing)
    assert not alone[12, 30, 12]
    assert not (alone & small).any(), "a small lump that only a strand joins to the tumour"
    assert (alone & large).sum() >= 0.97 * large.sum()
    twin = ball(shape, (12, 34, 12), 8)
    assert (leave_out_thin(large | twin, spacing) & twin).sum() >= 0.97 * twin.sum(), "two parts of like size"
    assert np.array_equal(leave_out_thin(strand, spacing), strand), "thin throughout"
    assert not leave_out_thin(np.zeros(shape, bool), spacing).any()


def test_a_component_is_parted_at_a_neck_and_not_where_it_is_thick() -> None:
    shape, spacing = (40, 60, 24), (1.0, 1.0, 1.5)
    large, small = ball(shape, (14, 18, 12), 10), ball(shape, (20, 46, 12), 7)
    neck = np.zeros(shape, bool)
    neck[16:19, 20:44, 11:14] = True
    mask = large | neck | small
    parts, n = part_at_necks(mask, mask, spacing)
    assert n == 2
    assert len(set(parts[large])) == len(set(parts[small])) == 1
    assert parts[14, 18, 12] != parts[20, 46, 12]
    assert np.array_equal(parts > 0, mask)
    assert part_at_necks(mask, large, spacing)[1] == 1, "nothing in the second part is certain"
    thick = mask.copy()
    thick[10:22, 18:46, 6:18] = True
    assert part_at_necks(thick, thick, spacing)[1] == 1
    assert part_at_necks(mask & False, mask, spacing)[1] == 0


def test_narrow_gaps_and_holes_are_closed_and_the_brain_is_not_left() -> None:
    shape, spacing = (44, 48, 30), (1.0, 1.0, 2.0)
    tumour = ball(shape, (20, 22, 14), 14)
    hole, gap, notch = ball(shape, (20, 26, 14), 5), np.zeros(shape, bool), np.zeros(shape, bool)
    gap[18:21, 22:, :] = True
    notch[:, 22:32, :8] = True
    torn = tumour & ~hole & ~notch
    brain = np.ones(shape, bool)
    closed = close_gaps(torn & ~gap, brain, spacing)
    assert closed[20, 26, 14], "a hole that a narrow gap opens"
    assert closed[19, 30, 20], "a gap of 3 mm"
    assert not closed[20, 25, 7], "a notch as wide as a sulcus"
    assert (closed & ~tumour).sum() <= 0.02 * tumour.sum()
    brain[18:21, 28:, :] = False
    assert not close_gaps(torn & ~gap, brain, spacing)[19, 30, 20]
    assert not close_gaps(np.zeros(shape, bool), brain, spacing).any()
    at_the_edge = np.zeros(shape, bool)
    at_the_edge[:3] = True
    assert np.array_equal(close_gaps(at_the_edge, np.ones(shape, bool), spacing), at_the_edge)


def test_it_says_so_where_the_sequences_that_show_most_are_missing(two_balls: PreparedStudy) -> None:
    assert segment(two_balls).warnings == ()
    t1c_alone = replace(two_balls, images={Sequence.T1C: two_balls.images[Sequence.FLAIR]})
    assert segment(t1c_alone).warnings == (tumour.NOT_FLUID_BRIGHT,)
    assert segment(t1c_alone).doubts == ()


def test_where_the_network_sees_nothing_no_tumour_is_found(
    two_balls: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain = np.asarray(two_balls.brain.array)
    nothing = np.zeros((5, *GRID.shape), np.float32)
    seen = NetworkPass(network_input({}, brain), brain, nothing, nothing, frozenset({Sequence.FLAIR}))
    monkeypatch.setattr(tumour, "run_network", lambda *_: seen)
    found = segment(two_balls)
    assert not found.found
    assert found.warnings == ()


def test_scaling_ignores_what_lies_outside_the_brain_and_keeps_empty_space_empty() -> None:
    rng = np.random.default_rng(0)
    brain_region = ball((40, 40, 40), (20, 20, 20), 12)
    image = np.where(brain_region, rng.normal(500, 50, brain_region.shape), 0).astype(np.float32)
    with_scalp = image.copy()
    with_scalp[ball(brain_region.shape, (20, 20, 20), 17) & ~brain_region] = 5000
    np.testing.assert_array_equal(
        scale(image, brain_region)[brain_region], scale(with_scalp, brain_region)[brain_region]
    )
    assert (scale(image, brain_region)[~brain_region] == 0).all()
    assert not scale(np.full_like(image, 7.0), brain_region).any()
    np.testing.assert_allclose(scale(3 * image, brain_region), scale(image, brain_region), atol=1e-4)


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
    return flair_alone(image, np.ones(grid.shape, bool))


def test_a_given_mask_is_moved_by_its_affine_and_old_labels_are_understood(prepared: PreparedStudy) -> None:
    labels = np.zeros((20, 25, 30), np.uint8)
    labels[3:6, 4:9, 10:20] = 4
    labels[6:8, 4:9, 10:20] = 2
    flipped = Volume(labels[::-1], np.array([[-2.0, 0, 0, 38], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    moved = given_tumour(flipped, prepared)
    assert moved.labels.array[8, 12, 15] == Label.ENHANCING
    assert moved.labels.array[13, 12, 15] == Label.OEDEMA
    assert not moved.labels.array[30:].any()
    assert moved.source == "given"
    assert moved.warnings == ()
    assert moved.regions_ml["enhancing"] is not None


def test_a_mask_of_one_value_is_whole_tumour(prepared: PreparedStudy) -> None:
    mask = np.zeros((40, 50, 30), np.uint8)
    mask[5:9, 5:9, 5:9] = 255
    moved = given_tumour(Volume(mask, np.eye(4)), prepared)
    assert set(np.unique(moved.labels.array)) == {0, Label.CORE}
    assert moved.volume_ml > 0
    assert set(moved.regions_ml.values()) == {None}, "what was not drawn is not known"
    assert any("sub-regions are not known" in warning for warning in moved.warnings)


def test_masks_with_other_labels_or_elsewhere_are_refused(prepared: PreparedStudy) -> None:
    mask = np.zeros((40, 50, 30), np.float32)
    mask[5, 5, 5], mask[6, 6, 6] = 7, 9
    with pytest.raises(InputError, match="the mask holds the values 7, 9"):
        given_tumour(Volume(mask, np.eye(4)), prepared)
    away = np.eye(4)
    away[0, 3] = 500
    with pytest.raises(InputError, match="outside the images"):
        given_tumour(Volume((mask > 0).astype(np.uint8), away), prepared)
