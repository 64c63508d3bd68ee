"""One odd file never fails a study: it is a broken series and a warning. Recoverable oddities are read."""

from __future__ import annotations

import codecs
import gzip
import json
import lzma
import re
import struct
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless, generate_uid

from conftest import oblique_affine
from gliotype.errors import GeometryError, GliotypeError, InputError
from gliotype.read import read_mask, read_study
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Grid, Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

AFFINE = oblique_affine((-9.0, 8.0, 11.0), (8.0, -5.0, 12.0))
SHAPE = (12, 14, 6)


def read(source: Path) -> Study:
    return read_study(source, subject=Subject("a"))


def volume() -> Volume:
    return Volume(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), AFFINE)


def save(path: Path, affine: np.ndarray = AFFINE, **fields: object) -> Path:
    """Write a NIfTI image whose header fields are set as they are given."""
    image = nib.Nifti1Image(np.asarray(volume().array), affine)
    content = bytearray(image.to_bytes())
    template = nib.Nifti1Header.template_dtype
    for name, value in fields.items():
        kind, offset = template.fields[name][:2]
        content[offset : offset + kind.itemsize] = np.array(value, kind.base).tobytes()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


ODD: dict[str, dict[str, object]] = {
    "unknown datatype": {"datatype": 999},
    "bits of another datatype": {"datatype": 999, "bitpix": 7},
    "intercept NaN": {"scl_slope": 2.0, "scl_inter": np.nan},
    "no axes": {"dim": [0] * 8},
    "negative axes": {"dim": [3, -12, 14, 6, 1, 1, 1, 1]},
    "offset NaN": {"vox_offset": np.nan},
    "offset beyond the file": {"vox_offset": 1e9},
    "infinite affine": {"srow_x": [np.inf, 0, 0, 0]},
    "affine beyond float": {"srow_x": [1e38, 1e38, 1e38, 1e38]},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD.keys())
def test_an_odd_nifti_header_is_a_warning(fields: dict[str, object], tmp_path: Path) -> None:
    save(tmp_path / "T1.nii", **fields)
    save(tmp_path / "T2.nii")
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T2]
    (odd,) = [image for image in study.images if image.source == "T1.nii"]
    assert odd.reason.startswith("Not used: T1.nii")
    assert any("T1.nii" in text for text in (*study.warnings, odd.reason))


@pytest.mark.parametrize("noted", [b"TE=.;", b"TE=e;Time=", b"TE=1e999", b"\xff\xfe"])
def test_a_note_that_is_no_number_is_passed_over(noted: bytes, tmp_path: Path) -> None:
    save(tmp_path / "T2.nii", descrip=noted)
    assert read(tmp_path).chosen[Sequence.T2].acquisition.te_ms is None


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"SeriesNumber": ' + b"1" * 5000 + b"}", b"\xff\xfe{", b"{"],
    ids=["lists", "objects", "digits", "half of UTF-16", "cut off"],
)
def test_an_odd_sidecar_is_a_warning(content: bytes, tmp_path: Path) -> None:
    save(tmp_path / "T2.nii")
    (tmp_path / "T2.json").write_bytes(content)
    study = read(tmp_path)
    assert Sequence.T2 in study.chosen
    assert any("T2.json is not a readable JSON sidecar" in warning for warning in study.warnings)


@pytest.mark.parametrize("value", ["1e400", "-Infinity", "NaN", "1" * 400, '"soon"', "[1]", "true"])
@pytest.mark.parametrize("key", ["EchoTime", "RepetitionTime", "SeriesNumber", "FlipAngle"])
def test_a_number_that_is_none_in_a_sidecar_says_nothing(key: str, value: str, tmp_path: Path) -> None:
    save(tmp_path / "T2.nii")
    (tmp_path / "T2.json").write_text(f'{{"{key}": {value}}}')
    acquisition = read(tmp_path).chosen[Sequence.T2].acquisition
    assert (acquisition.te_ms, acquisition.tr_ms, acquisition.flip_angle_deg) == (None, None, None)


def test_lone_surrogates_become_text_that_can_be_written(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii")
    (tmp_path / "T2.json").write_text('{"SeriesDescription": "AX \\ud800 T2", "StudyInstanceUID": "\\udfff"}')
    acquisition = read(tmp_path).chosen[Sequence.T2].acquisition
    assert acquisition.description == "AX ? T2"
    assert acquisition.study_uid == "?"


@pytest.mark.parametrize(
    ("encoding", "before"),
    [("utf-8", codecs.BOM_UTF8), ("latin-1", b""), ("utf-16", b"")],
    ids=["byte order mark", "Latin-1", "UTF-16"],
)
def test_sidecars_in_other_encodings_are_read(encoding: str, before: bytes, tmp_path: Path) -> None:
    save(tmp_path / "T2.nii")
    text = json.dumps({"EchoTime": 0.095, "SeriesDescription": "Schädel T2"}, ensure_ascii=False)
    (tmp_path / "T2.json").write_bytes(before + text.encode(encoding))
    acquisition = read(tmp_path).chosen[Sequence.T2].acquisition
    assert (acquisition.te_ms, acquisition.description) == (95.0, "Schädel T2")


def change(files: list[Path], **headers: object) -> None:
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in headers.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


def replace_text(files: list[Path], old: bytes, new: bytes) -> None:
    """Write a value that pydicom would refuse to write, of the same length."""
    assert len(old) == len(new)
    for file in files:
        content = file.read_bytes()
        assert old in content
        file.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("position", ["1e400", "-1e400", "infinity", "nan", "1e300"])
def test_a_position_beyond_numbers_is_a_warning(position: str, tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path / "t1", **PROTOCOLS["T1"])
    change(files, ImagePositionPatient=["12345678", "1", "2"])
    replace_text(files, b"12345678", position.ljust(8).encode())
    write_dicom_series(volume(), tmp_path / "t2", **PROTOCOLS["T2"])
    study = read(tmp_path)
    assert list(study.chosen) == [Sequence.T2]
    assert any(
        image.source.startswith("t1/") and image.reason.startswith("Not used") for image in study.images
    )


@pytest.mark.parametrize("enhanced", [False, True])
def test_nested_sequences_are_a_warning(enhanced: bool, tmp_path: Path) -> None:
    """A sequence of 3,000 levels in the place of the shared functional groups."""
    (file, *_) = write_dicom_series(volume(), tmp_path / "t1", enhanced=enhanced, **PROTOCOLS["T1"])
    opened = b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    file.write_bytes(file.read_bytes()[:600] + opened * 3000)
    write_dicom_series(volume(), tmp_path / "t2", **PROTOCOLS["T2"])
    study = read(tmp_path)
    assert Sequence.T2 in study.chosen
    assert any("cut off or damaged within its header" in warning for warning in study.warnings)


def test_a_zip_with_a_damaged_lzma_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("T2.nii", save(tmp_path / "T2.nii").read_bytes())
    content = bytearray((tmp_path / "study.zip").read_bytes())
    content[60:400] = bytes(range(200, 255)) * 6 + bytes(10)
    (tmp_path / "study.zip").write_bytes(content)
    with pytest.raises(
        InputError, match=r"study.zip cannot be unpacked \(.*\): copy or pack it again"
    ) as caught:
        read(tmp_path / "study.zip")
    assert not isinstance(caught.value, lzma.LZMAError)


def test_a_zip_whose_names_are_not_utf8(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr("é_T2.nii", save(tmp_path / "T2.nii").read_bytes())
    content = (tmp_path / "study.zip").read_bytes().replace("é".encode(), b"\xff\xfe")
    (tmp_path / "study.zip").write_bytes(content)
    with pytest.raises(
        InputError, match=r"study.zip cannot be unpacked \(.*utf-8.*\): copy or pack it again"
    ):
        read(tmp_path / "study.zip")


@pytest.mark.parametrize("name", ["", "/", "//", "\\"])
def test_empty_names_in_a_zip_are_passed_over(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr("T2.nii", save(tmp_path / "T2.nii").read_bytes())
        archive.writestr(zipfile.ZipInfo("x"), b"")
        archive.filelist[-1].filename = name
    assert list(read(tmp_path / "study.zip").chosen) == [Sequence.T2]


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr("T2.nii", b"x")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "nowhere")])
    with pytest.raises(GliotypeError, match="set TMPDIR to a folder that can be written"):
        read(tmp_path / "study.zip")


@pytest.mark.parametrize("value", [65536, 32768, -1])
@pytest.mark.parametrize("kind", [np.int32, np.float32, np.int64])
def test_labels_of_a_mask_never_wrap(value: int, kind: type, tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, kind)
    labels[3:6, 4:8, 2:4] = value
    nib.save(nib.Nifti1Image(labels, AFFINE, dtype=kind), tmp_path / "mask.nii.gz")
    with pytest.raises(InputError, match=f"holds the value {value}: give labels from 0 to 32767"):
        read_mask(tmp_path / "mask.nii.gz")


def test_a_mask_of_nan(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.float32)
    labels[3, 4, 2] = np.nan
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "mask.nii.gz")
    with pytest.raises(InputError, match="holds NaN or infinite values: give whole numbers"):
        read_mask(tmp_path / "mask.nii.gz")


def expected() -> Volume:
    return volume().as_ras()


def assert_read(study: Study) -> None:
    found = study.chosen[Sequence.T1].volume.as_ras()
    assert found.grid.same_as(expected().grid)
    np.testing.assert_array_equal(found.array, expected().array)


def bare(content: bytes) -> bytes:
    """Leave out preamble and file meta information."""
    (length,) = struct.unpack("<I", content[140:144])
    return content[144 + length :]


WITHOUT = {
    "file meta information": bare,
    "preamble": lambda content: content[132:],
    "128 bytes": lambda content: content[128:],
    "compression": gzip.compress,
}


@pytest.mark.parametrize("rewrite", WITHOUT.values(), ids=WITHOUT.keys())
@pytest.mark.parametrize("ending", ["", ".dcm", ".dcm.gz"])
def test_bare_and_packed_dicom_is_read(rewrite: object, ending: str, tmp_path: Path) -> None:
    for file in write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"]):
        file.with_name(file.name + ending).write_bytes(rewrite(file.read_bytes()))  # type: ignore[operator]
        if ending:
            file.unlink()
    assert_read(read(tmp_path))


def test_packed_pairs_are_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(np.asarray(volume().array), AFFINE), tmp_path / "T1.hdr")
    for ending in ("hdr", "img"):
        path = tmp_path / f"T1.{ending}"
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert_read(read(tmp_path))
    (tmp_path / "T1.img.gz").unlink()
    with pytest.raises(
        InputError, match=r"T1.hdr.gz is the header of a pair whose .img file is missing: give both"
    ):
        read(tmp_path)


def test_a_classic_multi_frame_file_is_named(tmp_path: Path) -> None:
    (file, *others) = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    for other in others:
        other.unlink()
    change([file], NumberOfFrames=6, PixelData=np.zeros((6, 14, 12), np.int16).tobytes())
    with pytest.raises(
        InputError, match=r"holds 6 frames without a position for each \(a classic multi-frame file\)"
    ):
        read(tmp_path)


def test_slices_with_a_series_uid_of_their_own_are_joined(tmp_path: Path) -> None:
    for file in write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"]):
        change([file], SeriesInstanceUID=generate_uid())
    study = read(tmp_path)
    assert_read(study)
    assert any("each slice of its series has its own SeriesInstanceUID" in text for text in study.warnings)


def test_slices_of_two_series_are_not_joined(tmp_path: Path) -> None:
    """Nothing but their place distinguishes them, and places repeat."""
    for seed in (1, 2):
        for file in write_dicom_series(volume(), tmp_path / str(seed), seed=seed, **PROTOCOLS["T1"]):
            change([file], SeriesInstanceUID=generate_uid())
    with pytest.raises(InputError, match="single slice"):
        read(tmp_path)


def test_linked_folders_are_named(tmp_path: Path) -> None:
    save(tmp_path / "T2.nii")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "images").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(InputError, match=r"nothing but links to other folders.*: give the folder to which"):
        read(tmp_path / "study")


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "study").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="study is a link that leads nowhere: check where it points"):
        read(tmp_path / "study")


@pytest.mark.parametrize(
    ("keyword", "value"), [("RescaleSlope", "1,5"), ("RescaleSlope", " 1,5"), ("RescaleSlope", "1.5")]
)
def test_a_slope_with_a_decimal_comma_is_read(keyword: str, value: str, tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    change(files, RescaleIntercept=0, RescaleSlope="7.7777777")
    replace_text(files[::2], b"7.7777777 ", value.ljust(10).encode())
    replace_text(files[1::2], b"7.7777777 ", b"1.5       ")
    found = read(tmp_path).chosen[Sequence.T1].volume.as_ras()
    np.testing.assert_allclose(found.array, 1.5 * expected().array)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("abc", "its RescaleSlope is not a number: export the series again"),
        ("1,5,0", "its RescaleSlope is not a number: export the series again"),
        ("1e400", "its RescaleSlope is not a number: export the series again"),
        ("0", "its RescaleSlope is 0, which leaves no image: export the series again"),
    ],
)
def test_a_slope_that_is_no_scale_is_refused(value: str, sentence: str, tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    change(files, RescaleIntercept=0, RescaleSlope="7.7777777")
    replace_text(files, b"7.7777777 ", value.ljust(10).encode())
    with pytest.raises(InputError, match=sentence):
        read(tmp_path)


def test_positions_with_a_decimal_comma_are_read(tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    for file in files:
        content = file.read_bytes()
        position = content.index(b"\x20\x00\x32\x00DS")
        (length,) = struct.unpack("<H", content[position + 6 : position + 8])
        value = content[position + 8 : position + 8 + length].replace(b".", b",")
        file.write_bytes(content[: position + 8] + value + content[position + 8 + length :])
    assert_read(read(tmp_path))


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("brightest", [None, 4095])
def test_monochrome1_is_inverted(bits: int, brightest: int | None, tmp_path: Path) -> None:
    """Stored about the largest value that the bits hold, or about the largest of the series."""
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    top = brightest or int(volume().array.max())
    for file in files:
        dataset = pydicom.dcmread(file)
        stored = (top - dataset.pixel_array.astype(np.int32)).astype(np.uint16)
        dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME1", 0
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.PixelData = stored.tobytes()
        dataset.save_as(file)
    study = read(tmp_path)
    assert_read(study)
    assert any(
        "stored with low values bright (MONOCHROME1) and was inverted" in text for text in study.warnings
    )


def test_monochrome1_in_jpeg_is_inverted(tmp_path: Path) -> None:
    top = int(volume().array.max())
    inverted = volume().with_array(top - np.asarray(volume().array))
    files = write_dicom_series(inverted, tmp_path, transfer_syntax=JPEGLosslessSV1, **PROTOCOLS["T1"])
    change(files, PhotometricInterpretation="MONOCHROME1")
    assert_read(read(tmp_path))


GEOMETRIES: dict[str, tuple[np.ndarray, str]] = {
    "metres": (np.diag([1000.0, 1000, 1000, 1]) @ AFFINE, "its voxels measure 9000 x 8000 x 1.1e"),
    "ten times": (np.diag([10.0, 10, 10, 1]) @ AFFINE, "its voxels measure 90 x 80 x 110 mm, where 0.05 to 25"),
    "kilometres": (np.diag([1e6, 1e6, 1e6, 1]) @ AFFINE, r"its voxels measure 9e\+06"),
    "micrometres": (np.diag([1e-3, 1e-3, 1e-3, 1]) @ AFFINE, "its voxels measure 0.009 x 0.008 x 0.011 mm.*unit"),
    "a tenth": (np.diag([0.1, 0.1, 0.1, 1]) @ AFFINE, "it measures 10.8 x 11.2 x 6.6 mm, where a head needs 40"),
    "far away": (AFFINE + np.outer([1e5, 0, 0, 0], [0, 0, 0, 1]), "more than 10 m"),
    "no volume": (np.diag([9.0, 8, 0, 1]), "the affine is singular"),
}  # fmt: skip


@pytest.mark.parametrize(("affine", "sentence"), GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_geometries_that_no_head_has(affine: np.ndarray, sentence: str, tmp_path: Path) -> None:
    rows = {f"srow_{axis}": affine[n] for n, axis in enumerate("xyz")}
    save(tmp_path / "T1.nii", sform_code=1, qform_code=0, **rows)
    with pytest.raises(GeometryError, match=rf"^T1.nii: .*{sentence}") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3
    with pytest.raises(GeometryError, match=sentence):
        read_mask(tmp_path / "T1.nii")


@pytest.mark.parametrize("lost", [np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])], ids=["NIfTI", "ITK"])
def test_an_identity_is_a_lost_affine(lost: np.ndarray, tmp_path: Path) -> None:
    array = np.arange(50 * 60 * 40, dtype=np.int16).reshape(50, 60, 40)
    nib.save(nib.Nifti1Image(array, lost), tmp_path / "T1.nii")
    with pytest.raises(
        GeometryError, match=r"T1.nii: its affine is the identity, .* convert it again from DICOM"
    ):
        read(tmp_path)


def test_units_of_micrometres_are_no_singular_affine() -> None:
    assert Grid((2, 2, 2), np.diag([1e-3, 1e-3, 1e-3, 1.0])).spacing == (0.001, 0.001, 0.001)


@pytest.mark.parametrize("factor", [2.0, 0.5, 0.0])
def test_directions_that_are_no_unit_vectors_are_refused(factor: float, tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    directions = [factor * float(x) for x in pydicom.dcmread(files[0]).ImageOrientationPatient]
    change(files, ImageOrientationPatient=[f"{x:.8g}" for x in directions])
    with pytest.raises(
        GeometryError, match=f"ImageOrientationPatient have lengths {factor:g} and {factor:g} instead"
    ):
        read(tmp_path)


def test_directions_that_are_not_at_right_angles_are_refused(tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path, **PROTOCOLS["T1"])
    change(files, ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])
    with pytest.raises(GeometryError, match="rows and columns are not at right angles"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change_of_qform", "warned"),
    [(np.diag([-1.0, 1, 1, 1]), True), (np.diag([1.1, 1, 1, 1]), True), (np.diag([1.0001, 1, 1, 1]), False)],
    ids=["mirrored", "stretched", "rounded"],
)
def test_sform_and_qform_that_disagree(change_of_qform: np.ndarray, warned: bool, tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.asarray(volume().array), AFFINE)
    image.set_qform(AFFINE @ change_of_qform, code=1, strip_shears=True)
    image.set_sform(AFFINE, code=1)
    nib.save(image, tmp_path / "T1.nii")
    study = read(tmp_path)
    assert_read(study)
    warnings = [text for text in study.warnings if "its sform and its qform disagree by up to" in text]
    assert len(warnings) == warned
    assert all("the sform was used" in text for text in warnings)


@pytest.mark.parametrize("enhanced", [False, True])
def test_a_damaged_jpeg_ls_slice_ends(enhanced: bool, tmp_path: Path) -> None:
    """Runs of ones in the entropy-coded data keep some decoders busy for ever."""
    files = write_dicom_series(
        volume(),
        tmp_path / "t1",
        transfer_syntax=JPEGLSLossless,
        enhanced=enhanced,
        slope=2.0,
        **PROTOCOLS["T1"],
    )
    assert Sequence.T1 in read(tmp_path).chosen
    for file in files:
        content = bytearray(file.read_bytes())
        scans = [match.end() for match in re.finditer(b"\xff\xda\x00\x08", content)]
        for number, start in enumerate(scans, files.index(file)):
            at = start + 6 + 8 * number
            content[at : at + 40] = b"\x00\xff\x7f\x00" * 10
        file.write_bytes(content)
    write_dicom_series(volume(), tmp_path / "t2", **PROTOCOLS["T2"])
    assert Sequence.T2 in read(tmp_path).chosen


def test_an_element_that_claims_four_gigabytes(tmp_path: Path) -> None:
    files = write_dicom_series(volume(), tmp_path / "t1", **PROTOCOLS["T1"])
    for file in files:
        content = file.read_bytes()
        at = content.index(b"\xe0\x7f\x10\x00OW") + 8
        file.write_bytes(content[:at] + b"\xf0\xff\xff\xff" + content[at + 4 :])
    write_dicom_series(volume(), tmp_path / "t2", **PROTOCOLS["T2"])
    tracemalloc.start()
    try:
        study = read(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert Sequence.T2 in study.chosen
