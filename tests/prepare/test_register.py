from __future__ import annotations

import numpy as np
import pytest

from gliotype.prepare import register
from gliotype.prepare.register import Alignment, affine, rigid
from gliotype.prepare.similarity import Pair, RegistrationImage, overlap, similarity
from gliotype.prepare.study import _template
from gliotype.study import Sequence
from gliotype.volume import Grid, Matrix, Volume
from support.template_head import AXIAL, brain_points, head, mean_distance, moved

STUDY = moved((6.0, -4.0, 8.0), (4.0, -9.0, 12.0))
"""How the patient moved between two series."""

TO_MNI = moved((-14.0, 3.0, 5.0), (3.0, -6.0, 8.0)) @ np.diag([1.12, 1.04, 1.08, 1.0])
OBLIQUE = Grid(AXIAL.shape, moved((9.0, 4.0, -3.0), (0.0, 0.0, 0.0)) @ AXIAL.affine)


@pytest.fixture(scope="module")
def t1() -> RegistrationImage:
    return RegistrationImage.of(head(Sequence.T1, AXIAL, TO_MNI))


def at(world_from_reference: Matrix) -> Grid:
    """The axial grid, somewhere else in the world."""
    return Grid(AXIAL.shape, world_from_reference @ AXIAL.affine)


def flipped(volume: Volume) -> Volume:
    """The same image, its first axis stored the other way round."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = volume.array.shape[0] - 1
    return Volume(volume.array[::-1], volume.affine @ flip)


def affine_to_mni(image: RegistrationImage, sequence: Sequence) -> Alignment:
    return affine([Pair(image, _template(sequence, stripped=False))])


@pytest.fixture(scope="module")
def t1_to_mni(t1: RegistrationImage) -> Alignment:
    return affine_to_mni(t1, Sequence.T1)


def in_world(mni_from_world: Matrix) -> np.ndarray:
    return brain_points() @ np.linalg.inv(mni_from_world)[:3, :3].T + np.linalg.inv(mni_from_world)[:3, 3]


@pytest.mark.slow
def test_movement_between_series_of_different_contrast_is_found(t1: RegistrationImage) -> None:
    flair = RegistrationImage.of(head(Sequence.FLAIR, OBLIQUE, TO_MNI @ np.linalg.inv(STUDY), seed=1))
    found = rigid(t1, flair)
    assert not found.quality_issues
    assert mean_distance(found.moving_from_fixed, STUDY, in_world(TO_MNI)) < 1.0
    assert np.allclose(
        found.moving_from_fixed[:3, :3] @ found.moving_from_fixed[:3, :3].T, np.eye(3), atol=1e-6
    )


@pytest.mark.slow
def test_a_header_100_mm_off_is_overcome(t1: RegistrationImage) -> None:
    off = moved((0.0, 0.0, 0.0), (100.0, -60.0, 80.0)) @ STUDY
    t2 = RegistrationImage.of(head(Sequence.T2, at(off), TO_MNI @ np.linalg.inv(off), seed=1))
    found = rigid(t1, t2)
    assert not found.quality_issues
    assert mean_distance(found.moving_from_fixed, off, in_world(TO_MNI)) < 1.5


@pytest.mark.slow
def test_a_header_turned_by_90_degrees_is_overcome(t1: RegistrationImage) -> None:
    turned = moved((0.0, 0.0, 90.0), (10.0, 0.0, 0.0))
    t2 = RegistrationImage.of(head(Sequence.T2, at(turned), TO_MNI @ np.linalg.inv(turned), seed=1))
    found = rigid(t1, t2)
    assert not found.quality_issues
    assert mean_distance(found.moving_from_fixed, turned, in_world(TO_MNI)) < 1.5


@pytest.mark.slow
def test_images_that_fit_already_stay_where_they_are(t1: RegistrationImage) -> None:
    same = RegistrationImage.of(head(Sequence.T1C, AXIAL, TO_MNI, seed=2))
    assert np.array_equal(rigid(t1, same).moving_from_fixed, np.eye(4))


@pytest.mark.parametrize("sequence", [Sequence.T2, pytest.param(Sequence.FLAIR, marks=pytest.mark.slow)])
def test_affine_to_mni_is_found_from_thick_oblique_slices(sequence: Sequence) -> None:
    found = affine_to_mni(RegistrationImage.of(head(sequence, OBLIQUE, TO_MNI)), sequence)
    assert not found.quality_issues
    assert mean_distance(found.moving_from_fixed, TO_MNI, in_world(TO_MNI)) < 2.0


@pytest.mark.slow
def test_affine_does_not_depend_on_how_the_image_is_stored(t1_to_mni: Alignment) -> None:
    other = affine_to_mni(RegistrationImage.of(flipped(head(Sequence.T1, AXIAL, TO_MNI))), Sequence.T1)
    assert mean_distance(t1_to_mni.moving_from_fixed, TO_MNI, in_world(TO_MNI)) < 2.0
    assert mean_distance(t1_to_mni.moving_from_fixed, other.moving_from_fixed, in_world(TO_MNI)) < 1.0


@pytest.mark.slow
def test_affine_works_on_a_slab_without_the_top_of_the_head() -> None:
    slab = Grid((200, 230, 14), AXIAL.affine @ moved((0, 0, 0), (0, 0, 6.0)))
    found = affine_to_mni(RegistrationImage.of(head(Sequence.T1, slab, TO_MNI)), Sequence.T1)
    assert mean_distance(found.moving_from_fixed, TO_MNI, in_world(TO_MNI)) < 4.0


@pytest.mark.slow
def test_noise_is_doubted(t1: RegistrationImage) -> None:
    noise = Volume(np.random.default_rng(0).rayleigh(20, AXIAL.shape).astype(np.float32), AXIAL.affine)
    side = RegistrationImage.of(noise)
    assert rigid(t1, side).quality_issues


@pytest.mark.slow
def test_the_same_input_gives_the_same_bits(t1: RegistrationImage, t1_to_mni: Alignment) -> None:
    runs = [rigid(t1, RegistrationImage.of(head(Sequence.T2, OBLIQUE, TO_MNI, seed=1))) for _ in range(2)]
    assert np.array_equal(runs[0].moving_from_fixed, runs[1].moving_from_fixed)
    assert np.array_equal(affine_to_mni(t1, Sequence.T1).moving_from_fixed, t1_to_mni.moving_from_fixed)


def test_similarity_is_high_at_the_truth_and_near_zero_for_noise(t1: RegistrationImage) -> None:
    t2 = RegistrationImage.of(head(Sequence.T2, AXIAL, TO_MNI, seed=1))
    noise = RegistrationImage.of(
        Volume(np.random.default_rng(0).rayleigh(20, AXIAL.shape).astype(np.float32), AXIAL.affine)
    )
    assert similarity(t1, t2, np.eye(4)) > 0.8
    assert similarity(t1, t2, moved((0, 0, 0), (12, 0, 0))) < similarity(t1, t2, np.eye(4)) - 0.1
    assert similarity(t1, noise, np.eye(4)) < 0.2


def test_overlap_counts_only_the_common_field(t1: RegistrationImage) -> None:
    slab = RegistrationImage.of(
        head(Sequence.T1, Grid((200, 230, 10), AXIAL.affine @ moved((0, 0, 0), (0, 0, 8.0))), TO_MNI)
    )
    assert overlap(t1, slab, np.eye(4)) > 0.95
    assert overlap(t1, slab, moved((0, 0, 0), (60, 0, 0))) < 0.8


@pytest.mark.parametrize(("first", "chosen"), [(0.65, "first"), (0.55, "further")])
def test_a_head_that_is_hardly_similar_is_turned_further(
    monkeypatch: pytest.MonkeyPatch, first: float, chosen: str
) -> None:
    similarity = {"first": first, "further": 0.8}
    rounds = [[register.Start(name, np.eye(4))] for name in similarity]
    monkeypatch.setattr(register, "optimise", lambda pairs, starts, model: starts[0])
    monkeypatch.setattr(
        register,
        "_check_quality",
        lambda pairs, found, issues: register.Alignment(
            np.eye(4), similarity[found.name], 1.0, (), found.name
        ),
    )
    found = register._optimise_until_trusted(
        (), rounds, register.AFFINE, lambda alignment: (), register.SURE_SIMILARITY
    )
    assert found.start == chosen
