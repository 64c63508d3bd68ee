"""DSC perfusion series as scanners, PACS and converters write them."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from conftest import oblique_affine
from gliotype.errors import InputError
from gliotype.read import read_study
from gliotype.study import Image, Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

SHAPE, FRAMES, TR_S = (12, 14, 6), 24, 1.5
PERF = {
    "SeriesDescription": "ep2d_perf", "EchoTime": 30.0, "RepetitionTime": 1500.0, "FlipAngle": 75.0,
    "MagneticFieldStrength": 3.0, "ScanningSequence": ["EP", "GR"],
}  # fmt: skip
TIMES = [round(TR_S * t, 3) for t in range(FRAMES)]


def read(source: Path, **options: object) -> Study:
    return read_study(source, subject=Subject("case"), **options)  # type: ignore[arg-type]


@pytest.fixture
def series() -> Volume:
    """Every voxel of every frame different; oblique, anisotropic, stored from the patient's left and downwards."""
    affine = oblique_affine((-9.0, 8.0, -11.0), (8.0, -5.0, 12.0))
    affine[:3, 3] = (50.0, -60.0, 40.0)
    return Volume(np.arange(np.prod(SHAPE) * FRAMES, dtype=np.int16).reshape(*SHAPE, FRAMES), affine)


@pytest.fixture
def folder(series: Volume, tmp_path: Path) -> Path:
    """A study with a T1."""
    write_dicom_series(series.with_array(series.array[..., 0]), tmp_path / "t1", **PROTOCOLS["T1"])
    return tmp_path


def write(series: Volume, folder: Path, **options: object) -> list[Path]:
    """Classic files in the order of their slices, frames of one slice together."""
    return write_dicom_series(series, folder / "perf", frame_times_s=TIMES, **(PERF | options))  # type: ignore[arg-type]


def assert_same(image: Image, series: Volume) -> None:
    found, expected = image.volume.as_ras(), series.as_ras()
    assert found.grid.same_as(expected.grid)
    np.testing.assert_array_equal(found.array, expected.array)
    assert image.acquisition.frame_times_s == pytest.approx(TIMES)


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_a_dicom_series_comes_back(series: Volume, folder: Path, enhanced: bool) -> None:
    write(series, folder, enhanced=enhanced)
    image = read(folder).chosen[Sequence.DSC]
    assert_same(image, series)
    acquisition = image.acquisition
    assert (acquisition.te_ms, acquisition.tr_ms, acquisition.flip_angle_deg) == (30.0, 1500.0, 75.0)
    assert (acquisition.field_t, acquisition.spin_echo) == (3.0, False)


@pytest.mark.slow
def test_instance_numbers_may_be_in_any_order(series: Volume, folder: Path) -> None:
    files = write(series, folder)
    numbers = np.random.default_rng(0).permutation(len(files))
    for file, number in zip(files, numbers, strict=True):
        dataset = pydicom.dcmread(file)
        dataset.InstanceNumber = int(number)
        dataset.save_as(file)
    assert_same(read(folder).chosen[Sequence.DSC], series)


@pytest.mark.slow
def test_slices_acquired_one_after_the_other_are_one_frame(series: Volume, folder: Path) -> None:
    for number, file in enumerate(write(series, folder)):
        dataset = pydicom.dcmread(file)
        k, t = divmod(number, FRAMES)
        dataset.AcquisitionTime = f"1000{TR_S * t + (0.7, 0.0, 0.95, 0.25, 1.2, 0.5)[k]:09.6f}"
        dataset.save_as(file)
    assert_same(read(folder).chosen[Sequence.DSC], series)


def lose(files: list[Path], slices: range, frames: range) -> None:
    for k in slices:
        for t in frames:
            files[k * FRAMES + t].unlink()


def test_missing_frames_are_named_and_the_study_goes_on(series: Volume, folder: Path) -> None:
    lose(write(series, folder), range(2, 5), range(16, 18))  # slices are stored downwards
    study = read(folder)
    assert list(study.chosen) == [Sequence.T1]
    unused = next(image for image in study.images if image.sequence is None)
    sentence = "frames 17 and 18 of 24 are missing in slices 3-5 of 6: export the whole series again"
    assert sentence in unused.reason
    assert unused.reason.startswith("Not used: perf/")
    assert any(sentence in warning for warning in study.warnings)


def test_missing_frames_of_an_enhanced_file_are_named(series: Volume, folder: Path) -> None:
    file = write(series, folder, enhanced=True)[0]
    dataset = pydicom.dcmread(file)
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    remaining = [n for n, g in enumerate(groups) if g.FrameContentSequence[0].TemporalPositionIndex != 9]
    pixels = dataset.pixel_array[remaining]
    dataset.PerFrameFunctionalGroupsSequence = [groups[n] for n in remaining]
    dataset.NumberOfFrames, dataset.PixelData = len(remaining), pixels.tobytes()
    dataset.save_as(file)
    assert any("frame 9 of 24 is missing in every slice" in w for w in read(folder).warnings)


def test_a_named_series_with_missing_frames_is_an_error(series: Volume, folder: Path) -> None:
    lose(write(series, folder), range(1), range(5, 6))
    with pytest.raises(InputError, match=r"frame 6 of 24 is missing in slice . of 6") as caught:
        read(folder / "t1", files={Sequence.DSC: folder / "perf"})
    assert caught.value.exit_code == 3


def test_a_damaged_file_is_a_missing_frame(series: Volume, folder: Path) -> None:
    file = write(series, folder)[3 * FRAMES + 7]
    file.write_bytes(file.read_bytes()[:-40])
    assert any("frame 8 of 24 is missing in slice" in warning for warning in read(folder).warnings)


@pytest.mark.slow
def test_another_complete_series_takes_its_place(series: Volume, folder: Path) -> None:
    lose(write(series, folder), range(1), range(5, 6))
    write_dicom_series(
        series, folder / "again", frame_times_s=TIMES, **PERF, SeriesInstanceUID=generate_uid(), seed=3
    )
    assert_same(read(folder).chosen[Sequence.DSC], series)


@pytest.mark.slow
def test_files_sent_twice_count_once(series: Volume, folder: Path) -> None:
    for file in write(series, folder)[10:70]:
        dataset = pydicom.dcmread(file)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(file.with_name(f"again {file.name}"))
    assert_same(read(folder).chosen[Sequence.DSC], series)


@pytest.mark.slow
@pytest.mark.parametrize(
    "derived",
    [
        {"SeriesDescription": "ep2d_perf_RELCBV"},
        {"SeriesDescription": "relMTT perf"},
        {"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "TTP"]},
        {"ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "PBP"]},
        {"SeriesDescription": "GBP_PERF"},
    ],
    ids=lambda headers: str(next(iter(headers.values()))),
)
def test_a_derived_map_is_never_the_series(series: Volume, folder: Path, derived: dict[str, object]) -> None:
    """Not even one that repeats in time."""
    write(series, folder, **derived)
    assert Sequence.DSC not in read(folder).chosen


def nifti(series: Volume, folder: Path, *, tr: float | None = None, unit: str | None = None) -> Path:
    image = nib.Nifti1Image(np.asarray(series.array), series.affine)
    if tr is not None:
        image.header["pixdim"][4] = tr
    if unit is not None:
        image.header.set_xyzt_units("mm", unit)
    nib.save(image, folder / "case_perf.nii.gz")
    return folder / "case_perf.json"


@pytest.mark.parametrize(("tr", "unit"), [(1.5, "sec"), (1500.0, "msec"), (1.5, None)])
def test_times_of_nifti_come_from_its_header(
    series: Volume, folder: Path, tr: float, unit: str | None
) -> None:
    nifti(series, folder, tr=tr, unit=unit)
    assert_same(read(folder, study_uid=None).chosen[Sequence.DSC], series)


@pytest.mark.parametrize(
    "content",
    [
        {"RepetitionTime": 1.5},
        {"RepetitionTime": 1500},
        {"VolumeTiming": TIMES},
        {"VolumeTiming": [t + 4.0 for t in TIMES]},
    ],
    ids=["s", "ms", "volumes", "volumes from 4 s"],
)
def test_a_sidecar_says_the_times_before_the_header(
    series: Volume, folder: Path, content: dict[str, object]
) -> None:
    nifti(series, folder, tr=7.0, unit="sec").write_text(json.dumps({"EchoTime": 0.03} | content))
    image = read(folder).chosen[Sequence.DSC]
    assert_same(image, series)
    assert image.acquisition.te_ms == 30.0


@pytest.mark.parametrize(
    ("tr", "content"),
    [(1.0, {}), (0.0, {}), (7.0, {"VolumeTiming": TIMES[:5]})],
    ids=["unset", "zero", "too few"],
)
def test_times_that_nothing_tells_stay_unknown(
    series: Volume, folder: Path, tr: float, content: dict[str, object]
) -> None:
    """A fourth voxel size of 1 without a unit is what an unset header holds, not a second."""
    nifti(series, folder, tr=tr).write_text(json.dumps(content))
    assert read(folder).chosen[Sequence.DSC].acquisition.frame_times_s is None
