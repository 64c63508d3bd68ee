"""Each check of the gate lets a sound study pass and stops the fault that it is for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

import gliotype.answer.gate as checks
from gliotype.answer.gate import gate
from gliotype.answer.image_checks import (
    cavity_ml,
    edge_fraction,
    explained_by_anatomy,
    suppressed_fluid,
)
from gliotype.answer.typical import FeatureDistribution, feature_distribution, image_response
from gliotype.atlas import atlas
from gliotype.measure import measure
from gliotype.predictors.radiomics import PARTS
from gliotype.study import Image, Measurements, Outline, PreparedStudy, Sequence, Study, Subject, Tumour
from gliotype.volume import Grid, Volume
from support.factory import make_prepared, make_result, make_study, tissues


@cache
def sound() -> tuple[Study, PreparedStudy, Tumour]:
    """A study that should pass: brain in the atlas's place and anatomy, a tumour away from its surface."""
    white, grey, fluid = (np.asarray(atlas.tissue(t).array) for t in atlas.Tissue)
    grid = atlas.tissue(atlas.Tissue.WHITE).grid
    levels = {
        Sequence.T1C: (1.0, 0.8, 0.25),
        Sequence.FLAIR: (1.0, 1.2, 0.3),
        Sequence.T2: (1.0, 1.5, 3.0),
        Sequence.T1: (1.0, 0.75, 0.25),
    }
    lesion = {Sequence.T1C: 0.8, Sequence.FLAIR: 1.6, Sequence.T2: 2.0, Sequence.T1: 0.7}
    brain = np.asarray(atlas.brain().array, dtype=np.bool_)
    middle = np.array(
        np.unravel_index(ndimage.distance_transform_edt(brain & (white > 0.9)).argmax(), brain.shape)
    )
    away = np.sqrt(((np.moveaxis(np.indices(brain.shape), 0, -1) - middle) ** 2 * [1, 0.7, 1.4]).sum(axis=-1))
    mask = (away < 14) & brain
    random = np.random.default_rng(3)
    images = {}
    for sequence, (w, g, c) in levels.items():
        signal = w * white + g * grey + c * fluid
        signal = np.where(mask, lesion[sequence] * random.normal(1, 0.15, mask.shape), signal)
        noisy = np.where(brain, np.abs(signal + random.normal(0, 0.05, mask.shape)), 0)
        images[sequence] = Volume(noisy.astype(np.float32), grid.affine)
    study = make_study()
    prepared = replace(
        make_prepared(study),
        images=images,
        brain=Volume(brain, grid.affine),
        mni_from_prepared=np.eye(4),
        quality={"FLAIR to T1C: similarity": 0.8, "T1C to MNI152: largest scale": 1.5},
    )
    return study, prepared, Tumour(Volume(np.where(mask, 2, 0).astype(np.uint8), grid.affine), "model1")


@cache
def measured() -> Measurements:
    _, prepared, tumour = sound()
    return measure(prepared, tumour)


def with_image(which: Sequence, **changes: object) -> Study:
    """The sound study with another acquisition of one image."""
    study = sound()[0]
    images: list[Image] = [
        replace(image, **changes) if image.sequence is which else image  # type: ignore[arg-type]
        for image in study.images
    ]
    return replace(study, images=tuple(images))


@pytest.mark.slow
def test_a_sound_study_passes() -> None:
    study, prepared, tumour = sound()
    assert gate(study, prepared, tumour, measured()) == ()


@pytest.mark.slow
def test_white_noise_and_empty_images_are_stopped_with_a_given_mask() -> None:
    study, prepared, tumour = sound()
    random = np.random.default_rng(0)
    for fill in (lambda: random.random(prepared.grid.shape), lambda: np.zeros(prepared.grid.shape)):
        images = {s: i.with_array(fill().astype(np.float32)) for s, i in prepared.images.items()}
        blank = replace(prepared, images=images)
        given = replace(tumour, source="given")
        reasons = gate(study, blank, given, measure(blank, given))
        assert any(reason.startswith("No image shows") for reason in reasons)
        assert any("hardly change the map of Model 2" in reason for reason in reasons)


@pytest.mark.slow
def test_one_image_with_anatomy_is_enough_and_smooth_noise_is_not() -> None:
    _, prepared, tumour = sound()
    random = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(random.random(prepared.grid.shape), 2).astype(np.float32)
    noisy = {s: i.with_array(noise) for s, i in prepared.images.items()}
    assert explained_by_anatomy(replace(prepared, images=noisy), tumour.mask) < checks.MIN_EXPLAINED
    with_one = {**noisy, Sequence.T1: prepared.images[Sequence.T1]}
    assert explained_by_anatomy(replace(prepared, images=with_one), tumour.mask) > 0.1


def test_the_brains_anatomy_must_lie_where_the_atlas_has_it() -> None:
    _, prepared, tumour = sound()
    upside_down = {s: i.with_array(np.asarray(i.array)[:, :, ::-1]) for s, i in prepared.images.items()}
    right = explained_by_anatomy(prepared, tumour.mask)
    assert explained_by_anatomy(replace(prepared, images=upside_down), tumour.mask) < 0.3 * right


def test_children_are_stopped_and_young_adults_are_not() -> None:
    assert "under 18" in checks.under_age(Subject("a", age=17.9))
    assert checks.under_age(Subject("a", age=22.0)) == ""


def test_surgery_in_a_description_is_stopped() -> None:
    study, prepared, tumour = sound()
    after = replace(study, surgery="post-OP")
    (reason,) = gate(after, prepared, tumour, measured())
    assert "'post-OP'" in reason


def test_a_flair_after_contrast_is_stopped() -> None:
    flair = sound()[0].chosen[Sequence.FLAIR]
    after = with_image(Sequence.FLAIR, acquisition=replace(flair.acquisition, contrast=True))
    assert "after contrast" in checks.contrast_enhanced_flair(after)
    before = with_image(Sequence.FLAIR, acquisition=replace(flair.acquisition, contrast=False))
    assert checks.contrast_enhanced_flair(before) == ""
    assert checks.contrast_enhanced_flair(make_study((Sequence.T1C,))) == ""


def test_a_doubtful_identification_is_stopped_for_structural_images_alone() -> None:
    assert "T2 (0.40)" in checks.doubtful_identification(with_image(Sequence.T2, confidence=0.4))
    assert checks.doubtful_identification(with_image(Sequence.T2, confidence=0.6)) == ""
    unsure_dsc = with_image(Sequence.T2, confidence=0.4, sequence=Sequence.DSC)
    assert checks.doubtful_identification(unsure_dsc) == ""


@pytest.mark.parametrize(
    ("key", "value", "stopped"),
    [
        ("T2 to T1C: similarity", 0.49, True),
        ("T2 to T1C: similarity", 0.51, False),
        ("T1C to MNI152: overlap", 0.7, True),
        ("T1C to MNI152: largest scale", 1.57, False),
        ("T1C to MNI152: largest scale", 1.8, True),
        ("T1C to MNI152: smallest scale", 0.6, True),
        ("T1C to MNI152: turn (degrees)", 40.0, False),
        ("DSC to T1C: similarity", 0.2, False),
    ],
)
def test_a_doubtful_registration_is_stopped(key: str, value: float, stopped: bool) -> None:
    prepared = replace(sound()[1], quality={key: value})
    assert bool(checks.doubtful_registration(prepared)) is stopped


def test_a_brain_that_was_not_found_is_stopped() -> None:
    prepared = replace(sound()[1], quality={"brain: agreement with the atlas": 0.6})
    assert "0.60" in checks.doubtful_brain(prepared)
    assert checks.doubtful_brain(sound()[1]) == ""


@pytest.mark.parametrize(
    ("sequences", "stopped"),
    [
        ((Sequence.T2,), True),
        ((Sequence.T1, Sequence.T2), True),
        ((Sequence.T1,), True),
        ((Sequence.T1C, Sequence.FLAIR), False),
    ],
)
def test_too_few_images_are_stopped(sequences: tuple[Sequence, ...], stopped: bool) -> None:
    prepared = sound()[1]
    some = replace(prepared, images={s: prepared.images[s] for s in sequences})
    assert bool(checks.too_few_images(some)) is stopped


@pytest.mark.slow
def test_a_pass_that_draws_another_tumour_is_stopped_and_a_threshold_is_not() -> None:
    study, prepared, tumour = sound()
    threshold = Outline("threshold 0.9", np.roll(tumour.mask, 12, axis=1))
    agreeing = replace(tumour, outlines=(threshold,), agreement={"as seen": 0.98, "mirrored": 0.93})
    assert gate(study, prepared, agreeing, measured()) == ()
    disagreeing = replace(agreeing, agreement={"mirrored": 0.93, "T2 and FLAIR alone": 0.0})
    (reason,) = gate(study, prepared, disagreeing, measured())
    assert "'T2 and FLAIR alone' has a Dice overlap of only 0.00" in reason


def test_an_outline_at_the_brains_surface_is_stopped() -> None:
    _, prepared, tumour = sound()
    assert checks.at_the_edge(edge_fraction(prepared, tumour.mask)) == ""
    brain = np.asarray(prepared.brain.array)
    rind = brain & ~ndimage.binary_erosion(brain, iterations=6)
    rind[:, : brain.shape[1] - 60] = False
    fraction = edge_fraction(prepared, rind)
    assert 0.3 < fraction < 0.8
    assert checks.at_the_edge(fraction)
    outside = np.zeros_like(brain)
    outside[2:6, 2:6, 2:6] = True
    assert edge_fraction(prepared, outside) == 1.0


def test_a_flair_that_does_not_suppress_fluid_is_stopped_where_there_is_a_t2() -> None:
    study, prepared, tumour = sound()
    flair = prepared.images[Sequence.FLAIR]
    fluid = np.asarray(atlas.tissue(atlas.Tissue.CSF).array) > 0.5
    bright = {
        **prepared.images,
        Sequence.FLAIR: flair.with_array(np.where(fluid & ~tumour.mask, 1.1, flair.array).astype(np.float32)),
    }
    unsuppressed = replace(prepared, images=bright)
    assert suppressed_fluid(prepared, tumour.mask) > 5 * checks.MIN_SUPPRESSED_FLUID
    assert any("FLAIR hardly shows" in reason for reason in gate(study, unsuppressed, tumour, measured()))
    without_t2 = replace(
        unsuppressed, images={s: image for s, image in bright.items() if s is not Sequence.T2}
    )
    assert suppressed_fluid(without_t2, tumour.mask) is None


def resected(open_to_surface: bool) -> tuple[PreparedStudy, Tumour]:
    """The factory's head with fluid in its tumour's core, and a channel of fluid to the surface or none."""
    result = make_result()
    _, brain, labels = tissues()
    core = ndimage.binary_dilation(labels == 1, iterations=2)
    if open_to_surface:
        low = np.argwhere(core).min(axis=0), np.argwhere(core).max(axis=0)
        (i0, j0, _), (i1, j1, k1) = low
        core[i0 + 4 : i1 - 4, j0 + 4 : j1 - 4, k1 - 10 :] = True
    fluid = {Sequence.T1: 0.3, Sequence.T1C: 0.3, Sequence.T2: 3.0, Sequence.FLAIR: 0.3}
    images = {
        s: i.with_array(np.where(core & brain, fluid[s], i.array).astype(np.float32))
        for s, i in result.prepared.images.items()
    }
    return replace(result.prepared, images=images), result.tumour


def test_a_cavity_open_to_the_surface_is_stopped_and_a_cyst_is_not() -> None:
    prepared, tumour = resected(open_to_surface=True)
    assert "resection" in checks.resection_cavity(cavity_ml(prepared, tumour.mask))
    assert checks.resection_cavity(cavity_ml(*_masked(resected(open_to_surface=False)))) == ""
    without_flair = replace(
        prepared, images={s: i for s, i in prepared.images.items() if s != Sequence.FLAIR}
    )
    assert cavity_ml(without_flair, tumour.mask) == 0.0


def _masked(head: tuple[PreparedStudy, Tumour]) -> tuple[PreparedStudy, np.ndarray]:
    return head[0], head[1].mask


def test_features_unlike_both_classes_are_stopped_and_missing_ones_are_marginalised() -> None:
    known = feature_distribution()
    for mean in known.mean:
        typical = dict(zip(known.features, np.exp(mean).tolist(), strict=True))
        assert checks.unlike_training(Measurements(signal=typical)) == ""
        for part in ("T1C", "T2", "FLAIR"):
            fewer = {name: value for name, value in typical.items() if name not in PARTS[part]}
            assert checks.unlike_training(Measurements(signal=fewer)) == ""
            odd = {**typical, PARTS[part][0]: 4 * typical[PARTS[part][0]]}
            assert PARTS[part][0] in checks.unlike_training(Measurements(signal=odd))
    assert checks.unlike_training(Measurements()) == ""


def test_the_distance_is_that_of_mahalanobis() -> None:
    covariance = np.array([[[0.04, 0.01], [0.01, 0.09]], [[0.04, 0.01], [0.01, 0.09]]])
    known = FeatureDistribution(("a", "b"), np.array([[0.0, 0.0], [5.0, 5.0]]), covariance, {("a", "b"): 9.0})
    away = np.log([1.3, 0.7])
    expected = float(away @ np.linalg.inv(covariance[0]) @ away)
    found = known.unlikeness({"a": 1.3, "b": 0.7})
    assert found is not None
    assert found.distance == pytest.approx(expected)
    assert known.distances({"b": 0.7})[0] == pytest.approx(away[1] ** 2 / 0.09)
    assert known.unlikeness({"b": 0.7}) is None
    again = FeatureDistribution.from_json(known.to_json())
    assert again.unlikeness({"a": 1.3, "b": 0.7}) == found


def test_the_network_responds_to_images_and_not_to_noise() -> None:
    _, prepared, tumour = sound()
    real = image_response(prepared, tumour)
    random = np.random.default_rng(5)
    noise = {
        s: i.with_array(random.random(prepared.grid.shape, dtype=np.float32))
        for s, i in prepared.images.items()
    }
    blind = image_response(replace(prepared, images=noise), tumour)
    assert real is not None
    assert blind is not None
    assert blind < checks.RESPONSES[0] < real
    assert image_response(replace(prepared, images={Sequence.T1: noise[Sequence.T1]}), tumour) is None


def test_every_reason_is_a_sentence() -> None:
    study, prepared, tumour = sound()
    child = replace(study, subject=Subject("a", age=9.0), surgery="biopsy")
    reasons = gate(
        child, replace(prepared, quality={"brain: agreement with the atlas": 0.1}), tumour, measured()
    )
    assert len(reasons) == 3
    assert all(reason[0].isupper() and reason.endswith(".") for reason in reasons)


def test_an_oblique_grid_changes_nothing() -> None:
    _, prepared, tumour = sound()
    turn = np.eye(4)
    angle = np.radians(20)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = (5, -7, 3)
    grid = Grid(prepared.grid.shape, turn @ prepared.grid.affine)
    turned = replace(
        prepared,
        images={s: Volume(i.array, grid.affine) for s, i in prepared.images.items()},
        brain=Volume(prepared.brain.array, grid.affine),
        mni_from_prepared=np.linalg.inv(turn),
    )
    found = explained_by_anatomy(turned, tumour.mask)
    assert found == pytest.approx(explained_by_anatomy(prepared, tumour.mask), abs=1e-6)
