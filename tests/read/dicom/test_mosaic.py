"""Siemens mosaics: written here, and one that nibabel brings with its own tests."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from conftest import oblique_affine
from gliotype.read import read_study
from gliotype.read.dicom.series import read_dicom
from gliotype.read.files import Format, Found
from gliotype.study import Sequence, Subject
from gliotype.volume import LPS_FROM_RAS, Grid, Volume
from support.dicom_writer import PROTOCOLS, save, write_dicom_series

SLICES, FRAMES = 7, 24


@pytest.fixture
def series() -> Volume:
    """An oblique 4D block, every voxel different."""
    affine = oblique_affine((3.0, 3.5, 6.0), (8.0, -5.0, 12.0))
    affine[:3, 3] = (-60.0, -80.0, -50.0)
    values = np.arange(20 * 16 * SLICES, dtype=np.int16).reshape(20, 16, SLICES)
    return Volume(np.stack([values + 30 * t for t in range(FRAMES)], axis=-1), affine)


def csa(slices: int, normal: np.ndarray) -> bytes:
    """The two entries of a CSA2 header that a mosaic needs."""
    entries = {
        "NumberOfImagesInMosaic": (b"US", [str(slices)]),
        "SliceNormalVector": (b"FD", [f"{n:.8f}" for n in normal]),
    }
    packed = b"SV10\4\3\2\1" + struct.pack("<2I", len(entries), 77)
    for name, (vr, items) in entries.items():
        packed += struct.pack("<64si4s3i", name.encode(), len(items), vr, 0, len(items), 77)
        for item in items:
            text = item.encode() + b"\0"
            packed += struct.pack("<4i", 0, len(text), 77, 0) + text + bytes(-len(text) % 4)
    return packed


def write_mosaic(volume: Volume, folder: Path, *, private: bool = True, upwards: bool = True) -> None:
    """Write each frame as one picture of 3 x 3 tiles, as a Siemens scanner does.

    Args:
        volume: 4D.
        folder: for the files.
        private: whether the private header is there.
        upwards: whether slices follow the cross product of the header's directions, or run against it.
    """
    single = Volume(np.asarray(volume.array)[:, :, :1, 0], volume.affine)
    lps = LPS_FROM_RAS @ volume.affine
    columns, rows, slices, frames = volume.array.shape
    normal = np.cross(lps[:3, 0], lps[:3, 1])
    assert (normal @ lps[:3, 2] > 0) == upwards
    corner = lps[:3, 3] - lps[:3, 0] * columns - lps[:3, 1] * rows  # 3 x 3 tiles about the middle of one
    template = pydicom.dcmread(
        write_dicom_series(
            single, folder / "one", SeriesDescription="ep2d_perf", EchoTime=30.0, RepetitionTime=1500.0,
            ScanningSequence=["EP", "GR"], ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
            SpacingBetweenSlices=float(np.linalg.norm(lps[:3, 2])),
        )[0]
    )  # fmt: skip
    next((folder / "one").iterdir()).unlink()
    template.ImagePositionPatient = [f"{c:.10g}" for c in corner]
    if private:
        block = template.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa(slices, lps[:3, 2] / np.linalg.norm(lps[:3, 2])))
    for t in range(frames):
        picture = np.zeros((3 * rows, 3 * columns), np.int16)
        for k in range(slices):
            r, c = divmod(k, 3)
            picture[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] = volume.array[:, :, k, t].T
        seconds = 1.5 * t
        template.AcquisitionTime = f"10{int(seconds // 60):02d}{seconds % 60:09.6f}"
        template.InstanceNumber = template.AcquisitionNumber = t + 1
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{t + 1}"
        save(template, picture, folder / f"{97 * t % 1000:03d}", ExplicitVRLittleEndian)


@pytest.mark.parametrize("upwards", [True, False])
def test_a_mosaic_becomes_slices_in_their_place(series: Volume, upwards: bool, tmp_path: Path) -> None:
    write_dicom_series(
        Volume(np.asarray(series.array)[..., 0], series.affine), tmp_path / "t1", **PROTOCOLS["T1"]
    )
    lps = LPS_FROM_RAS @ series.affine
    along = bool(np.cross(lps[:3, 0], lps[:3, 1]) @ lps[:3, 2] > 0)
    if along != upwards:
        series = Volume(series.array, series.affine @ np.diag([-1.0, 1, 1, 1]))
    write_mosaic(series, tmp_path / "perf", upwards=upwards)
    image = read_study(tmp_path, subject=Subject("a")).chosen[Sequence.DSC]
    found, expected = image.volume.as_ras(), series.as_ras()
    assert found.grid.same_as(expected.grid)
    assert np.array_equal(found.array, expected.array)
    assert image.acquisition.frame_times_s == pytest.approx([1.5 * t for t in range(FRAMES)])


def test_a_mosaic_without_its_private_header_is_not_used(series: Volume, tmp_path: Path) -> None:
    write_dicom_series(
        Volume(np.asarray(series.array)[..., 0], series.affine), tmp_path / "t1", **PROTOCOLS["T1"]
    )
    write_mosaic(series, tmp_path / "perf", private=False, upwards=_upwards(series))
    study = read_study(tmp_path, subject=Subject("a"))
    assert list(study.chosen) == [Sequence.T1]
    assert "a Siemens mosaic that does not say how it is built" in study.images[1].reason


def _upwards(volume: Volume) -> bool:
    lps = LPS_FROM_RAS @ volume.affine
    return bool(np.cross(lps[:3, 0], lps[:3, 1]) @ lps[:3, 2] > 0)


def test_a_scanners_mosaic_lies_where_nibabel_puts_it(tmp_path: Path) -> None:
    """The voxels of that file are blanked; its header is the scanner's."""
    packed = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / "siemens_dwi_0.dcm.gz"
    if not packed.is_file():
        pytest.skip("this nibabel was installed without the data of its tests")
    content = gzip.decompress(packed.read_bytes())
    (tmp_path / "a.dcm").write_bytes(content)
    ((one,), _) = read_dicom([Found(tmp_path / "a.dcm", "a.dcm", Format.DICOM)])
    assert one.grid is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import dicomwrappers
    wrapped = dicomwrappers.wrapper_from_data(pydicom.dcmread(io.BytesIO(content)))
    theirs = Grid(wrapped.image_shape, LPS_FROM_RAS @ wrapped.affine)  # rows first
    assert one.grid.shape == (128, 128, 48)
    assert _as_ras(one.grid).same_as(_as_ras(theirs))


def _as_ras(grid: Grid) -> Grid:
    return Volume(np.zeros(grid.shape, np.uint8), grid.affine).as_ras().grid
