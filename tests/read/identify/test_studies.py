"""Whole studies in which what images share, their order or their content decides."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from gliotype.read import read_study
from gliotype.read.header_values import age_between, contrast_given
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.permissions import permissions_that_hold

AFFINE = np.diag([6.0, 7.0, 11.0, 1.0])
T1 = {key: value for key, value in PROTOCOLS["T1"].items() if key != "SeriesDescription"}


def image(seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).integers(100, 900, (20, 24, 12))
    return Volume(values.astype(np.int16), AFFINE)


def save(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(image(seed).array), AFFINE), path)


def read(source: Path) -> Study:
    return read_study(source, subject=Subject("case"))


def chosen(study: Study) -> dict[Sequence, str]:
    return {sequence: one.source.split("/")[0] for sequence, one in study.chosen.items()}


@pytest.mark.parametrize("folder", ["MRI Brain with contrast", "Gadner", "Post", "Km"])
def test_a_folder_that_holds_several_sequences_says_nothing_about_contrast(
    folder: str, tmp_path: Path
) -> None:
    save(tmp_path / folder / "t1.nii.gz", 1)
    save(tmp_path / folder / "t2.nii.gz", 2)
    assert set(read(tmp_path).chosen) == {Sequence.T1, Sequence.T2}


def test_a_name_before_all_file_names_says_nothing(tmp_path: Path) -> None:
    for number, name in enumerate(("T1", "T2", "FLAIR")):
        save(tmp_path / f"Gad_{name}.nii.gz", number)
    assert set(read(tmp_path).chosen) == {Sequence.T1, Sequence.T2, Sequence.FLAIR}


def test_a_protocol_of_all_series_says_nothing_about_contrast(tmp_path: Path) -> None:
    for number, name in enumerate(("T1", "T1C", "T2")):
        headers = PROTOCOLS[name] | {"ProtocolName": "BRAIN WITH CONTRAST", "SeriesNumber": number + 1}
        write_dicom_series(image(number), tmp_path / name, **headers)
    assert chosen(read(tmp_path)) == {Sequence.T1: "T1", Sequence.T1C: "T1C", Sequence.T2: "T2"}


def test_an_agent_of_the_whole_examination_leaves_the_choice_to_words(tmp_path: Path) -> None:
    described = {"T1": "AX T1 PRE", "T1C": "AX T1 POST", "T2": "AX T2"}
    for number, (name, description) in enumerate(described.items()):
        headers = PROTOCOLS[name] | {"SeriesDescription": description, "ContrastBolusAgent": "Gadovist"}
        write_dicom_series(image(number), tmp_path / name, **headers)
    assert chosen(read(tmp_path)) == {Sequence.T1: "T1", Sequence.T1C: "T1C", Sequence.T2: "T2"}


@pytest.mark.parametrize("agent", ["ANONYMIZED", "-", "REMOVED", "unknown", "XXX"])
def test_what_anonymisers_leave_is_no_agent(agent: str) -> None:
    assert contrast_given(agent) is None


def test_order_tells_before_from_after_where_three_t1_have_no_description(tmp_path: Path) -> None:
    thin = Volume(image(3).array, np.diag([6.0, 7.0, 9.0, 1.0]))
    for number, (name, volume) in enumerate((("c", image(1)), ("b", image(2)), ("a", thin))):
        headers = T1 | {"SeriesNumber": number + 1, "AcquisitionTime": f"10{10 * number:02d}00"}
        write_dicom_series(volume, tmp_path / name, **headers)
    study = read(tmp_path)
    assert chosen(study)[Sequence.T1] == "c"
    assert chosen(study)[Sequence.T1C] in ("a", "b")
    assert any("may be T1 instead" in warning for warning in study.warnings)


def test_an_image_after_a_known_t1c_is_after_contrast(tmp_path: Path) -> None:
    write_dicom_series(image(1), tmp_path / "z", **T1, SeriesNumber=1, AcquisitionTime="100000")
    write_dicom_series(image(2), tmp_path / "b", **PROTOCOLS["T1C"], SeriesNumber=2, AcquisitionTime="101000")
    write_dicom_series(image(3), tmp_path / "a", **T1, SeriesNumber=3, AcquisitionTime="102000")
    study = read(tmp_path)
    assert chosen(study)[Sequence.T1] == "z"
    (after,) = (one for one in study.images if one.source.startswith("a/"))
    assert after.sequence is Sequence.T1C


def test_two_t1_that_nothing_tells_apart_are_not_t1c_by_their_paths(tmp_path: Path) -> None:
    for name in ("a_T1", "b_T1"):
        save(tmp_path / f"{name}.nii.gz", len(name) + ord(name[0]))
    study = read(tmp_path)
    assert set(study.chosen) == {Sequence.T1}
    assert any("name the image after contrast with --t1c" in warning for warning in study.warnings)


def test_a_series_sent_twice_under_new_identifiers_is_used_once_with_a_warning(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_dicom_series(image(1), tmp_path / name, **PROTOCOLS["FLAIR"])
    study = read(tmp_path)
    assert [one.sequence for one in study.images] == [Sequence.FLAIR, None]
    assert any("hold the same voxels" in warning for warning in study.warnings)


def test_slices_sent_twice_under_new_identifiers_are_used_once_with_a_warning(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_dicom_series(image(1), tmp_path / name, **PROTOCOLS["FLAIR"], SeriesInstanceUID="1.2.3")
    study = read(tmp_path)
    assert study.chosen[Sequence.FLAIR].volume.array.shape == (20, 24, 12)
    assert any("12 slices sent twice" in warning for warning in study.warnings)


@pytest.mark.parametrize("uid", ["1.2.3", ""])
def test_t1_and_t1c_in_one_series_or_without_one_are_separated(uid: str, tmp_path: Path) -> None:
    for number, name in enumerate(("T1", "T1C")):
        write_dicom_series(image(number), tmp_path / name, **PROTOCOLS[name], SeriesInstanceUID=uid)
    study = read(tmp_path)
    for number, sequence in enumerate((Sequence.T1, Sequence.T1C)):
        np.testing.assert_array_equal(study.chosen[sequence].volume.array, image(number).array)


def test_two_echoes_of_one_te_are_separated(tmp_path: Path) -> None:
    for number in (1, 2):
        headers = PROTOCOLS["T2"] | {"SeriesInstanceUID": "1.2.3", "EchoNumbers": number}
        write_dicom_series(image(number), tmp_path / str(number), **headers)
    study = read(tmp_path)
    assert len(study.images) == 2
    number = int(study.chosen[Sequence.T2].source[0])
    np.testing.assert_array_equal(study.chosen[Sequence.T2].volume.array, image(number).array)


def test_equal_instance_identifiers_lose_no_slice(tmp_path: Path) -> None:
    for file in write_dicom_series(image(1), tmp_path, **PROTOCOLS["T2"]):
        dataset = pydicom.dcmread(file)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        dataset.save_as(file)
    np.testing.assert_array_equal(read(tmp_path).chosen[Sequence.T2].volume.array, image(1).array)


def test_a_folder_named_like_a_mask_does_not_discard_an_image(tmp_path: Path) -> None:
    save(tmp_path / "case-Seg" / "FLAIR.nii.gz", 1)
    save(tmp_path / "MD Anderson" / "T2.nii.gz", 2)
    assert set(read(tmp_path).chosen) == {Sequence.FLAIR, Sequence.T2}


def test_everything_that_is_not_read_is_listed_and_counted(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii.gz")
    for name in ("FLAIR.nii.bz2", "t1.mgz", "t1c.nrrd", "x.mha", "inner.zip", "notes.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"something")
    (tmp_path / "gone.nii.gz").symlink_to(tmp_path / "nowhere.nii.gz")
    (tmp_path / "linked").symlink_to(tmp_path.parent, target_is_directory=True)
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    study = read(tmp_path)
    listed = {one.source: one.reason for one in study.not_read}
    assert set(listed) == {
        "FLAIR.nii.bz2", "t1.mgz", "t1c.nrrd", "x.mha", "inner.zip", "notes.txt", ".hidden", "gone.nii.gz", "linked",
        "other.json",
    }  # fmt: skip
    (warning,) = (w for w in study.warnings if "not_read" in w)
    assert "4 images in a format that is not read" in warning
    assert "1 archive inside the study" in warning
    assert "2 links" in warning


def test_a_slice_without_orientation_says_so(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii.gz")
    for file in write_dicom_series(image(1), tmp_path / "flair", **PROTOCOLS["FLAIR"]):
        dataset = pydicom.dcmread(file)
        del dataset.ImageOrientationPatient
        dataset.save_as(file)
    study = read(tmp_path)
    assert any("its orientation is missing" in one.reason for one in study.images)


def test_the_age_is_calculated_from_dates_with_a_warning(tmp_path: Path) -> None:
    headers = PROTOCOLS["T2"] | {"PatientAge": "", "PatientBirthDate": "19560314", "StudyDate": "20190304"}
    write_dicom_series(image(1), tmp_path, **headers)
    study = read(tmp_path)
    assert study.subject.age == age_between("19560314", "20190304") == 62.97
    assert any("calculated from the dates" in warning for warning in study.warnings)


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_an_age_without_a_unit_counts_in_years(tmp_path: Path) -> None:
    write_dicom_series(image(1), tmp_path, **(PROTOCOLS["T2"] | {"PatientAge": "63"}))
    assert read(tmp_path).subject.age == 63.0


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("T1C", {"SeriesDescription": "AX T1 VIBE DIXON POST FAT"}),
        ("T1C", {"SeriesDescription": "AX T1 POST", "ImageType": ["DERIVED", "PRIMARY", "DIXON", "FAT"]}),
        ("T1C", {"SeriesDescription": "T1 SUBTRACTION POST-PRE"}),
        ("T1C", {"SeriesDescription": "T1 POST-PRE", "ImageType": ["DERIVED", "SECONDARY", "SUBTRACTION"]}),
        ("T1", {"SeriesDescription": "T1 mp2rage sag INV1"}),
        ("T1", {"SeriesDescription": "T1 map"}),
        ("T1", {"SeriesDescription": "AX T1", "ImageType": ["DERIVED", "PRIMARY", "T1 MAP", "ND"]}),
    ],
)
def test_a_variant_is_never_used_beside_the_image_or_alone(
    name: str, unused: dict[str, object], tmp_path: Path
) -> None:
    write_dicom_series(image(1), tmp_path / "a", **(PROTOCOLS[name] | unused))
    write_dicom_series(image(2), tmp_path / "b", **PROTOCOLS["T2"])
    assert set(read(tmp_path).chosen) == {Sequence.T2}
    write_dicom_series(image(3), tmp_path / "z", **PROTOCOLS[name])
    assert chosen(read(tmp_path))[Sequence(name)] == "z"


def test_the_combined_image_of_mp2rage_is_used_and_its_inversions_are_not(tmp_path: Path) -> None:
    for number, part in enumerate(("INV1", "INV2", "UNI_Images", "T1_Images")):
        description = f"t1_mp2rage_sag_{part}"
        headers = T1 | {"SeriesDescription": description, "SeriesNumber": number + 1}
        write_dicom_series(image(number), tmp_path / description, **headers)
    assert chosen(read(tmp_path)) == {Sequence.T1: "t1_mp2rage_sag_UNI_Images"}


@pytest.mark.parametrize(
    ("folder", "description"),
    [
        ("T1_Images", "T1 map"),
        ("T1_Images", "mp2rage_T1_Images"),
        ("T1_Images", "t1_mp2rage_sag_T1_Images"),
        ("T1", "qT1"),
        ("mp2rage", "T1_Images"),
    ],
)
def test_a_quantitative_map_is_not_t1_weighted_whatever_its_folder_is_called(
    folder: str, description: str, tmp_path: Path
) -> None:
    write_dicom_series(image(1), tmp_path / folder, **(T1 | {"SeriesDescription": description}))
    write_dicom_series(image(2), tmp_path / "b", **PROTOCOLS["T2"])
    study = read(tmp_path)
    assert set(study.chosen) == {Sequence.T2}
    (reason,) = (one.reason for one in study.images if one.sequence is None)
    assert reason.startswith("Not used: the description says '")
    assert reason.endswith("', a parameter map.")


def test_the_combined_image_of_mp2rage_may_lie_in_a_folder_of_t1_images(tmp_path: Path) -> None:
    save(tmp_path / "T1_Images" / "t1_mp2rage_sag_UNI_Images.nii.gz")
    assert set(read(tmp_path).chosen) == {Sequence.T1}


def test_images_of_five_dimensions_and_of_one_frame_are_listed_with_a_warning(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii.gz", 1)
    five = np.arange(20 * 24 * 12 * 2 * 3, dtype=np.int16).reshape(20, 24, 12, 2, 3)
    nib.save(nib.Nifti1Image(five, AFFINE), tmp_path / "FLAIR.nii.gz")
    flat = np.arange(20 * 24, dtype=np.int16).reshape(20, 24, 1)
    nib.save(nib.Nifti1Image(flat, AFFINE), tmp_path / "T1.nii.gz")
    study = read(tmp_path)
    assert set(study.chosen) == {Sequence.T2}
    reasons = {one.source: one.reason for one in study.images if one.sequence is None}
    assert set(reasons) == {"FLAIR.nii.gz", "T1.nii.gz"}
    assert "5 axes" in reasons["FLAIR.nii.gz"]
    assert "slice" in reasons["T1.nii.gz"]
    (warning,) = (w for w in study.warnings if "not used" in w and "other_images" in w)
    assert "FLAIR" in warning


def test_a_dicom_series_of_one_slice_is_not_used(tmp_path: Path) -> None:
    write_dicom_series(image(1), tmp_path / "t2", **PROTOCOLS["T2"])
    write_dicom_series(image(2), tmp_path / "flair", leave_out=range(1, 12), **PROTOCOLS["FLAIR"])
    study = read(tmp_path)
    assert set(study.chosen) == {Sequence.T2}
    (other,) = (one for one in study.images if one.sequence is None)
    assert "single slice" in other.reason


def test_a_folder_that_may_not_be_entered_is_listed(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii.gz", 1)
    save(tmp_path / "closed" / "FLAIR.nii.gz", 2)
    (tmp_path / "closed").chmod(0)
    try:
        with permissions_that_hold():
            study = read(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert {one.source for one in study.not_read} == {"closed"}
    assert any("not_read" in warning for warning in study.warnings)


def test_the_series_number_alone_tells_before_from_after(tmp_path: Path) -> None:
    for name, number, seed in (("z", 3, 1), ("a", 9, 2)):
        write_dicom_series(image(seed), tmp_path / name, **T1, SeriesNumber=number)
    write_dicom_series(image(3), tmp_path / "post", **PROTOCOLS["T1C"], SeriesNumber=7)
    study = read(tmp_path)
    assert chosen(study)[Sequence.T1] == "z"
    (after,) = (one for one in study.images if one.source.startswith("a/"))
    assert after.sequence is Sequence.T1C


@pytest.mark.parametrize("same", [True, False])
def test_a_dsc_series_sent_twice_is_used_once_with_a_warning(same: bool, tmp_path: Path) -> None:
    save(tmp_path / "T2.nii.gz", 1)
    values = np.random.default_rng(4).integers(100, 900, (20, 24, 4, 20)).astype(np.int16)
    headers = PROTOCOLS["T2"] | {
        "SeriesDescription": "ep2d_perf",
        "ScanningSequence": "EP",
        "RepetitionTime": 1500.0,
    }
    times = [1.5 * frame for frame in range(20)]
    for number, name in enumerate(("a", "b")):
        series = Volume(values if same else values + number, AFFINE)
        write_dicom_series(series, tmp_path / name, enhanced=True, frame_times_s=times, **headers)
    study = read(tmp_path)
    assert Sequence.DSC in study.chosen
    assert any("hold the same voxels" in warning for warning in study.warnings) is same


@pytest.mark.parametrize(
    ("sidecar", "age", "warned"),
    [
        ({"PatientBirthDate": "1956-03-14", "AcquisitionDateTime": "2019-03-04T10:15:00"}, 62.97, True),
        ({"PatientBirthDate": "19560314", "StudyDate": "20190304"}, 62.97, True),
        ({"PatientAge": "061Y", "PatientBirthDate": "19560314", "StudyDate": "20190304"}, 61.0, False),
        ({"PatientBirthDate": ["19560314"], "StudyDate": "20190304"}, None, False),
    ],
)
def test_a_sidecar_tells_the_age(
    sidecar: dict[str, object], age: float | None, warned: bool, tmp_path: Path
) -> None:
    save(tmp_path / "T2.nii.gz", 1)
    (tmp_path / "T2.json").write_text(json.dumps(sidecar))
    study = read(tmp_path)
    assert study.subject.age == age
    assert any("calculated from the dates" in warning for warning in study.warnings) is warned


def test_series_numbers_in_any_order_do_not_outweigh_the_agent_in_the_header(tmp_path: Path) -> None:
    for number, sequence in enumerate(("T1C", "FLAIR", "T2", "T1"), start=1):
        write_dicom_series(
            image(number), tmp_path / f"series{number}", **PROTOCOLS[sequence], SeriesNumber=number
        )
    found = chosen(read(tmp_path))
    assert found[Sequence.T1] == "series4"
    assert found[Sequence.T1C] == "series1"
