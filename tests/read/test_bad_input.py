"""Each kind of bad input has its own sentence: what was found, in which file, and what to do."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from gliotype.errors import GeometryError, GliotypeError, InputError, UsageError
from gliotype.read import read_study
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

SUBJECT = Subject("case")
AFFINE = np.diag([6.0, 7.0, 11.0, 1.0])


def read(source: Path | None, **options: object) -> Study:
    return read_study(source, subject=SUBJECT, **options)  # type: ignore[arg-type]


def pattern(shape: tuple[int, ...] = (20, 24, 12)) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def save(array: np.ndarray, path: Path, affine: np.ndarray | None = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def assert_refused(source: Path, error: type[GliotypeError], code: int, sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        read(source)
    assert caught.value.exit_code == code


def test_missing_path(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", InputError, 3, r"nowhere does not exist: check the path")


def test_nothing_given() -> None:
    with pytest.raises(UsageError, match="neither a study nor a file was given: name a folder") as caught:
        read(None)
    assert caught.value.exit_code == 2


def test_empty_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path, InputError, 3, rf"{tmp_path.name} is empty: give the folder or zip")


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert_refused(
        tmp_path, InputError, 3, r"holds no image among its 1 files \(first: notes.txt\): give DICOM"
    )


def test_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "scan.mgz").write_bytes(b"something")
    assert_refused(
        tmp_path / "scan.mgz", InputError, 3, r"scan.mgz is neither DICOM nor NIfTI nor a zip: give"
    )


def test_text_named_nii(tmp_path: Path) -> None:
    (tmp_path / "T1.nii").write_text("this is no image, " * 50)
    assert_refused(tmp_path, InputError, 3, r"T1.nii is not a readable NIfTI file.*export or copy it again")


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz"])
def test_empty_file_named_nii(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="not a readable NIfTI"):
        read_study(None, files={Sequence.T1: tmp_path / name}, subject=Subject("a"))


def test_truncated_gzip(tmp_path: Path) -> None:
    path = save(np.random.default_rng(0).normal(size=(20, 24, 12)), tmp_path / "T1.nii.gz")
    path.write_bytes(path.read_bytes()[:9000])
    assert_refused(
        tmp_path, InputError, 3, r"T1.nii.gz is cut off or damaged within its voxels: export or copy"
    )


def test_truncated_nifti(tmp_path: Path) -> None:
    path = save(pattern(), tmp_path / "T1.nii")
    path.write_bytes(path.read_bytes()[:9000])
    assert_refused(
        tmp_path, InputError, 3, r"T1.nii is cut off or damaged within its voxels .*: export or copy"
    )


def test_gzip_cut_off_in_its_header(tmp_path: Path) -> None:
    path = save(pattern(), tmp_path / "T1.nii.gz")
    path.write_bytes(path.read_bytes()[:40])
    assert_refused(tmp_path, InputError, 3, r"T1.nii.gz is not a readable NIfTI file.*copy it again")


def test_corrupted_gzip(tmp_path: Path) -> None:
    path = save(np.random.default_rng(0).normal(size=(20, 24, 12)), tmp_path / "T1.nii.gz")
    content = bytearray(path.read_bytes())
    content[20000:20050] = bytes(50)
    path.write_bytes(content)
    assert_refused(tmp_path, InputError, 3, r"T1.nii.gz is cut off or damaged within its voxels")


def test_single_slice(tmp_path: Path) -> None:
    save(pattern((20, 24, 1)), tmp_path / "T1.nii.gz")
    assert_refused(
        tmp_path, InputError, 3, r"T1.nii.gz is a single slice \(20 x 24 x 1\): give the whole image"
    )


def test_flat_picture(tmp_path: Path) -> None:
    save(pattern((20, 24)), tmp_path / "T1.nii.gz")
    assert_refused(tmp_path, InputError, 3, r"T1.nii.gz is a single slice")


def test_named_time_series_where_an_image_is_due(tmp_path: Path) -> None:
    path = save(pattern((20, 24, 12, 5)), tmp_path / "a.nii.gz")
    with pytest.raises(
        InputError, match=r"a.nii.gz holds 5 time points where one 3D image is expected: extract one"
    ):
        read(None, files={Sequence.T1: path})


def test_named_image_where_a_time_series_is_due(tmp_path: Path) -> None:
    path = save(pattern(), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"a.nii.gz holds 1 time point where a time series is expected"):
        read(None, files={Sequence.DSC: path})


def test_time_series_named_like_an_image(tmp_path: Path) -> None:
    save(pattern((20, 24, 12, 5)), tmp_path / "T1.nii.gz")
    with pytest.raises(GliotypeError, match=r"T1.nii.gz \(Not used: .*5 time points"):
        read(tmp_path)


def test_not_a_number_everywhere(tmp_path: Path) -> None:
    save(np.full((20, 24, 12), np.nan, np.float32), tmp_path / "T1.nii.gz")
    assert_refused(
        tmp_path, InputError, 3, r"T1.nii.gz holds no number, only NaN: export or convert it again"
    )


def test_a_few_not_numbers_become_zero(tmp_path: Path) -> None:
    array = pattern()
    array[3, 4, 5], array[6, 7, 8] = np.nan, np.inf
    save(array, tmp_path / "T1.nii.gz")
    study = read(tmp_path)
    found = study.chosen[Sequence.T1].volume.array
    assert (found[3, 4, 5], found[6, 7, 8], found[1, 1, 1]) == (0.0, 0.0, array[1, 1, 1])
    assert study.warnings[0].startswith("T1.nii.gz: 0.035 % of the voxels were not finite numbers")


def test_constant_image(tmp_path: Path) -> None:
    save(np.full((20, 24, 12), 7, np.int16), tmp_path / "T1.nii.gz")
    assert_refused(tmp_path, InputError, 3, r"T1.nii.gz is constant \(every voxel is 7\).*export it again")


def test_missing_affine(tmp_path: Path) -> None:
    image = nib.Nifti1Image(pattern(), AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "T1.nii.gz")
    assert_refused(tmp_path, GeometryError, 3, r"T1.nii.gz: it has no affine.*convert it again from DICOM")


def test_singular_affine(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[:, 2] = affine[:, 1]
    image = nib.Nifti1Image(pattern(), AFFINE)
    image.set_qform(None, 0)
    image.header["sform_code"] = 1
    for name, row in zip(("srow_x", "srow_y", "srow_z"), affine, strict=False):
        image.header[name] = row
    path = tmp_path / "T1.nii"
    path.write_bytes(image.header.binaryblock + bytes(4) + pattern().tobytes(order="F"))
    assert_refused(tmp_path, GeometryError, 3, r"T1.nii: the affine is singular.*convert the series again")


def test_colours(tmp_path: Path) -> None:
    colours = np.zeros((20, 24, 12), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(colours, tmp_path / "T1.nii.gz")
    assert_refused(tmp_path, InputError, 3, r"T1.nii.gz holds colours or complex numbers: give the magnitude")


def test_one_bad_file_among_good_ones_is_a_warning(tmp_path: Path) -> None:
    save(pattern(), tmp_path / "T2.nii.gz")
    (tmp_path / "T1.nii").write_text("this is no image, " * 50)
    (tmp_path / "flair.dcm").write_text("nor is this")
    truncated = save(np.random.default_rng(0).normal(size=(20, 24, 12)), tmp_path / "FLAIR.nii.gz")
    truncated.write_bytes(truncated.read_bytes()[:9000])
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T2]
    for name in ("T1.nii", "flair.dcm", "FLAIR.nii.gz"):
        assert sum(name in warning for warning in study.warnings) == 1
        assert [i.sequence for i in study.images if i.source == name] == [None]


def test_the_next_best_replaces_a_damaged_image(tmp_path: Path) -> None:
    whole = save(pattern(), tmp_path / "b_FLAIR.nii")
    truncated = save(
        np.random.default_rng(0).normal(size=(20, 24, 24)), tmp_path / "a_FLAIR.nii.gz", AFFINE / [1, 1, 2, 1]
    )
    truncated.write_bytes(truncated.read_bytes()[:9000])
    study = read(tmp_path)
    assert study.chosen[Sequence.FLAIR].source == whole.name
    assert any("a_FLAIR.nii.gz is cut off" in warning for warning in study.warnings)


def test_a_bad_named_file_is_an_error_in_a_good_study(tmp_path: Path) -> None:
    save(pattern(), tmp_path / "T2.nii.gz")
    bad = tmp_path / "bad.nii"
    bad.write_text("this is no image, " * 50)
    with pytest.raises(InputError, match=r"bad.nii is not a readable NIfTI file"):
        read(tmp_path, files={Sequence.T1: bad})


def test_named_computed_tomography(tmp_path: Path) -> None:
    volume = Volume(pattern().astype(np.int16), AFFINE)
    write_dicom_series(volume, tmp_path / "ct", Modality="CT")
    with pytest.raises(InputError, match=r"ct holds CT, not MR"):
        read(None, files={Sequence.T1: tmp_path / "ct"})


def test_several_studies_are_listed_without_names_or_dates(tmp_path: Path) -> None:
    volume = Volume(pattern().astype(np.int16), AFFINE)
    for number in (1, 2):
        headers = PROTOCOLS["T1"] | {
            "StudyInstanceUID": f"1.2.{number}",
            "StudyDescription": "MR brain of Doe 2019-03-04",
        }
        write_dicom_series(volume, tmp_path / str(number), **headers)
        write_dicom_series(volume, tmp_path / f"{number}b", **(headers | PROTOCOLS["T2"]))
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert caught.value.exit_code == 2
    assert str(caught.value).endswith(
        "holds several studies, choose one with --study: 1.2.1 (2 series); 1.2.2 (2 series)"
    )
    study = read(tmp_path, study_uid="1.2.2")
    assert {image.acquisition.study_uid for image in study.images} == {"1.2.2"}
    assert len(study.images) == 2
    with pytest.raises(UsageError, match=r"holds no study 9.9; it holds 1.2.1"):
        read(tmp_path, study_uid="9.9")


def test_two_patients_in_one_folder(tmp_path: Path) -> None:
    volume = Volume(pattern().astype(np.int16), AFFINE)
    for number in (1, 2):
        headers = {
            "PatientID": f"P{number}",
            "PatientName": f"Doe^{number}",
            "StudyInstanceUID": f"1.2.{number}",
        }
        write_dicom_series(volume, tmp_path / str(number), **(PROTOCOLS["T1"] | headers))
    with pytest.raises(InputError, match="several patients: give one patient's folder") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3
    assert "Doe" not in str(caught.value)
    assert "P1" not in str(caught.value)
    assert read(tmp_path, study_uid="1.2.1").chosen[Sequence.T1].source.startswith("1/")


def test_a_text_with_a_dicom_ending(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("this is no image, " * 50)
    assert_refused(
        tmp_path, InputError, 3, r"a.dcm is (not a DICOM image|cut off or damaged within its header)"
    )


def test_damaged_zip(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("T1.nii", np.random.default_rng(0).bytes(4000))
    content = bytearray(path.read_bytes())
    content[500:900] = bytes(400)
    path.write_bytes(content)
    assert_refused(path, InputError, 3, r"study.zip cannot be unpacked .*copy or pack it again")
    path.write_bytes(bytes(content[:1000]))
    assert_refused(path, InputError, 3, r"study.zip is not a readable zip: .*copy or pack it again")


def test_encrypted_zip(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("T1.nii", b"secret")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert_refused(
        path, InputError, 3, r"study.zip is encrypted: unpack it with its password and give the folder"
    )


@pytest.mark.parametrize("name", ["../evil.nii", "/etc/evil.nii", "a/../../evil.nii", "..\\evil.nii"])
def test_zip_that_leaves_its_folder(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / "study.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), gzip.compress(b"x"))
    assert_refused(
        path, InputError, 3, r"study.zip holds a member outside its own folder .*pack the study again"
    )
    assert not list(tmp_path.rglob("evil.nii"))


def test_empty_zip(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w"):
        pass
    assert_refused(path, InputError, 3, r"study.zip is empty: give the folder or zip that holds the images")


def test_several_images_where_one_was_named(tmp_path: Path) -> None:
    volume = Volume(pattern().astype(np.int16), AFFINE)
    for sequence in ("T2", "FLAIR"):
        write_dicom_series(volume, tmp_path / sequence, **PROTOCOLS[sequence])
    assert read(None, files={Sequence.T2: tmp_path}).chosen[Sequence.T2].acquisition.te_ms == 95.0
    with pytest.raises(UsageError, match="holds 2 images: name the folder or file of the T1 alone"):
        read(None, files={Sequence.T1: tmp_path})


def test_header_without_pixels(tmp_path: Path) -> None:
    volume = Volume(pattern().astype(np.int16), AFFINE)
    for file in write_dicom_series(volume, tmp_path, **PROTOCOLS["T1"]):
        dataset = pydicom.dcmread(file)
        del dataset.PixelData
        dataset.save_as(file)
    assert_refused(tmp_path, InputError, 3, r"its pixels cannot be read .* export it again")
