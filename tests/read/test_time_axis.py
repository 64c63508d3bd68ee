"""Times of frames are checked against the repetition time; an unfinished last frame is left out."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from conftest import oblique_affine
from gliotype.errors import InputError
from gliotype.prepare.dsc import dsc_series
from gliotype.read import read_study
from gliotype.read.time_axis import TimeAxis, choose_time_axis, repetition_axis
from gliotype.study import Acquisition, Image, Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

SHAPE, FRAMES, TR_S = (12, 14, 5), 24, 1.5
AFFINE = oblique_affine((-9.0, 8.0, 11.0), (8.0, -5.0, 12.0))
REGULAR = [TR_S * t for t in range(FRAMES)]
PERF = {
    "SeriesDescription": "ep2d_perf",
    "EchoTime": 30.0,
    "RepetitionTime": 1000 * TR_S,
    "ScanningSequence": "EP",
}


def series() -> Volume:
    return Volume(np.arange(np.prod(SHAPE) * FRAMES, dtype=np.int16).reshape(*SHAPE, FRAMES), AFFINE)


def read(folder: Path) -> Study:
    return read_study(folder, subject=Subject("a"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study with a T1."""
    write_dicom_series(series().with_array(series().array[..., 0]), tmp_path / "t1", **PROTOCOLS["T1"])
    return tmp_path


def write(folder: Path, times_s: list[float], **headers: object) -> list[Path]:
    """Classic files by slice, then by frame; the times stand in ContentTime alone."""
    files = write_dicom_series(series(), folder / "perf", frame_times_s=times_s, **(PERF | headers))  # type: ignore[arg-type]
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.ContentTime = dataset.AcquisitionTime
        del dataset.AcquisitionTime
        dataset.save_as(file)
    return files


def test_times_of_the_reconstruction_are_not_those_of_the_frames(folder: Path) -> None:
    write(folder, [0.02 * t for t in range(FRAMES)])
    study = read(folder)
    assert study.chosen[Sequence.DSC].acquisition.frame_times_s == pytest.approx(REGULAR)
    (warning,) = [text for text in study.warnings if "its clock times" in text]
    assert "0.02 s between frames at a repetition time of 1.5 s); its repetition time was used" in warning


def test_a_clock_that_jitters_loses_no_frames(folder: Path) -> None:
    """Stored in bursts: some frames come late by nearly a whole step, and the next ones early."""
    times = [t + (1.3 if n % 5 == 2 else 0.0) for n, t in enumerate(REGULAR)]
    write(folder, times)
    study = read(folder)
    image = study.chosen[Sequence.DSC]
    assert np.array_equal(image.volume.as_ras().array, series().as_ras().array)
    assert image.acquisition.frame_times_s == pytest.approx(REGULAR)
    assert any("unsteady about a repetition time of 1.5 s" in text for text in study.warnings)


@pytest.mark.parametrize("ordered_by", ["clock", "temporal position", "instance number"])
@pytest.mark.parametrize("kept_slices", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_an_unfinished_last_frame_is_left_out(folder: Path, ordered_by: str, kept_slices: int) -> None:
    for number, file in enumerate(write(folder, REGULAR)):
        k, t = divmod(number, FRAMES)
        dataset = pydicom.dcmread(file)
        dataset.InstanceNumber = t * SHAPE[2] + k + 1
        if ordered_by != "clock":
            del dataset.ContentTime
        if ordered_by == "temporal position":
            dataset.TemporalPositionIdentifier = t + 1
        dataset.save_as(file)
        if t == FRAMES - 1 and k >= kept_slices:
            file.unlink()
    study = read(folder)
    image = study.chosen[Sequence.DSC]
    assert np.array_equal(image.volume.as_ras().array, series().as_ras().array[..., :-1])
    assert image.acquisition.frame_times_s == pytest.approx(REGULAR[:-1])
    assert any(
        "the last of its 24 frames lacks slices" in text and "left out" in text for text in study.warnings
    )


def nifti(folder: Path, content: dict[str, object], step: float | None) -> Study:
    image = nib.Nifti1Image(np.asarray(series().array), AFFINE)
    if step is not None:
        image.header["pixdim"][4] = step
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "case_perf.nii.gz")
    (folder / "case_perf.json").write_text(json.dumps({"EchoTime": 0.03} | content))
    return read(folder)


def test_a_repetition_time_and_a_fourth_voxel_size_that_disagree(folder: Path) -> None:
    study = nifti(folder, {"RepetitionTime": TR_S}, step=2.0)
    assert study.chosen[Sequence.DSC].acquisition.frame_times_s == pytest.approx(REGULAR)
    assert any(
        "its repetition time (1.5 s between frames) and its fourth voxel size (2 s) disagree" in text
        for text in study.warnings
    )


def test_a_repetition_time_of_one_of_many_shots_is_not_the_time_of_a_frame(folder: Path) -> None:
    study = nifti(folder, {"RepetitionTime": 0.017}, step=1.5)
    assert study.chosen[Sequence.DSC].acquisition.frame_times_s == pytest.approx(REGULAR)


def test_a_volume_timing_in_milliseconds(folder: Path) -> None:
    study = nifti(folder, {"RepetitionTime": TR_S, "VolumeTiming": [1000 * t for t in REGULAR]}, step=None)
    assert study.chosen[Sequence.DSC].acquisition.frame_times_s == pytest.approx(REGULAR)


def test_a_volume_timing_faster_than_the_repetition_time(folder: Path) -> None:
    study = nifti(folder, {"RepetitionTime": TR_S, "VolumeTiming": [t / 10 for t in REGULAR]}, step=None)
    assert study.chosen[Sequence.DSC].acquisition.frame_times_s == pytest.approx(REGULAR)
    assert any("its VolumeTiming cannot be when its frames were acquired" in text for text in study.warnings)


def test_without_any_possible_time_nothing_is_made_up() -> None:
    clock = TimeAxis("its clock times", (0.0, 0.02, 0.04))
    times, (warning,) = choose_time_axis("perf", [clock, *repetition_axis(None, 3)], None)
    assert times is None
    assert warning == "perf: its clock times cannot be when its frames were acquired (0.02 s between frames)."


def test_multi_shot_clocks_are_slower_than_the_repetition_time() -> None:
    clock = TimeAxis("its clock times", tuple(1.4 * t for t in range(9)))
    assert choose_time_axis("perf", [clock, *repetition_axis(0.017, 9)], 0.017) == (
        pytest.approx(clock.times_s),
        (),
    )


@pytest.mark.parametrize(("step", "tr_ms"), [(0.02, None), (0.02, 1500.0), (0.5, 1500.0), (60.0, None)])
def test_a_series_with_impossible_times_is_not_measured(step: float, tr_ms: float | None) -> None:
    acquisition = Acquisition(te_ms=30.0, tr_ms=tr_ms, frame_times_s=tuple(step * t for t in range(FRAMES)))
    image = Image(series(), Sequence.DSC, 0.9, "", "perf.nii", acquisition)
    brain = series().with_array(np.ones(SHAPE, np.bool_))
    with pytest.raises(
        InputError, match=f"the frames of perf.nii would lie {step:g} s apart.*which no scanner does"
    ):
        dsc_series(image, brain, np.eye(4))
