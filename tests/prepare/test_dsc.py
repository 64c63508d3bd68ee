from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine

from gliotype.atlas import atlas
from gliotype.dsc import DscSeries
from gliotype.errors import InputError
from gliotype.prepare import prepare
from gliotype.prepare.dsc import baseline_mean, dsc_series
from gliotype.study import Acquisition, Image, Sequence, Study, Subject
from gliotype.volume import Volume
from support.dsc_phantom import TE_MS, TR_S, dsc, epi_grid, jerks
from support.template_head import brain_points, mean_distance, moved

GRID = epi_grid((48, 48, 12), slice_mm=8.0)
FRAMES = 32


def image(volume: Volume, **acquisition: object) -> Image:
    times = tuple(float(t) for t in TR_S * np.arange(volume.array.shape[-1]))
    known = Acquisition(te_ms=TE_MS, tr_ms=1000 * TR_S, field_t=3.0, frame_times_s=times)
    return Image(
        volume,
        Sequence.DSC,
        1.0,
        "",
        "perf.nii.gz",
        replace(known, **acquisition),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def still() -> Volume:
    return dsc(GRID, frames=FRAMES)


@pytest.fixture(scope="module")
def brain() -> Volume:
    found = atlas.brain()
    return found.with_array(np.asarray(found.array) > 0)


def made(volume: Volume, brain: Volume, **acquisition: object) -> DscSeries:
    return dsc_series(image(volume, **acquisition), brain, np.eye(4))


@pytest.mark.slow
def test_a_still_series_stays_as_it_was_acquired(still: Volume, brain: Volume) -> None:
    series = made(still, brain)
    same = (np.asarray(series.signal.array) == np.asarray(still.array)).all(axis=(0, 1, 2))
    assert same.mean() > 0.8
    assert series.displacement_mm.max() < 0.25
    assert series.warnings == ()
    assert (series.te_ms, series.tr_ms, series.field_t, series.spin_echo) == (30.0, 1500.0, 3.0, False)
    assert np.allclose(series.times_s, TR_S * np.arange(FRAMES))


@pytest.mark.slow
def test_motion_is_undone_and_told(still: Volume, brain: Volume) -> None:
    shaken = dsc(GRID, frames=FRAMES, motion=jerks(FRAMES, {20: ((0, 0, 4), (3, 0, 1))}))
    series = made(shaken, brain)
    inside = np.asarray(series.brain.array)

    def unlike(volume: Volume) -> float:
        late = np.asarray(volume.array)[..., 24:28].mean(axis=3) - np.asarray(still.array)[..., 24:28].mean(
            axis=3
        )
        return float(np.abs(late[inside]).mean())

    assert unlike(series.signal) < 0.5 * unlike(shaken)
    assert any("head moved" in warning for warning in series.warnings)
    assert series.displacement_mm[22:].min() > 3


@pytest.mark.slow
def test_the_brain_lies_where_the_head_does(brain: Volume) -> None:
    """The series is oblique, flipped and asymmetric: any mistake of axes moves the mask off the signal."""
    dsc_from_prepared = moved((4, -3, 6), (8, -5, 3))  # where the head lies in the world of the series
    shifted = dsc(GRID, np.linalg.inv(dsc_from_prepared), frames=FRAMES)
    series = dsc_series(image(shifted), brain, dsc_from_prepared)
    index = np.argwhere(np.asarray(series.brain.array))
    world = apply_affine(np.linalg.inv(dsc_from_prepared) @ GRID.affine, index)
    truth = np.asarray(brain.array)[
        tuple(np.round(apply_affine(np.linalg.inv(brain.affine), world)).astype(int).T)
    ]
    assert truth.mean() > 0.97
    assert len(index) > 0.8 * _expected_voxels(brain, dsc_from_prepared)


def _expected_voxels(brain: Volume, dsc_from_prepared: np.ndarray) -> int:
    fraction = brain.with_array(np.asarray(brain.array, np.float32)).resample(
        GRID, np.linalg.inv(dsc_from_prepared)
    )
    return int((np.asarray(fraction.array) >= 0.5).sum())


@pytest.mark.slow
def test_voxels_without_signal_are_no_brain(still: Volume, brain: Volume) -> None:
    dropped = np.asarray(still.array).copy()
    dropped[20:28, 20:28, 4:7] = 0
    series = made(still.with_array(dropped), brain)
    assert not np.asarray(series.brain.array)[20:28, 20:28, 4:7].any()


@pytest.mark.slow
def test_what_leaves_the_slices_is_no_brain_and_is_told(brain: Volume) -> None:
    """A jump across the slices takes one end of the brain out of the field: no zeros may pass for a bolus."""
    shaken = dsc(GRID, frames=FRAMES, motion=jerks(FRAMES, {22: ((0, 0, 0), (0, 0, 11))}))
    series = made(shaken, brain)
    inside = np.asarray(series.brain.array)
    assert np.asarray(series.signal.array)[inside].min(axis=0).min() > 0
    assert inside.any(axis=(0, 1)).sum() in range(8, 12)
    assert any("left the slices" in warning for warning in series.warnings)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"te_ms": None}, "echo time"),
        ({"frame_times_s": None}, "RepetitionTime"),
        ({"frame_times_s": tuple(float(t % 7) for t in range(FRAMES))}, "do not rise"),
        ({"frame_times_s": (0.0, 1.5)}, "RepetitionTime"),
    ],
)
def test_what_keeps_a_series_from_being_measured_is_said(
    still: Volume, brain: Volume, wrong: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        made(still, brain, **wrong)


def test_few_frames_zeros_and_another_place_are_refused(still: Volume, brain: Volume) -> None:
    array = np.asarray(still.array)
    with pytest.raises(InputError, match="12 time points"):
        made(still.with_array(array[..., :12]), brain)
    with pytest.raises(InputError, match="1 time point,"):
        made(still.with_array(array[..., 0]), brain)
    with pytest.raises(InputError, match="zero"):
        made(still.with_array(np.zeros_like(array)), brain)
    interrupted = array.copy()
    interrupted[..., [9, 20, 21]] = 0
    with pytest.raises(InputError, match=r"no signal in frames 10, 21 and 22 of 32: export"):
        made(still.with_array(interrupted), brain)
    far = np.eye(4)
    far[0, 3] = 900.0
    with pytest.raises(InputError, match="outside the brain"):
        dsc_series(image(still), brain, far)


@pytest.mark.parametrize("slices", [2, 3])
def test_a_thin_slab_is_followed(slices: int, brain: Volume) -> None:
    slab = dsc(epi_grid((32, 32, slices), slice_mm=2.5), frames=FRAMES)
    assert made(slab, brain).signal.grid.shape[2] == slices


def test_a_single_slice_is_refused(still: Volume, brain: Volume) -> None:
    with pytest.raises(InputError, match="a single slice"):
        made(Volume(np.asarray(still.array)[:, :, 6:7], still.affine), brain)


def test_a_series_rests_before_the_bolus(still: Volume) -> None:
    array = np.asarray(still.array)
    assert np.allclose(baseline_mean(still).array, array[..., 4:14].mean(axis=3), rtol=0.02, atol=5)
    assert baseline_mean(baseline_mean(still)).array.shape == GRID.shape


@pytest.fixture(scope="module")
def study(still: Volume) -> Study:
    """A T2 head with its skull, and a series acquired after the head had turned and shifted."""
    t2 = atlas.template(Sequence.T2)
    anatomy = Image(t2.with_array(np.asarray(t2.array, np.float32)), Sequence.T2, 1.0, "", "t2.nii.gz")
    lying = dsc(GRID, np.linalg.inv(moved((5, 0, 0), (0, 6, -4))), frames=FRAMES)
    return Study(Subject("a"), (anatomy, image(lying)))


@pytest.mark.slow
def test_a_study_brings_its_series_to_the_prepared_space(study: Study) -> None:
    prepared = prepare(study)
    assert prepared.dsc is not None
    truth = moved((5, 0, 0), (0, 6, -4))
    assert mean_distance(prepared.dsc.dsc_from_prepared, truth, brain_points()) < 2.5  # slices of 8 mm
    assert np.asarray(prepared.dsc.brain.array).sum() > 1000


@pytest.mark.slow
def test_a_series_that_cannot_be_measured_leaves_the_rest(study: Study) -> None:
    anatomy, series = study.images
    blind = replace(series, acquisition=replace(series.acquisition, te_ms=None))
    prepared = prepare(replace(study, images=(anatomy, blind)))
    assert prepared.dsc is None
    assert any(
        "Perfusion was not measured: perf.nii.gz does not state its echo time" in w for w in prepared.warnings
    )
    assert Sequence.T2 in prepared.images
