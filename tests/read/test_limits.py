"""What a header promises is compared with limits and with the content before anything is allocated."""

from __future__ import annotations

import gzip
import io
import os
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from gliotype.errors import GliotypeError, InputError, UsageError
from gliotype.read import limits, read_mask, read_study
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.mosaic import tiles_of
from gliotype.read.dicom.series import read_dicom
from gliotype.read.dicom.stack import split_images
from gliotype.read.files import Format, Found
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

AFFINE = np.diag([9.0, 8.0, 11.0, 1.0])


@contextmanager
def little_work(seconds: float = 10.0, most_mb: float = 300.0) -> Iterator[None]:
    """Fail if the block takes long or allocates much."""
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < seconds
    assert peak < most_mb


def image(shape: tuple[int, ...] = (12, 14, 6)) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), AFFINE)


def with_shape(*shape: int, voxel_mm: float = 9.0) -> bytes:
    """A small file whose header claims another shape."""
    small = nib.Nifti1Image(
        np.arange(1008, dtype=np.int16).reshape(12, 14, 6), np.diag([-voxel_mm, voxel_mm, 1, 1])
    )
    content = bytearray(small.to_bytes())
    content[40:56] = struct.pack("<8h", len(shape), *shape, *[1] * (7 - len(shape)))
    return bytes(content)


def refused(source: Path, sentence: str) -> None:
    with little_work(), pytest.raises(GliotypeError, match=sentence) as caught:
        read_study(source, subject=Subject("a"))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(30000, 30000, 30000), (120, 140, 60, 30000)])
def test_a_nifti_header_that_claims_too_much(shape: tuple[int, ...], packed: bool, tmp_path: Path) -> None:
    content = with_shape(*shape)
    path = tmp_path / ("T1.nii.gz" if packed else "T1.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(path, r"T1.nii.* claims .* more than the limit of 200,000,000: .* or set GLIOTYPE_MAX_VOXELS")


def test_a_billion_frames(tmp_path: Path) -> None:
    two = nib.Nifti2Image(np.zeros((12, 14, 6), np.int16), AFFINE)
    content = bytearray(two.to_bytes())
    content[16:56] = struct.pack("<5q", 4, 12, 14, 6, 10**9)
    (tmp_path / "T1.nii").write_bytes(content)
    refused(tmp_path, "claims 12 x 14 x 6 x 1000000000 voxels, more than the limit")


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_promises_more_than_the_file_holds(packed: bool, tmp_path: Path) -> None:
    content = with_shape(500, 500, 500, voxel_mm=0.5)
    path = tmp_path / ("T1.nii.gz" if packed else "T1.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(path, "its header promises 250,000,000 bytes, the file has")


def test_a_gzip_bomb(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "T1.nii.gz", "wb", 1) as stream:
        stream.write(image().to_bytes())
        for _ in range(20):
            stream.write(bytes(10_000_000))
    refused(tmp_path, "unpacks to more than 64 MB beyond the image")


def test_the_limit_of_voxels_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nib.save(image(), tmp_path / "T1.nii")
    monkeypatch.setenv(limits.MAX_VOXELS_VARIABLE, "1000")
    refused(tmp_path, "claims 12 x 14 x 6 voxels, more than the limit of 1,000")
    monkeypatch.setenv(limits.MAX_VOXELS_VARIABLE, "2000")
    assert Sequence.T1 in read_study(tmp_path, subject=Subject("a")).chosen
    monkeypatch.setenv(limits.MAX_VOXELS_VARIABLE, "many")
    with pytest.raises(UsageError, match="GLIOTYPE_MAX_VOXELS is 'many': set it to a whole number above 0"):
        read_study(tmp_path, subject=Subject("a"))


def bomb(path: Path, size: int) -> None:
    """A zip whose one member unpacks to zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("T1.nii", bytes(size))


def test_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "study.zip", 20_000_000)
    monkeypatch.setattr("gliotype.read.files.FREE_OF_RATIO_BYTES", 1_000_000)
    refused(tmp_path / "study.zip", "unpacks to [0-9]+ times its size, more than the limit of 100")


def test_a_zip_beyond_the_limit_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "study.zip", 2_000_000)
    monkeypatch.setenv(limits.MAX_ZIP_BYTES_VARIABLE, "1000000")
    refused(tmp_path / "study.zip", "more than the limit of 0.0 GB: .* or set GLIOTYPE_MAX_ZIP_BYTES")


def test_a_zip_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for number in range(12):
            archive.writestr(f"{number}", b"x")
    monkeypatch.setattr("gliotype.read.files.MAX_ZIP_MEMBERS", 10)
    refused(tmp_path / "study.zip", "holds 12 files, more than the limit of 10")


def volume() -> Volume:
    return Volume(np.arange(12 * 14 * 6, dtype=np.int16).reshape(12, 14, 6), AFFINE)


@pytest.mark.parametrize(
    "sizes", [{"Rows": 60000, "Columns": 60000}, {"Rows": 8000, "Columns": 8000}, {"Rows": 0}], ids=str
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", RLELossless])
def test_dicom_slices_that_claim_too_much(sizes: dict[str, int], syntax: str, tmp_path: Path) -> None:
    for file in write_dicom_series(
        volume(), tmp_path, transfer_syntax=pydicom.uid.UID(syntax), **PROTOCOLS["T1"]
    ):
        dataset = pydicom.dcmread(file)
        for keyword, value in sizes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)
    refused(tmp_path, "8192 along each side are read|more than the limit|cannot be read|cannot hold")


def test_run_lengths_that_cannot_fill_the_slice(tmp_path: Path) -> None:
    for file in write_dicom_series(volume(), tmp_path, transfer_syntax=RLELossless, **PROTOCOLS["T1"]):
        dataset = pydicom.dcmread(file)
        dataset.Rows = dataset.Columns = 4000
        dataset.PixelSpacing = [0.1, 0.1]
        dataset.save_as(file)
    refused(tmp_path, "its header promises 32,000,000 bytes of pixels, which its .* bytes of RLE cannot hold")


def test_a_deflate_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file, *_) = write_dicom_series(
        volume(), tmp_path, transfer_syntax=DeflatedExplicitVRLittleEndian, **PROTOCOLS["T1"]
    )
    dataset = pydicom.dcmread(file)
    dataset.PixelData = bytes(60_000_000)
    dataset.save_as(file)
    monkeypatch.setattr("gliotype.read.dicom.dataset.MAX_UNPACKED_FILE_BYTES", 10_000_000)
    with little_work(most_mb=100):
        (broken,) = [s for s in read_dicom([Found(file, "a", Format.DICOM)])[0] if s.broken]
    assert "a unpacks to more than the limit of 0.01 GB for one compressed file" in str(broken.problem)


@pytest.mark.parametrize("count", [10**6, 900])
def test_a_mosaic_of_too_many_tiles(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found(Path("x"), "perf/x", Format.DICOM)
    picture = Frame(
        found, 0, (192, 192), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0), (1.0, 1.0), image_type=("MOSAIC",)
    )
    monkeypatch.setattr("gliotype.read.dicom.mosaic._private", lambda _: (count, [0.0, 0.0, 1.0], 3.0))
    with (
        little_work(),
        pytest.raises(InputError, match=rf"perf/x claims {count:,} tiles .* at most 1024 tiles"),
    ):
        tiles_of(picture)


def test_a_shear_of_a_million(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[0, 2] = 1e6
    nib.save(nib.Nifti1Image(image().get_fdata(), affine), tmp_path / "T1.nii")
    refused(tmp_path, "its voxels measure|deviate by more than 60 degrees")


def test_thousands_of_orientations_take_no_quadratic_time() -> None:
    found = Found(Path("x"), "x", Format.DICOM)
    turns = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    frames = [
        Frame(
            found, n, (64, 64), (0.0, 0.0, 0.0), (np.cos(t), np.sin(t), 0.0, 0.0, 0.0, 1.0), (1.0, 1.002**n)
        )
        for n, t in enumerate(turns)
    ]
    with little_work(seconds=3):
        assert len(split_images(frames)) == 1500


@pytest.mark.parametrize("named", [False, True], ids=["study", "file"])
def test_a_pipe_is_never_opened(named: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    source, files = (None, {Sequence.T1C: tmp_path / "pipe"}) if named else (tmp_path / "pipe", {})
    with pytest.raises(InputError, match="pipe is a pipe, a socket or a device, not a file: give a folder"):
        read_study(source, files=files, subject=Subject("a"))
    with pytest.raises(InputError, match="pipe is a pipe, a socket or a device"):
        read_mask(tmp_path / "pipe")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_never_opened(device: str) -> None:
    with pytest.raises(InputError, match=f"{device} is a pipe, a socket or a device"):
        read_study(Path(device), subject=Subject("a"))


@pytest.mark.parametrize("name", ["a" * 10_000, "a\0b"], ids=["long", "NUL"])
def test_a_path_that_no_system_takes(name: str) -> None:
    with pytest.raises(
        InputError, match=r"longer than any that can be opened|holds a zero byte: give the path"
    ) as caught:
        read_study(Path(name), subject=Subject("a"))
    assert len(str(caught.value)) < 500


def test_a_zip_in_memory_is_not_needed(tmp_path: Path) -> None:
    """A member that says it is small cannot unpack to more than it says."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("T1.nii", bytes(5_000_000))
    content = bytearray(packed.getvalue())
    for at in (22, content.rindex(b"PK\x01\x02") + 24):
        content[at : at + 4] = struct.pack("<I", 1000)
    (tmp_path / "study.zip").write_bytes(content)
    refused(tmp_path / "study.zip", "study.zip cannot be unpacked")
