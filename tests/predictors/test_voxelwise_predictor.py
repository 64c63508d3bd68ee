"""The vote of the voxels: where patches lie, what counts, and when there is no call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import logit

from gliotype.findings import Finding, NotApplicable
from gliotype.predictors import voxelwise
from gliotype.predictors.trained import Calibration, TrainedEnsemble
from gliotype.predictors.voxelwise import (
    MIN_MARGIN,
    PATCH,
    T2_NET,
    T2NetPredictor,
    TSNetPredictor,
    class_probabilities,
    count_votes,
    fewest_boxes,
    overlap_with,
    patch_boxes,
)
from gliotype.runtime import Network
from gliotype.study import Sequence, Subject
from support.factory import make_result


def everywhere(shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    i, j, k = (slice(0, n) for n in shape)
    return i, j, k


@pytest.mark.parametrize("step", [8, 16, 32])
@pytest.mark.parametrize("part", [(0, 32), (5, 9), (30, 41), (2, 41)])
def test_patches_cover_what_they_are_asked_to(part: tuple[int, int], step: int) -> None:
    shape = (41, 50, 33)
    around = (slice(*part), slice(7, 44), slice(0, 33))
    covered = np.zeros(shape, bool)
    for box in patch_boxes(shape, around, step):
        assert all(one.start >= 0 and one.stop <= size for one, size in zip(box, shape, strict=True))
        assert all(one.stop - one.start == PATCH for one in box)
        covered[box] = True
    assert covered[around].all()


@pytest.mark.parametrize("part", [(0, 32), (5, 9), (30, 54), (8, 33), (2, 80), (77, 80)])
def test_the_fewest_patches_cover_a_tumour_and_a_margin(part: tuple[int, int]) -> None:
    shape, tumour = (80, 41, 33), (slice(*part), slice(7, 12), slice(0, 33))
    boxes = list(fewest_boxes(shape, tumour))
    covered = np.zeros(shape, bool)
    for box in boxes:
        assert all(one.start >= 0 and one.stop <= size for one, size in zip(box, shape, strict=True))
        assert all(one.stop - one.start == PATCH for one in box)
        covered[box] = True
    wide = tuple(slice(max(one.start - MIN_MARGIN, 0), one.stop + MIN_MARGIN) for one in tumour)
    assert covered[wide].all()
    along_the_first = min(part[1] + MIN_MARGIN, 80) - max(part[0] - MIN_MARGIN, 0)
    assert len(boxes) == -(-along_the_first // PATCH) * 2  # 33 voxels along the third axis need two


def test_a_network_that_sees_tumour_everywhere_does_not_agree() -> None:
    found = np.zeros((80, 96, 80), bool)
    found[30:54, 40:64, 20:44] = True
    everywhere_seen = np.zeros_like(found)
    (box,) = fewest_boxes(found.shape, (slice(30, 54), slice(40, 64), slice(20, 44)))
    everywhere_seen[box] = True
    assert overlap_with(found, everywhere_seen) == pytest.approx(2 * 24**3 / (24**3 + 40**3))
    assert overlap_with(found, found) == 1.0


def test_probabilities_are_put_where_their_patch_lies() -> None:
    def network(batch: np.ndarray) -> np.ndarray:
        here = batch[:, :1]
        return np.concatenate([1 - np.abs(here), np.maximum(here, 0), np.maximum(-here, 0)], axis=1)

    images = np.zeros((1, 50, 40, 36), np.float32)
    images[0, 3:8, 30:36, 5:9] = 1.0
    images[0, 40:44, 2:6, 20:30] = -1.0
    boxes = patch_boxes((50, 40, 36), everywhere((50, 40, 36)), 16)
    found = class_probabilities(Network(network), images, boxes)
    np.testing.assert_allclose(found[1], np.maximum(images[0], 0), atol=1e-6)
    np.testing.assert_allclose(found[2], np.maximum(-images[0], 0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_where_no_patch_lies_is_background() -> None:
    images = np.zeros((1, 80, 40, 40), np.float32)
    part = (slice(0, 4), slice(0, 4), slice(0, 4))
    sure = Network(
        lambda batch: np.repeat(np.array([0, 1, 0], np.float32), PATCH**3).reshape(1, 3, 32, 32, 32)
    )
    found = class_probabilities(sure, images, fewest_boxes((80, 40, 40), part))
    assert (found[1, :32, :32, :32] == 1).all()
    assert (found[0, 32:] == 1).all()


def probabilities(mutant: int, wildtype: int, stray: int = 0) -> np.ndarray:
    """One component of voxels that vote, and another, small one of mutant votes."""
    array = np.zeros((3, 40, 20, 10), np.float32)
    flat = array[:, 0:20].reshape(3, -1)
    flat[1, :mutant], flat[2, mutant : mutant + wildtype] = 0.9, 0.9
    array[:, 0:20] = flat.reshape(3, 20, 20, 10)
    array[1, 39].ravel()[:stray] = 0.9
    array[0] = 1 - array[1:].sum(axis=0)
    return array


def test_the_majority_calls_and_the_share_is_the_score() -> None:
    vote = count_votes(probabilities(300, 100))
    assert (vote.mutant, vote.wildtype, vote.share, vote.call) == (300, 100, 0.75, "mutant")
    assert vote.log_odds == pytest.approx(np.log(301 / 101))
    assert count_votes(probabilities(100, 300)).call == "wildtype"


def test_a_small_component_has_no_vote_and_a_larger_one_has() -> None:
    assert count_votes(probabilities(0, 400, stray=20)).mutant == 0
    assert count_votes(probabilities(0, 400, stray=60)).mutant == 60


def test_a_tie_and_an_empty_map_are_no_call() -> None:
    tie = count_votes(probabilities(200, 200))
    assert tie.call is None
    assert tie.share == 0.5
    empty = count_votes(probabilities(0, 0))
    assert (empty.call, empty.share) == (None, None)
    assert np.isnan(empty.log_odds)


def test_classes_that_are_unsure_of_each_other_are_tumour_together() -> None:
    unsure = np.zeros((3, 8, 8, 8), np.float32)
    unsure[:, 2:5, 1:7, 3:6] = np.array([0.4, 0.35, 0.25], np.float32)[:, None, None, None]
    unsure[0] = 1 - unsure[1:].sum(axis=0)
    vote = count_votes(unsure)
    assert vote.mutant == 3 * 6 * 3
    assert vote.tumour[2:5, 1:7, 3:6].all()


def asked(
    monkeypatch: pytest.MonkeyPatch,
    mutant: float,
    wildtype: float,
    *,
    predictor: type[T2NetPredictor] = T2NetPredictor,
    brighter_than: float = 1.0,
    shift_mm: float = 0.0,
    blurred: tuple[Sequence, ...] = (),
) -> Finding | NotApplicable:
    """Ask about the phantom, with a network that sees tumour where T2 is bright, of a class that it always gives."""

    def network(batch: np.ndarray) -> np.ndarray:
        bright = (batch[:, :1] > brighter_than).astype(np.float32)
        return np.concatenate([1 - (mutant + wildtype) * bright, mutant * bright, wildtype * bright], axis=1)

    trained = TrainedEnsemble(Network(network), Calibration(0.5, 0.0), None)
    monkeypatch.setattr(voxelwise, "load_model", lambda name: trained)
    result = make_result()
    mni = np.array(result.prepared.mni_from_prepared, dtype=float)
    mni[0, 3] += shift_mm
    rng = np.random.default_rng(1)  # the phantom's tissues are smooth, and are given some grain
    images = {}
    for s, image in result.prepared.images.items():
        array = np.asarray(image.array)
        array = np.where(array != 0, array + 0.15 * rng.normal(size=array.shape), 0)
        images[s] = image.with_array(ndimage.gaussian_filter(array, 5) if s in blurred else array)
    prepared = replace(result.prepared, mni_from_prepared=mni, images=images)
    return predictor(0.3).predict(prepared, result.tumour, result.measurements, Subject("a", 44.0))


def test_the_vote_becomes_a_probability_at_the_prevalence(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = asked(monkeypatch, 0.8, 0.1)
    assert isinstance(finding, Finding)
    assert finding.probability is not None
    (reason,) = finding.reasons
    assert (reason.name, reason.value) == ("share_of_votes", 100.0)
    assert logit(finding.probability) == pytest.approx((reason.contribution or 0) + logit(0.3))
    assert finding.sequences == T2_NET
    against = asked(monkeypatch, 0.1, 0.8)
    assert isinstance(against, Finding)
    assert against.probability is not None
    assert against.probability < 0.3 < finding.probability


def test_the_map_is_positive_where_voxels_vote_mutant_and_on_the_right_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finding = asked(monkeypatch, 0.8, 0.1)
    assert isinstance(finding, Finding)
    assert finding.map is not None
    result = make_result()
    array, mask = np.asarray(finding.map.array), result.tumour.mask
    assert finding.map.grid.same_as(result.prepared.grid)
    assert array[mask].mean() > 0.2
    assert array[mask].mean() > 3 * np.abs(array[mask[::-1]]).mean()
    assert array.max() <= 0.71


def test_a_tie_and_an_empty_map_are_not_wildtype(monkeypatch: pytest.MonkeyPatch) -> None:
    tie, empty = asked(monkeypatch, 0.4, 0.4), asked(monkeypatch, 0.1, 0.1)
    assert isinstance(tie, NotApplicable)
    assert "as many voxels" in tie.reason
    assert isinstance(empty, NotApplicable)
    assert "no tumour" in empty.reason


def test_a_network_that_sees_another_tumour_than_the_found_one_has_no_vote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on images with motion: here every voxel around the tumour looks like tumour."""
    answer = asked(monkeypatch, 0.8, 0.1, brighter_than=-100.0)
    assert isinstance(answer, NotApplicable)
    assert "overlaps with the found one by a Dice of only 0." in answer.reason


def test_an_image_that_is_too_coarse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asked(monkeypatch, 0.8, 0.1, blurred=(Sequence.T2,))
    assert isinstance(answer, NotApplicable)
    assert answer.reason.startswith("T2 is not used: its resolution is too coarse (finest detail 0.")


def test_ts_net_leaves_out_the_image_that_is_too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asked(monkeypatch, 0.8, 0.1, predictor=TSNetPredictor, blurred=(Sequence.FLAIR,))
    assert isinstance(answer, Finding)
    assert answer.sequences == (Sequence.T2, Sequence.T1C)
    assert "FLAIR is not used: its resolution" in answer.limits
    whole = asked(monkeypatch, 0.8, 0.1, predictor=TSNetPredictor)
    assert isinstance(whole, Finding)
    assert whole.sequences == (Sequence.T2, Sequence.FLAIR, Sequence.T1C)
    assert "is not used" not in whole.limits


def test_a_tumour_outside_the_grid_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asked(monkeypatch, 0.8, 0.1, shift_mm=400.0)
    assert isinstance(answer, NotApplicable)
    assert "outside the grid" in answer.reason


def test_t2_net_needs_t2_and_ts_net_one_of_three() -> None:
    result = make_result()
    others = {s: image for s, image in result.prepared.images.items() if s is not Sequence.T2}
    without = replace(result.prepared, images=others)
    answer = T2NetPredictor().predict(without, result.tumour, result.measurements, Subject("a"))
    assert isinstance(answer, NotApplicable)
    assert answer.reason == "it needs T2"
    only_t1 = replace(result.prepared, images={Sequence.T1: result.prepared.images[Sequence.T1]})
    answer = TSNetPredictor().predict(only_t1, result.tumour, result.measurements, Subject("a"))
    assert isinstance(answer, NotApplicable)


def test_it_adds_nothing_to_the_answer() -> None:
    result = make_result()
    asked_of = (result.prepared, result.tumour, result.measurements, Subject("a", 44.0))
    assert T2NetPredictor().statement(*asked_of) is None
    assert TSNetPredictor().statement(*asked_of) is None
