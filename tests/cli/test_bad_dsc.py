"""A DSC series that cannot be measured costs the study its perfusion, in one sentence, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.measure import measure
from gliotype.prepare import prepare
from gliotype.read import read_mask, read_study
from gliotype.segment import given_tumour
from gliotype.study import PreparedStudy, Sequence, Subject
from gliotype.volume import Grid, Volume
from support.command_line import Run
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.dsc_phantom import TE_MS, TR_S, dsc, epi_grid
from support.template_head import head, write_small_study

FRAMES = 28
AXIAL = epi_grid((40, 40, 10), slice_mm=9.0)
CORONAL = Grid(
    (40, 34, 14),
    np.array([[-5.6, 0, 0.4, 108], [0.3, 0.5, 7.2, -62.0], [0.1, 5.4, -0.6, -62], [0, 0, 0, 1.0]]),
)
ANATOMY = atlas.brain().grid.bounding(4.0)


@pytest.fixture(scope="module")
def series() -> Volume:
    found = dsc(AXIAL, frames=FRAMES)
    return found.with_array(np.round(np.asarray(found.array)).astype(np.int16))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A T2 of few voxels, and next to the study the mask of its tumour."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_small_study(folder, tmp_path / "mask.nii.gz")
    return folder


def nifti(volume: Volume, folder: Path, sidecar: dict[str, object] | None = None) -> Path:
    image = nib.Nifti1Image(np.asarray(volume.array), volume.affine)
    nib.save(image, folder / "dsc_perf.nii.gz")
    known = {"EchoTime": TE_MS / 1000, "RepetitionTime": TR_S, "ScanningSequence": "EP_GR"}
    (folder / "dsc_perf.json").write_text(json.dumps(known if sidecar is None else sidecar))
    return folder / "dsc_perf.nii.gz"


def as_acquired(series: Volume, folder: Path) -> None:
    nifti(series, folder)


def from_the_front(series: Volume, folder: Path) -> None:
    found = dsc(CORONAL, frames=FRAMES)
    nifti(found.with_array(np.round(np.asarray(found.array)).astype(np.int16)), folder)


def one_image(series: Volume, folder: Path) -> None:
    nifti(series.with_array(series.array[..., 5]), folder)


def no_repetition_time(series: Volume, folder: Path) -> None:
    nifti(series, folder, {"EchoTime": 0.03})


def times_in_disorder(series: Volume, folder: Path) -> None:
    times = [TR_S * t for t in range(FRAMES)]
    times[7], times[8] = times[8], times[7]
    nifti(series, folder, {"EchoTime": 0.03, "VolumeTiming": times})


def some_frames_zero(series: Volume, folder: Path) -> None:
    array = np.asarray(series.array).copy()
    array[..., 9:11] = 0
    nifti(series.with_array(array), folder)


def all_frames_zero(series: Volume, folder: Path) -> None:
    nifti(series.with_array(np.zeros_like(np.asarray(series.array))), folder)


def no_bolus(series: Volume, folder: Path) -> None:
    rest = np.asarray(series.array)[..., 6:12]
    nifti(series.with_array(np.concatenate([rest] * 4, axis=3)), folder)


def dicom(series: Volume, folder: Path) -> list[Path]:
    return write_dicom_series(
        series, folder / "perf", frame_times_s=[TR_S * t for t in range(FRAMES)], SeriesDescription="ep2d_perf",
        EchoTime=TE_MS, RepetitionTime=1000 * TR_S, ScanningSequence=["EP", "GR"],
    )  # fmt: skip


def missing_frames(series: Volume, folder: Path) -> None:
    (folder / "AX_T2.nii.gz").unlink()
    t2 = head(Sequence.T2, ANATOMY)
    whole = t2.with_array(np.round(np.asarray(t2.array)).astype(np.int16))
    write_dicom_series(whole, folder / "t2", **PROTOCOLS["T2"])
    files = dicom(series, folder)
    for k in range(3, 10):
        files[k * FRAMES + 16].unlink()
        files[k * FRAMES + 17].unlink()


Spoil = Callable[[Volume, Path], None]


def predicted(run: Run, spoil: Spoil, series: Volume, study: Path) -> dict[str, object]:
    """Spoil the series in a study, predict from it, and read the prediction."""
    spoil(series, study)
    code, _, err = run("predict", study, "--mask", study.parent / "mask.nii.gz", "-o", study / "out")
    assert code == 0, err
    found: dict[str, object] = json.loads((study / "out" / "prediction.json").read_text())
    return found


def prepared(spoil: Spoil, series: Volume, study: Path) -> PreparedStudy:
    """Spoil the series in a study, and read and prepare it with the atlas's brain; with the warnings of both."""
    spoil(series, study)
    found = read_study(study, subject=Subject("a"))
    ready = prepare(found)
    return replace(ready, warnings=(*found.warnings, *ready.warnings))


@pytest.mark.slow
def test_a_good_series_is_measured(series: Volume, study: Path, run: Run) -> None:
    found = predicted(run, as_acquired, series, study)
    assert "DSC" in found["sequences"]  # type: ignore[operator]
    assert not [w for w in found["warnings"] if "not measured" in w]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_good_series_is_measured_whatever_its_orientation(series: Volume, study: Path) -> None:
    found = prepared(from_the_front, series, study)
    assert found.dsc is not None
    measured = measure(found, given_tumour(read_mask(study.parent / "mask.nii.gz"), found))
    assert measured.dsc is not None
    assert not [w for w in (*found.warnings, *measured.warnings) if "not measured" in w]


FOUND_EARLY: list[tuple[Spoil, str]] = [
    (no_repetition_time, "give a JSON sidecar with RepetitionTime"),
    (times_in_disorder, "the times of the frames of dsc_perf.nii.gz do not rise"),
    (some_frames_zero, "dsc_perf.nii.gz holds no signal in frames 10 and 11 of 28: export the series again"),
    (all_frames_zero, "dsc_perf.nii.gz is constant (every voxel is 0)"),
]
TOLD_TO_THE_END: list[tuple[Spoil, str]] = [
    (no_bolus, "bolus"),
    (
        missing_frames,
        "frames 17 and 18 of 28 are missing in slices 1-7 of 10: export the whole series again",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "sentence"), FOUND_EARLY, ids=lambda case: getattr(case, "__name__", ""))
def test_a_bad_series_is_told_once_and_not_prepared(
    spoil: Spoil, sentence: str, series: Volume, study: Path
) -> None:
    found = prepared(spoil, series, study)
    assert len([warning for warning in found.warnings if sentence in warning]) == 1, found.warnings
    assert found.dsc is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "sentence"), TOLD_TO_THE_END, ids=lambda case: getattr(case, "__name__", "")
)
def test_a_bad_series_is_told_once_and_the_study_goes_on(
    spoil: Spoil,
    sentence: str,
    series: Volume,
    study: Path,
    run: Run,
) -> None:
    found = predicted(run, spoil, series, study)
    matching = [warning for warning in found["warnings"] if sentence in warning]  # type: ignore[attr-defined]
    assert len(matching) == 1, found["warnings"]
    assert "perfusion" in found["not_applicable"]  # type: ignore[operator]
    assert found["call"] in {"mutant", "wildtype", "indeterminate", "no_tumour"}
    assert not any(value for value in found["measurements"]["perfusion"].values())  # type: ignore[index]


def test_one_image_is_not_taken_for_a_series(series: Volume, study: Path) -> None:
    one_image(series, study)
    found = read_study(study, subject=Subject("a"))
    assert set(found.chosen) == {Sequence.T2}
    (reason,) = (image.reason for image in found.images if image.source == "dsc_perf.nii.gz")
    assert "a single image, where DSC perfusion is a time series" in reason


@pytest.mark.parametrize("spoil", [one_image, all_frames_zero], ids=lambda case: case.__name__)
def test_a_named_series_that_is_none_ends_the_run(
    spoil: Spoil,
    series: Volume,
    study: Path,
    run: Run,
) -> None:
    spoil(series, study)
    named = ["--t2", study / "AX_T2.nii.gz", "--dsc", study / "dsc_perf.nii.gz"]
    code, _, err = run("predict", *named, "-o", study / "out")
    assert code == 3, err
    assert not (study / "out" / "prediction.json").exists()


@pytest.mark.slow
def test_a_named_series_with_missing_frames_ends_the_run(run: Run, series: Volume, study: Path) -> None:
    missing_frames(series, study)
    named = ["--t2", study / "t2", "--dsc", study / "perf", "-o", study / "out"]
    code, _, err = run("predict", *named)
    assert code == 3, err
    assert "frames 17 and 18 of 28 are missing" in " ".join(err.split())
