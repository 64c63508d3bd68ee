"""A study with a DSC series on an oblique grid of thick slices, elsewhere than the anatomy."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from conftest import oblique_affine
from gliotype.atlas import atlas
from gliotype.dsc import DscSeries, Perfusion, Region
from gliotype.errors import InputError
from gliotype.findings import Finding
from gliotype.measure import PERFUSION_UNITS, NoPerfusion, measure, perfusion
from gliotype.measure.acquired_grid import covered, opposite_side
from gliotype.measure.dsc.regions import grid_of, regions_on
from gliotype.predictors.perfusion import PerfusionPredictor
from gliotype.study import Label, PreparedStudy, Sequence, Subject, Tumour
from gliotype.volume import Grid, Volume
from support.voxel_curves import TE_MS, fine_times, gamma_variate, signal_of

PREPARED = Grid((84, 100, 76), np.array([[2, 0, 0, -83], [0, 2, 0, -115], [0, 0, 2, -68], [0, 0, 0, 1.0]]))
TIMES = 1.5 * np.arange(50)
TUMOUR_AT = (30.0, 22.0, 26.0)  # right frontal, RAS mm


def away_from(points: np.ndarray, *centre: float) -> np.ndarray:
    return np.linalg.norm(points - np.array(centre), axis=-1)


def label_of(points: np.ndarray) -> np.ndarray:
    """An asymmetric tumour: an enhancing ball off the centre of a core, within oedema."""
    x, y, z = TUMOUR_AT
    labels = np.where(away_from(points, *TUMOUR_AT) < 22, int(Label.OEDEMA), 0)
    labels[away_from(points, *TUMOUR_AT) < 14] = Label.CORE
    labels[away_from(points, x + 4, y + 6, z) < 8] = Label.ENHANCING
    return labels.astype(np.uint8)


def anatomy() -> tuple[PreparedStudy, Tumour]:
    brain = atlas.brain().resample(PREPARED, order=0)
    inside = np.asarray(brain.array, dtype=bool)
    labels = np.where(inside, label_of(PREPARED.world()), 0).astype(np.uint8)
    flair = np.where(inside, np.where(labels > 0, 1.8, 1.0), 0.0).astype(np.float32)
    prepared = PreparedStudy(
        images={Sequence.FLAIR: brain.with_array(flair)},
        brain=brain.with_array(inside),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={},
        acquired_grids={},
        reference=Sequence.FLAIR,
        skull_stripped=False,
    )
    return prepared, Tumour(brain.with_array(labels), "given")


def series(prepared: PreparedStudy, *, centre_z: float = 14.0, slices: int = 16) -> DscSeries:
    """White and grey matter, tumour, an artery left of the midline; the patient has moved since the anatomy."""
    affine = oblique_affine((-3.4, 3.6, 6.5), (9.0, -5.0, 7.0))
    affine[:3, 3] = np.array([6.0, -18.0, centre_z]) - affine[:3, :3] @ ((np.array((56, 60, slices)) - 1) / 2)
    grid = Grid((56, 60, slices), affine)
    moved = oblique_affine((1, 1, 1), (4.0, -3.0, 8.0))
    moved[:3, 3] = (5.0, -7.0, 4.0)
    points = nib.affines.apply_affine(np.linalg.inv(moved), grid.world())
    brain = np.asarray(prepared.brain.resample(grid, np.linalg.inv(moved), order=0).array, dtype=bool)
    white = np.asarray(atlas.tissue(atlas.Tissue.WHITE).resample(grid, np.linalg.inv(moved)).array) > 0.6
    peak = np.where(white, 8.0, 16.0)
    peak = np.select([label_of(points) == label for label in (1, 2, 3)], [12.0, 8.0, 32.0], peak)
    delay = np.where(away_from(points, -12, -20, 10) < 8, 0.0, 2.0)
    peak[delay == 0] = 50.0
    fine = fine_times(float(TIMES[-1]))
    bolus = gamma_variate(fine, 15.0) + 0.1 * gamma_variate(fine, 28.0, beta=3.0)
    slow = gamma_variate(fine, 16.0, beta=2.2) + 0.1 * gamma_variate(fine, 28.0, beta=3.5)
    shapes = np.stack([np.interp(TIMES, fine, slow), np.interp(TIMES, fine, bolus)])
    signal = signal_of(peak[..., None] * shapes[(delay == 0).astype(int)])
    noise = np.random.default_rng(4).normal(0, 8, (2, *signal.shape))
    signal = np.hypot(np.where(brain[..., None], signal, 0) + noise[0], noise[1])
    return DscSeries(
        signal=Volume(signal.astype(np.float32), affine),
        times_s=TIMES,
        te_ms=TE_MS,
        tr_ms=1500.0,
        flip_angle_deg=35.0,
        field_t=3.0,
        spin_echo=False,
        brain=Volume(brain, affine),
        dsc_from_prepared=moved,
        displacement_mm=np.zeros(TIMES.size),
    )


@pytest.fixture(scope="module")
def study() -> tuple[PreparedStudy, Tumour]:
    prepared, tumour = anatomy()
    return replace(prepared, dsc=series(prepared)), tumour


@pytest.fixture(scope="module")
def found(study: tuple[PreparedStudy, Tumour]) -> Perfusion:
    measured = perfusion(*study)
    assert isinstance(measured, Perfusion)
    return measured


def test_blood_volume_lies_where_the_tumour_lies(
    study: tuple[PreparedStudy, Tumour], found: Perfusion
) -> None:
    assert found.numbers["enhancing_nrcbv_mean"] == pytest.approx(4.0, rel=0.15)
    assert found.numbers["non_enhancing_nrcbv_mean"] == pytest.approx(1.5, rel=0.25)
    assert found.numbers["oedema_nrcbv_mean"] == pytest.approx(1.0, rel=0.25)
    hot = np.argwhere(found.maps["rcbv"].array > 3.2)
    world = nib.affines.apply_affine(found.maps["rcbv"].affine, hot)
    in_prepared = nib.affines.apply_affine(np.linalg.inv(study[0].dsc.dsc_from_prepared), world)
    near = away_from(in_prepared, 34, 28, 26) < 13
    artery = away_from(in_prepared, -12, -20, 10) < 12
    assert near.sum() > 15
    assert (near | artery).mean() > 0.95


def test_white_matter_is_taken_from_the_other_side(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    regions = regions_on(prepared.dsc, prepared, tumour)
    white = np.argwhere(regions[Region.WHITE_MATTER])
    world = nib.affines.apply_affine(prepared.dsc.brain.affine, white)
    in_prepared = nib.affines.apply_affine(np.linalg.inv(prepared.dsc.dsc_from_prepared), world)
    assert len(white) >= 100
    assert (in_prepared[:, 0] < 3).all()
    assert not (regions[Region.WHITE_MATTER] & regions[Region.WHOLE]).any()


def test_regions_keep_their_volume(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    regions = regions_on(prepared.dsc, prepared, tumour)
    for label, region in ((1, Region.NON_ENHANCING), (2, Region.OEDEMA), (3, Region.ENHANCING)):
        ml = regions[region].sum() * prepared.dsc.brain.grid.voxel_ml
        assert ml == pytest.approx((tumour.labels.array == label).sum() * PREPARED.voxel_ml, rel=0.05)


def test_bilateral_tumour_leaves_both_sides(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    both = np.asarray(tumour.labels.array) | np.asarray(tumour.labels.array)[::-1]
    assert opposite_side(prepared, Tumour(tumour.labels.with_array(both), "given")).all()
    right_only = opposite_side(prepared, tumour)
    assert (PREPARED.world()[right_only][:, 0] <= 0).all()


def test_arteries_lie_in_the_artery(study: tuple[PreparedStudy, Tumour], found: Perfusion) -> None:
    world = nib.affines.apply_affine(found.maps["rcbv"].affine, np.argwhere(found.arterial.voxels))
    in_prepared = nib.affines.apply_affine(np.linalg.inv(study[0].dsc.dsc_from_prepared), world)
    assert len(world) >= 8
    assert (away_from(in_prepared, -12, -20, 10) < 10).mean() > 0.9


def test_maps_are_unknown_outside_the_brain(study: tuple[PreparedStudy, Tumour], found: Perfusion) -> None:
    outside = ~np.asarray(study[0].dsc.brain.array)
    for name, volume in found.maps.items():
        assert np.isnan(np.asarray(volume.array)[outside]).all(), name
        assert volume.grid.same_as(study[0].dsc.brain.grid)
    assert np.isfinite(np.asarray(found.maps["rcbv"].array)[~outside]).mean() > 0.98


def test_given_arteries_are_taken(study: tuple[PreparedStudy, Tumour], found: Perfusion) -> None:
    prepared, tumour = study
    mask = np.zeros(prepared.dsc.brain.grid.shape, bool)
    mask[20:22, 30:33, 8] = True
    given = perfusion(prepared, tumour, prepared.dsc.brain.with_array(mask))
    assert isinstance(given, Perfusion)
    assert given.arterial.given
    np.testing.assert_array_equal(given.arterial.voxels, mask)
    far = prepared.dsc.brain.with_array(np.zeros_like(mask))
    with pytest.raises(InputError, match="outside the DSC series"):
        perfusion(prepared, tumour, far)


@pytest.mark.slow
def test_tumour_partly_or_wholly_outside_the_series(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    low = replace(prepared, dsc=series(prepared, centre_z=-6.0, slices=10))
    part = perfusion(low, tumour)
    assert isinstance(part, Perfusion)
    fraction = 100 * covered(grid_of(low.dsc), prepared, tumour.mask)[tumour.mask].mean()
    assert 5 < fraction < 90
    assert part.numbers["tumour_coverage"] == pytest.approx(fraction)
    assert any(warning.startswith("Only ") and "of the tumour" in warning for warning in part.warnings)
    none = perfusion(replace(prepared, dsc=series(prepared, centre_z=-40.0, slices=8)), tumour)
    assert isinstance(none, Perfusion)
    assert any("lies outside the DSC series" in warning for warning in none.warnings)
    assert none.numbers["whole_nrcbv_mean"] is None


def test_measure_takes_the_perfusion_in(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    measurements = measure(prepared, tumour)
    assert set(measurements.perfusion) == set(PERFUSION_UNITS)
    assert set(PERFUSION_UNITS) <= set(measurements.units)
    assert measurements["enhancing_nrcbv_mean"] == pytest.approx(4.0, rel=0.15)
    assert measurements.dsc is not None
    assert Region.WHOLE in measurements.dsc.curves


def test_without_dsc_nothing_changes(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    without = replace(prepared, dsc=None)
    measurements = measure(without, tumour)
    assert measurements.warnings == ()
    arteries = tumour.labels.with_array(tumour.mask)
    assert "arteries were given" in measure(without, tumour, arteries).warnings[0]
    assert measurements.perfusion == {}
    assert measurements.dsc is None
    assert measurements.warnings == ()
    assert not set(PERFUSION_UNITS) & set(measurements.units)
    assert isinstance(perfusion(without, tumour), NoPerfusion)


def test_series_without_bolus_leaves_a_sentence(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    flat = prepared.dsc.signal.with_array(np.full_like(prepared.dsc.signal.array, 300.0))
    measurements = measure(replace(prepared, dsc=replace(prepared.dsc, signal=flat)), tumour)
    assert set(measurements.perfusion.values()) == {None}
    assert measurements.dsc is None
    assert len(measurements.warnings) == 1
    assert measurements["VoxelVolume"] > 0


def test_no_tumour_still_has_maps(study: tuple[PreparedStudy, Tumour]) -> None:
    prepared, tumour = study
    healthy = Tumour(tumour.labels.with_array(np.zeros_like(tumour.labels.array)), "model1")
    found = perfusion(prepared, healthy)
    assert isinstance(found, Perfusion)
    assert found.numbers["whole_nrcbv_mean"] is None
    assert found.numbers["tumour_coverage"] is None
    assert np.isfinite(found.maps["rcbv"].array).any()


@pytest.mark.slow
def test_a_tumour_without_sub_regions_has_the_curve_of_the_whole_alone(
    study: tuple[PreparedStudy, Tumour],
) -> None:
    prepared, tumour = study
    outline = Tumour(tumour.labels.with_array(tumour.mask.astype(np.uint8)), "given")
    found = perfusion(prepared, outline)
    assert isinstance(found, Perfusion)
    assert set(found.curves) == {Region.WHOLE, Region.WHITE_MATTER}
    assert found.numbers["enhancing_nrcbv_mean"] is None
    assert found.numbers["whole_nrcbv_mean"] is not None
    answer = PerfusionPredictor(0.3).predict(
        prepared, outline, measure(prepared, outline), Subject("a", 50.0)
    )
    assert isinstance(answer, Finding)
