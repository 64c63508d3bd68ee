"""The tabulated similarity of the coarse search against the measure that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.prepare.coarse import CoarseSimilarity
from gliotype.prepare.register import rigid
from gliotype.prepare.search import rotation
from gliotype.prepare.similarity import Pair, RegistrationImage
from gliotype.runtime import use_threads
from gliotype.study import Sequence
from support.template_head import AXIAL, head, moved

STUDY = moved((6.0, -4.0, 8.0), (4.0, -9.0, 12.0))


@pytest.fixture(scope="module")
def t1() -> RegistrationImage:
    return RegistrationImage.of(head(Sequence.T1, AXIAL))


@pytest.fixture(scope="module")
def flair() -> RegistrationImage:
    return RegistrationImage.of(head(Sequence.FLAIR, AXIAL, np.linalg.inv(STUDY), seed=1))


TRANSFORMS = (
    STUDY,
    np.eye(4),
    moved((0.0, 0.0, 0.0), (25.0, 0.0, -10.0)),
    moved((20.0, 5.0, 0.0), (0, 30.0, 0)),
)


def test_the_similarity_is_that_of_the_measure(t1: RegistrationImage, flair: RegistrationImage) -> None:
    pair = Pair(t1, flair)
    coarse = CoarseSimilarity([pair])
    found = [coarse(each) for each in TRANSFORMS]
    np.testing.assert_allclose(found, [pair.similarity(each, 0) for each in TRANSFORMS], atol=0.03)
    assert found[0] == max(found)


def test_pairs_share_one_world(t1: RegistrationImage, flair: RegistrationImage) -> None:
    """A second pair whose fixed image lies elsewhere counts as if it had been brought to the first one's world."""
    away = moved((0.0, 10.0, 0.0), (0.0, 0.0, 40.0))
    elsewhere = RegistrationImage.of(
        head(Sequence.T1, type(AXIAL)(AXIAL.shape, away @ AXIAL.affine), np.linalg.inv(away))
    )
    alone, both = (
        CoarseSimilarity([Pair(t1, flair)]),
        CoarseSimilarity([Pair(t1, flair), Pair(elsewhere, flair, away)]),
    )
    assert abs(both(STUDY) - alone(STUDY)) < 0.05
    assert both(np.eye(4)) < both(STUDY) - 0.1


def test_heads_that_do_not_meet_have_nothing_in_common(
    t1: RegistrationImage, flair: RegistrationImage
) -> None:
    assert CoarseSimilarity([Pair(t1, flair)])(moved((0, 0, 0), (500.0, 0, 0))) < 0.05


def test_a_rotation_keeps_lengths_and_its_axis() -> None:
    turn = np.array([0.3, -0.5, 0.2])
    np.testing.assert_allclose(rotation(turn) @ rotation(turn).T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation(turn) @ turn, turn, atol=1e-12)
    np.testing.assert_allclose(rotation(turn), rotation(turn / 2) @ rotation(turn / 2), atol=1e-12)


@pytest.mark.slow
def test_the_threads_do_not_change_a_bit(t1: RegistrationImage, flair: RegistrationImage) -> None:
    with use_threads(1):
        one = rigid(t1, flair)
    with use_threads(3):
        several = rigid(t1, flair)
    assert np.array_equal(one.moving_from_fixed, several.moving_from_fixed)
