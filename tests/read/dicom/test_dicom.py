"""DICOM as scanners and PACS write it: the same voxels at the same place in the patient."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from nibabel.affines import apply_affine
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from conftest import oblique_affine
from gliotype.errors import GeometryError, InputError
from gliotype.read import read_study
from gliotype.read.dicom.series import read_dicom
from gliotype.read.files import Format, Found
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import LPS_FROM_RAS, Volume
from support.dicom_writer import CT, PROTOCOLS, write_dicom_series, write_secondary_capture

SUBJECT = Subject("case")


def read(folder: Path, **options: object) -> Study:
    return read_study(folder, subject=SUBJECT, **options)  # type: ignore[arg-type]


def write(volume: Volume, folder: Path, sequence: str = "T1", **headers: object) -> list[Path]:
    return write_dicom_series(volume, folder, **(PROTOCOLS[sequence] | headers))  # type: ignore[arg-type]


def assert_same_place(found: Volume, expected: Volume, atol: float = 0.0) -> None:
    found, expected = found.as_ras(), expected.as_ras()
    assert found.grid.same_as(expected.grid)
    np.testing.assert_allclose(found.array, expected.array, atol=atol)


@pytest.fixture
def small() -> Volume:
    """An asymmetric block of 40 x 48 x 12 voxels, every voxel different, oblique and anisotropic."""
    affine = oblique_affine((3.0, 3.5, 11.0), (8.0, -5.0, 12.0))
    affine[:3, 3] = (-60.0, -80.0, -50.0)
    return Volume(np.arange(40 * 48 * 12, dtype=np.int16).reshape(40, 48, 12), affine)


AXES = {
    "axial": np.eye(4),
    "axial, left to right": np.diag([-1.0, 1, 1, 1]),
    "upside down": np.diag([1.0, 1, -1, 1]),
    "sagittal": np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]),
    "coronal": np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES.keys())
def test_classic_series_comes_back_in_any_orientation(
    small: Volume, axes: np.ndarray, tmp_path: Path
) -> None:
    volume = Volume(small.array, axes @ small.affine)
    write(volume, tmp_path / "deep" / "down")
    image = read(tmp_path).chosen[Sequence.T1]
    assert_same_place(image.volume, volume)
    assert image.volume.array.dtype == np.int16
    assert image.acquisition.te_ms == 12.0
    assert image.source.startswith("deep/down/")


def test_phantom_comes_back(phantom: Volume, tmp_path: Path) -> None:
    write(phantom, tmp_path, "FLAIR")
    assert_same_place(read(tmp_path).chosen[Sequence.FLAIR].volume, phantom)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
        JPEGLosslessSV1,
    ],
    ids=lambda syntax: syntax.name[:30],
)
def test_every_transfer_syntax_is_decoded(small: Volume, syntax: pydicom.uid.UID, tmp_path: Path) -> None:
    write(small, tmp_path, transfer_syntax=syntax)
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)


@pytest.mark.parametrize("sequence", ["T1", "T1C", "T2", "FLAIR"])
def test_enhanced_multi_frame_is_read_and_identified(small: Volume, sequence: str, tmp_path: Path) -> None:
    headers = {"SeriesDescription": "series 5"}
    write(small, tmp_path, sequence, enhanced=True, transfer_syntax=JPEG2000Lossless, **headers)
    image = read(tmp_path).chosen[Sequence(sequence)]
    assert_same_place(image.volume, small)
    assert image.confidence > 0.6


@pytest.mark.parametrize("enhanced", [False, True])
def test_slope_and_intercept_are_applied(small: Volume, enhanced: bool, tmp_path: Path) -> None:
    scaled = small.with_array(small.array * 0.5 - 100)
    write(scaled, tmp_path, enhanced=enhanced, slope=0.5, intercept=-100.0)
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, scaled)


def smooth_pattern(volume: Volume) -> Volume:
    """Values that vary smoothly and differently along each axis of the patient."""
    x, y, z = np.moveaxis(volume.grid.world(), -1, 0)
    pattern = 1000 + 200 * np.sin(x / 25) + 150 * np.cos(y / 30 + 1) + 3 * z
    return volume.with_array(np.round(pattern).astype(np.float32))


def test_gantry_tilt_is_resampled(tmp_path: Path) -> None:
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    affine[:3, 3] = (-60, -70, -40)
    affine[1, 2] = 1.5
    tilted = smooth_pattern(Volume(np.zeros((60, 70, 20), np.float32), affine))
    write(tilted, tmp_path)
    study = read(tmp_path)
    straight = study.chosen[Sequence.T1].volume
    steps = straight.affine[:3, :3]
    assert abs(steps[:, 1] @ steps[:, 2]) < 1e-6
    index = apply_affine(np.linalg.inv(affine), straight.grid.world())
    inside = ((index >= 0) & (index <= np.array(tilted.array.shape) - 1)).all(axis=-1)
    assert inside.sum() > 0.95 * tilted.array.size
    assert np.abs(straight.array - smooth_pattern(straight).array)[inside].max() < 3.0
    assert any("right angles" in warning for warning in study.warnings)


def test_missing_slices_are_interpolated_and_said(small: Volume, tmp_path: Path) -> None:
    ramp = smooth_pattern(Volume(np.zeros((40, 48, 12), np.float32), small.affine @ np.diag([1, 1, 0.5, 1])))
    write(ramp, tmp_path, leave_out=[3, 7])
    study = read(tmp_path)
    image = study.chosen[Sequence.T1].volume
    assert_same_place(image, ramp, atol=8.0)
    assert any("missing or unevenly spaced" in warning for warning in study.warnings)


def test_half_a_series_is_refused(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path, leave_out=[2, 3, 5, 6, 8, 10])
    with pytest.raises(GeometryError, match=r"slices are missing .* export the whole series again") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3


def test_shifted_slices_are_refused(small: Volume, tmp_path: Path) -> None:
    files = write(small, tmp_path)
    dataset = pydicom.dcmread(files[5])
    dataset.ImagePositionPatient = [
        float(p) + 4.0 * float(o)
        for p, o in zip(dataset.ImagePositionPatient, dataset.ImageOrientationPatient[:3], strict=True)
    ]
    dataset.save_as(files[5])
    with pytest.raises(GeometryError, match="shifted against each other"):
        read(tmp_path)


def test_duplicates_count_once(small: Volume, tmp_path: Path) -> None:
    for file in write(small, tmp_path / "a"):
        shutil.copy(file, tmp_path / f"copy of {file.name}.dcm")
    study = read(tmp_path)
    assert_same_place(study.chosen[Sequence.T1].volume, small)
    assert len(study.images) == 1


def test_resent_slices_count_once(small: Volume, tmp_path: Path) -> None:
    uid = "1.2.3.4"
    write(small, tmp_path / "a", SeriesInstanceUID=uid)
    write(small, tmp_path / "b", SeriesInstanceUID=uid, leave_out=list(range(3, 12)))
    study = read(tmp_path)
    assert_same_place(study.chosen[Sequence.T1].volume, small)
    assert any("3 slices sent twice" in warning for warning in study.warnings)


def test_echoes_of_one_series_are_separated(small: Volume, tmp_path: Path) -> None:
    uid, dual = (
        "1.2.3.4",
        {"RepetitionTime": 3500.0, "SeriesDescription": "AX PD/T2", "ScanningSequence": "SE"},
    )
    t2 = small.with_array(small.array[::-1].copy())
    write_dicom_series(small, tmp_path, seed=1, SeriesInstanceUID=uid, EchoTime=14.0, **dual)
    write_dicom_series(t2, tmp_path, seed=2, SeriesInstanceUID=uid, EchoTime=98.0, **dual)
    study = read(tmp_path)
    assert len(study.images) == 2
    assert list(study.chosen) == [Sequence.T2]
    assert_same_place(study.chosen[Sequence.T2].volume, t2)


def test_localiser_with_three_orientations_is_not_an_image(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path / "t1")
    uid = "1.2.3.4"
    for number, axes in enumerate((AXES["axial"], AXES["sagittal"], AXES["coronal"])):
        thin = Volume(small.array[:, :, :1], axes @ small.affine)
        write_dicom_series(
            thin, tmp_path / "loc", seed=number, SeriesInstanceUID=uid, SeriesDescription="3 Plane Loc",
            EchoTime=5.0, RepetitionTime=11.0, ScanningSequence="GR",
        )  # fmt: skip
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T1]
    assert study.images[1].reason.startswith("Not used: a localiser")
    assert len(study.images) == 4
    assert study.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("enhanced", [False, True])
def test_dsc_becomes_a_time_series(small: Volume, enhanced: bool, tmp_path: Path) -> None:
    write(small, tmp_path / "t1")
    times = [round(1.5 * t + (0.2 if t > 6 else 0.0), 3) for t in range(12)]
    bolus = 1.0 - 0.5 * np.exp(-(((np.arange(12) - 5) / 1.5) ** 2))
    dynamic = Volume(np.round(small.array[..., np.newaxis] * bolus).astype(np.int16), small.affine)
    write_dicom_series(
        dynamic, tmp_path / "dsc", frame_times_s=times, SeriesDescription="ep2d_perf", enhanced=enhanced,
        EchoTime=30.0, RepetitionTime=1500.0, ScanningSequence=["EP", "GR"],
    )  # fmt: skip
    image = read(tmp_path).chosen[Sequence.DSC]
    assert image.volume.array.shape == (*small.array.shape, 12)
    assert image.acquisition.frame_times_s == pytest.approx(times)
    assert_same_place(image.volume, dynamic)


def test_diffusion_is_not_a_structural_image(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path / "t1")
    write(small, tmp_path / "adc", "ADC")
    write_dicom_series(
        small, tmp_path / "dwi", SeriesDescription="AX", EchoTime=90.0, RepetitionTime=6000.0,
        ScanningSequence="EP", DiffusionBValue=1000.0,
    )  # fmt: skip
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T1, Sequence.ADC]
    assert any("b 1000" in image.reason for image in study.images)


def test_pictures_reports_and_directories_are_passed_over(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path)
    write_secondary_capture(tmp_path / "capture", Modality="MR", StudyInstanceUID="1.2.826.0.1.1")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM and more")
    (tmp_path / "readme.txt").write_text("nothing")
    (tmp_path / "empty").write_bytes(b"")
    report = pydicom.dcmread(next(tmp_path.glob("?" * 12)), stop_before_pixels=True)
    for keyword in ("Rows", "Columns", "ImagePositionPatient"):
        delattr(report, keyword)
    report.SOPClassUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.11", "SR"
    report.save_as(tmp_path / "report")
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T1]
    assert [image.reason for image in study.images[1:]] == [
        "Not used: a screen capture or picture without a place in the patient."
    ]
    assert study.warnings == ()


def test_derived_image_is_used_only_without_the_original(small: Volume, tmp_path: Path) -> None:
    fine = Volume(small.array, small.affine @ np.diag([1, 1, 0.95, 1]))
    derived = {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "SeriesNumber": 100}
    write(fine, tmp_path / "mpr", "T1C", SeriesDescription="T1 POST MPR", **derived)
    image = read(tmp_path).chosen[Sequence.T1C]
    assert image.source.startswith("mpr/")
    write(small, tmp_path / "orig", "T1C")
    study = read(tmp_path)
    chosen = study.chosen[Sequence.T1C]
    assert chosen.source.startswith("orig/")
    assert "it is an original, not computed from another image" in chosen.reason
    assert [image.sequence for image in study.images] == [Sequence.T1C, Sequence.T1C]


@pytest.mark.parametrize("kind", ["SUBTRACTION", "MIP", "PHASE", "FA", "TRACEW", "CBV"])
def test_computed_images_are_never_structural(small: Volume, kind: str, tmp_path: Path) -> None:
    write(small, tmp_path / "t2", "T2")
    write(small, tmp_path / "x", ImageType=["DERIVED", "PRIMARY", kind])
    assert list(read(tmp_path).chosen) == [Sequence.T2]


def test_of_several_of_a_kind_the_better_is_chosen_and_the_reason_said(small: Volume, tmp_path: Path) -> None:
    fine = Volume(np.repeat(small.array, 2, axis=2), small.affine @ np.diag([1, 1, 0.5, 1]))
    write(small, tmp_path / "a")
    write(fine, tmp_path / "b")
    study = read(tmp_path)
    assert study.chosen[Sequence.T1].source.startswith("b/")
    assert "preferred to a/" in study.chosen[Sequence.T1].reason
    assert "its slices are thinner" in study.chosen[Sequence.T1].reason
    assert np.isnan(study.images[1].volume.array).all()


def test_a_repeat_is_preferred(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path / "a", SeriesNumber=3)
    write(small, tmp_path / "b", SeriesNumber=4)
    assert read(tmp_path).chosen[Sequence.T1].source.startswith("b/")


def test_one_damaged_slice_is_interpolated(small: Volume, tmp_path: Path) -> None:
    ramp = smooth_pattern(Volume(np.zeros((40, 48, 12), np.float32), small.affine @ np.diag([1, 1, 0.5, 1])))
    files = write(ramp, tmp_path)
    files[4].write_bytes(files[4].read_bytes()[:-300])
    study = read(tmp_path)
    assert_same_place(study.chosen[Sequence.T1].volume, ramp, atol=8.0)
    assert any("1 of its 12 slices cannot be read" in warning for warning in study.warnings)


def test_truncated_files_alone_are_an_error(small: Volume, tmp_path: Path) -> None:
    for file in write(small, tmp_path):
        file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"its pixels cannot be read .* export it again") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3


def test_files_cut_off_in_their_header_are_an_error(small: Volume, tmp_path: Path) -> None:
    for file in write(small, tmp_path):
        file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(InputError, match=r"cut off .*header: export or copy it again"):
        read(tmp_path)


def test_ct_is_refused(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path, Modality="CT", SOPClassUID=CT)
    with pytest.raises(InputError, match=r"holds CT, not MR: give the MR study") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3


def test_a_single_slice_is_refused(small: Volume, tmp_path: Path) -> None:
    files = write(small, tmp_path, leave_out=range(1, 12))
    with pytest.raises(InputError, match="is a single slice: give the whole series") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3
    with pytest.raises(InputError, match=rf"{files[0].name} is a single slice"):
        read(files[0])


def test_no_person_appears_in_the_study(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path, PatientID="998877", PatientName="Doe^Jane")
    study = read(tmp_path)
    text = repr(study.subject) + repr([(i.reason, i.source, i.acquisition) for i in study.images])
    for word in ("998877", "Doe", "Jane", "1950"):
        assert word not in text


def test_age_and_sex_come_from_the_header_unless_given(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path)
    assert read(tmp_path).subject == Subject("case", 63.0, "F")
    given = read_study(tmp_path, subject=Subject("case", 44.0, "M")).subject
    assert given == Subject("case", 44.0, "M")


def test_contrast_before_flair_and_surgery_are_warned_about(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path, "FLAIR", ContrastBolusAgent="Dotarem", StudyDescription="MR post-OP")
    warnings = read(tmp_path).warnings
    assert any("FLAIR was acquired after contrast" in warning for warning in warnings)
    assert any("'post op'" in warning for warning in warnings)


def test_highdicom_sees_the_same_places(small: Volume, tmp_path: Path) -> None:
    files = write(small, tmp_path)
    other = highdicom.get_volume_from_series([pydicom.dcmread(file) for file in files])
    slices, rows, columns = (other.affine[:, axis] for axis in range(3))
    lps = np.stack([columns, rows, slices, other.affine[:, 3]], axis=1)
    expected = Volume(other.array.transpose(2, 1, 0), LPS_FROM_RAS @ lps)
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, expected)


def test_magnitude_and_phase_of_one_series_are_separated(small: Volume, tmp_path: Path) -> None:
    uid = "1.2.3.4"
    write(small, tmp_path, SeriesInstanceUID=uid, seed=1)
    phase = small.with_array(small.array[::-1].copy())
    write(phase, tmp_path, SeriesInstanceUID=uid, seed=2, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    study = read(tmp_path)
    assert_same_place(study.chosen[Sequence.T1].volume, small)
    assert "a phase image" in study.images[1].reason


def test_two_orientations_in_one_enhanced_file_are_two_images(small: Volume, tmp_path: Path) -> None:
    path = write(small, tmp_path, enhanced=True)[0]
    dataset = pydicom.dcmread(path)
    for frame in dataset.PerFrameFunctionalGroupsSequence[:4]:
        plane = pydicom.Dataset()
        plane.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        frame.PlaneOrientationSequence = [plane]
    dataset.save_as(path)
    assert len(read_dicom([Found(path, path.name, Format.DICOM)])[0]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("te", [4.0, 30.0])
def test_frames_without_clock_times_follow_the_repetition_time(
    small: Volume, te: float, tmp_path: Path
) -> None:
    write(small, tmp_path / "t1")
    dynamic = Volume(np.stack([small.array] * 12, axis=-1), small.affine)
    write_dicom_series(
        dynamic, tmp_path / "x", SeriesDescription="perf", EchoTime=te, RepetitionTime=1500.0,
        ScanningSequence=["EP", "GR"],
    )  # fmt: skip
    image = read(tmp_path).chosen[Sequence.DSC]
    assert image.acquisition.frame_times_s == pytest.approx([1.5 * t for t in range(12)])
    assert (image.confidence < 0.6) == (te == 4.0)


@pytest.mark.slow
def test_frame_times_go_on_past_midnight(small: Volume, tmp_path: Path) -> None:
    write(small, tmp_path / "t1")
    dynamic = Volume(np.stack([small.array] * 12, axis=-1), small.affine)
    files = write_dicom_series(
        dynamic, tmp_path / "dsc", frame_times_s=[2.0 * t for t in range(12)], SeriesDescription="perf",
        EchoTime=30.0, RepetitionTime=1500.0, ScanningSequence=["EP", "GR"],
    )  # fmt: skip
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        seconds = (23 * 3600 + 59 * 60 + 50 + 2 * (number % 12)) % 86400
        dataset.TemporalPositionIdentifier = number % 12 + 1
        dataset.AcquisitionTime = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
        dataset.save_as(file)
    times = read(tmp_path).chosen[Sequence.DSC].acquisition.frame_times_s
    assert times == pytest.approx([2.0 * t for t in range(12)])


def test_nothing_is_left_of_an_unpacked_zip(
    small: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(small, tmp_path / "study")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "study")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert_same_place(read(Path(archive)).chosen[Sequence.T1].volume, small)
    assert not list(scratch.iterdir())


@pytest.mark.slow
def test_a_real_study_survives_the_way_through_dicom(shared_data: Path, tmp_path: Path) -> None:
    native = read(shared_data / "native" / "TCGA-FG-6692")
    for number, (sequence, image) in enumerate(native.chosen.items()):
        write(
            image.volume, tmp_path / "PACS" / str(number), sequence, SeriesNumber=number,
            enhanced=sequence is Sequence.T2,
            transfer_syntax=JPEGLSLossless if sequence is Sequence.T1C else JPEG2000Lossless,
        )  # fmt: skip
    again = read(tmp_path)
    assert set(again.chosen) == set(native.chosen) == {"T1", "T1C", "T2", "FLAIR"}
    for sequence, image in native.chosen.items():
        assert_same_place(again.chosen[sequence].volume, image.volume)
