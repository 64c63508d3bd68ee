"""The vote of the voxels: where patches lie, what counts, and when there is no call."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.predictors.voxelwise import PATCH, class_probabilities, count_votes, patch_boxes
from gliotype.runtime import Network


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


def test_probabilities_are_put_where_their_patch_lies() -> None:
    def network(batch: np.ndarray) -> np.ndarray:
        here = batch[:, :1]
        return np.concatenate([1 - np.abs(here), np.maximum(here, 0), np.maximum(-here, 0)], axis=1)

    images = np.zeros((1, 50, 40, 36), np.float32)
    images[0, 3:8, 30:36, 5:9] = 1.0
    images[0, 40:44, 2:6, 20:30] = -1.0
    found = class_probabilities(Network(network), images, everywhere((50, 40, 36)), 16)
    np.testing.assert_allclose(found[1], np.maximum(images[0], 0), atol=1e-6)
    np.testing.assert_allclose(found[2], np.maximum(-images[0], 0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_where_no_patch_lies_is_background() -> None:
    images = np.zeros((1, 80, 40, 40), np.float32)
    part = (slice(0, 4), slice(0, 4), slice(0, 4))
    sure = Network(
        lambda batch: np.repeat(np.array([0, 1, 0], np.float32), PATCH**3).reshape(1, 3, 32, 32, 32)
    )
    found = class_probabilities(sure, images, part, 16)
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
