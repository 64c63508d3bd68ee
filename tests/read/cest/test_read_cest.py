"""Z-spectra of a study: offsets from sidecars, text files, names and DICOM comments; what belongs to them."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from conftest import oblique_affine
from gliotype.cest import UNSATURATED
from gliotype.errors import InputError
from gliotype.read import read_study
from gliotype.read.cest.offsets import offsets_beside, parse_offsets, saturation_of, stated_offset
from gliotype.study import Image, Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

AFFINE = oblique_affine((2.0, 2.2, 5.0), (6.0, -4.0, 9.0))
SHAPE = (28, 30, 1)
OFFSETS = (UNSATURATED, -3.5, -3.0, -0.5, 0.0, 0.5, 3.0, 3.5)
HEAD = ((np.indices((28, 30, 8))[0] - 13) ** 2 + (np.indices((28, 30, 8))[1] - 16) ** 2) < 90


def frame(number: int) -> np.ndarray:
    """A slice whose brightness says which offset it is."""
    i = np.indices(SHAPE)[0]
    return (np.where(HEAD[..., :1], 100 + 10 * number, 3) + i).astype(np.int16)


def write_t1(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(
        (np.where(HEAD, 400, 0) + 20 + np.indices(HEAD.shape)[1]).astype(np.int16), AFFINE
    )
    image.to_filename(folder / "t1_se.nii.gz")


def write_nifti(
    folder: Path, name: str, arrays: list[np.ndarray], sidecar: dict[str, object] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    array = np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
    path = folder / f"{name}.nii.gz"
    nib.Nifti1Image(array, AFFINE).to_filename(path)
    if sidecar is not None:
        (folder / f"{name}.json").write_text(json.dumps(sidecar), encoding="utf-8")
    return path


def spectra() -> list[np.ndarray]:
    return [frame(n) for n in range(len(OFFSETS))]


def read(folder: Path | None, **options: object) -> Study:
    return read_study(folder, subject=Subject("case"), **options)  # type: ignore[arg-type]


def assert_spectra(image: Image) -> None:
    saturation = image.acquisition.saturation
    assert saturation is not None
    array = np.asarray(image.volume.array)
    assert array.shape == (*SHAPE, len(OFFSETS))
    np.testing.assert_allclose(image.volume.affine, AFFINE, atol=1e-4)
    for n, offset in enumerate(saturation.offsets_ppm):
        np.testing.assert_array_equal(array[..., n], frame(OFFSETS.index(round(offset, 2))))


SIDECARS = {
    "ppm": {"SaturationOffsetsPPM": ["M0", *OFFSETS[1:]]},
    "lower case": {"offsets_ppm": [None, *OFFSETS[1:]]},
    "Hz": {"SaturationOffsetsHz": ["M0", *(123.2 * o for o in OFFSETS[1:])], "ImagingFrequency": 123.2},
    "Hz by field": {
        "SaturationOffsets": ["M0", *(3 * 42.577 * o for o in OFFSETS[1:])],
        "SaturationOffsetsUnits": "Hz",
        "MagneticFieldStrength": 3.0,
    },
}


@pytest.mark.parametrize("case", SIDECARS)
def test_offsets_in_a_sidecar(case: str, tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_nifti(tmp_path, "series_9", spectra(), {**SIDECARS[case], "SaturationB1": 2.5})
    study = read(tmp_path)
    image = study.chosen[Sequence.CEST]
    assert_spectra(image)
    assert image.acquisition.saturation is not None
    assert image.acquisition.saturation.b1_ut == 2.5
    assert "8 saturation offsets" in image.reason
    assert study.chosen[Sequence.T1].source == "t1_se.nii.gz"


@pytest.mark.parametrize("name", ["sub_cest_offsets.txt", "sub_cest.offsets", "offsets_ppm.txt"])
def test_offsets_in_a_text_file(name: str, tmp_path: Path) -> None:
    write_t1(tmp_path)
    path = write_nifti(tmp_path, "sub_cest", spectra())
    (tmp_path / name).write_text("M0\n" + "\n".join(map(str, OFFSETS[1:])) + "\n", encoding="utf-8")
    study = read(tmp_path)
    assert_spectra(study.chosen[Sequence.CEST])
    assert not any("offsets" in loss.source for loss in study.not_read)
    named = read(None, files={Sequence.T1: tmp_path / "t1_se.nii.gz", Sequence.CEST: path})
    assert_spectra(named.chosen[Sequence.CEST])


def test_images_of_one_offset_each(tmp_path: Path) -> None:
    write_t1(tmp_path)
    for n, offset in enumerate(OFFSETS):
        name = "cest_M0" if offset == UNSATURATED else f"cest_{offset:+.1f}ppm"
        write_nifti(tmp_path, name, [frame(n)])
    study = read(tmp_path)
    image = study.chosen[Sequence.CEST]
    assert_spectra(image)
    assert "8 images of one saturation offset each" in image.reason
    others = [one for one in study.images if "belongs to the Z-spectra" in one.reason]
    assert len(others) == len(OFFSETS) - 1


def test_what_belongs_to_the_spectra(tmp_path: Path) -> None:
    write_t1(tmp_path)
    offsets = {"SaturationOffsetsPPM": list(OFFSETS[1:]), "MagneticFieldStrength": 3.0}
    write_nifti(tmp_path, "x_cest", spectra()[1:], offsets)
    write_nifti(tmp_path, "x_cest_m0", [frame(0)])
    field = np.full(SHAPE, 25.0, np.float32)
    field[3, 4] = 26.0
    write_nifti(tmp_path, "x_cest_b0", [field], {"Units": "Hz", "MagneticFieldStrength": 3.0})
    image = read(tmp_path).chosen[Sequence.CEST]
    assert_spectra_unordered(image)
    assert image.b0 is not None
    np.testing.assert_allclose(np.asarray(image.b0.volume.array)[0, 0], 25 / (3 * 42.577), rtol=1e-5)
    (tmp_path / "x_cest_b0.json").write_text("{}", encoding="utf-8")
    study = read(tmp_path)
    assert study.chosen[Sequence.CEST].b0 is None
    assert any("does not state its Units" in warning for warning in study.warnings)


def assert_spectra_unordered(image: Image) -> None:
    saturation = image.acquisition.saturation
    assert saturation is not None
    assert saturation.offsets_ppm == (*OFFSETS[1:], UNSATURATED)
    np.testing.assert_array_equal(np.asarray(image.volume.array)[..., -1], frame(0))


def test_a_wassr_series_belongs_to_them(tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_nifti(tmp_path, "cest", spectra(), {"SaturationOffsetsPPM": ["M0", *OFFSETS[1:]]})
    near = [-0.4, -0.2, 0.0, 0.2, 0.4]
    write_nifti(tmp_path, "wassr", [frame(n) for n in range(5)], {"SaturationOffsetsPPM": near})
    image = read(tmp_path).chosen[Sequence.CEST]
    assert image.source == "cest.nii.gz"
    assert image.b0 is not None
    assert image.b0.offsets_ppm == tuple(near)


def test_without_offsets_it_is_used_and_says_what_is_missing(tmp_path: Path) -> None:
    write_t1(tmp_path)
    path = write_nifti(tmp_path, "img_7", spectra())
    assert Sequence.CEST not in read(tmp_path).chosen, "nothing says that it is CEST"
    named = read(tmp_path, files={Sequence.CEST: path}).chosen[Sequence.CEST]
    assert named.acquisition.saturation is not None
    assert "SaturationOffsetsPPM" in named.acquisition.saturation.problem
    path.rename(tmp_path / "cest.nii.gz")
    found = read(tmp_path).chosen[Sequence.CEST]
    assert found.acquisition.saturation is not None
    assert found.acquisition.saturation.offsets_ppm == ()


def test_hz_without_field_strength_is_a_problem() -> None:
    stated = saturation_of({"SaturationOffsetsHz": [0, 447.0]})
    assert stated is not None
    assert stated.offsets_ppm == ()
    assert "MagneticFieldStrength" in stated.problem
    unclear = saturation_of({"SaturationOffsets": [-20, 20, 22], "MagneticFieldStrength": 3})
    assert unclear is not None
    assert "ppm or Hz" in unclear.problem


def test_one_image_is_refused_as_spectra(tmp_path: Path) -> None:
    write_t1(tmp_path)
    path = write_nifti(tmp_path, "aptw", [frame(0)])
    assert Sequence.CEST not in read(tmp_path).chosen, "a map of the scanner is no Z-spectrum"
    with pytest.raises(InputError, match="one frame for each saturation offset"):
        read(tmp_path, files={Sequence.CEST: path})


def write_dicom(folder: Path, offset: float, number: int, **headers: object) -> None:
    volume = Volume(frame(number), AFFINE)
    [path] = write_dicom_series(volume, folder / str(number), SeriesDescription="AX CEST", **headers)  # type: ignore[arg-type]
    dataset = pydicom.dcmread(path)
    dataset.ImageComments = "M0 Secret^Person" if offset == UNSATURATED else f"{offset:+.2f} ppm"
    dataset.InstanceNumber = number + 1
    dataset.save_as(path)


def write_dicom_t1(folder: Path) -> None:
    image = Volume((np.where(HEAD, 400, 0) + 20 + np.indices(HEAD.shape)[1]).astype(np.int16), AFFINE)
    write_dicom_series(image, folder / "t1", **PROTOCOLS["T1"])


def test_one_dicom_series_of_a_single_slice(tmp_path: Path) -> None:
    write_dicom_t1(tmp_path)
    for n, offset in enumerate(OFFSETS):
        write_dicom(tmp_path, offset, n, SeriesInstanceUID="1.2.826.0.1.8")
    image = read(tmp_path).chosen[Sequence.CEST]
    assert_spectra(image)
    assert "Secret" not in repr(image.acquisition)


def test_one_dicom_series_for_each_offset(tmp_path: Path) -> None:
    write_dicom_t1(tmp_path)
    for n, offset in enumerate(OFFSETS):
        write_dicom(tmp_path, offset, n, SeriesInstanceUID=f"1.2.826.0.1.8.{n}", SeriesNumber=20 + n)
    assert_spectra(read(tmp_path).chosen[Sequence.CEST])


def test_text_of_offsets() -> None:
    assert parse_offsets("offsets in Hz\n-447 447") is None, "prose is no list"
    assert parse_offsets("# Hz\n-447, 447; M0") is not None
    assert offsets_beside("a/x_cest", {"b/offsets.txt": parse_offsets("1 2")}) is None  # type: ignore[dict-item]
    assert stated_offset("b1000 3.5") is None
    assert stated_offset("3.5ppm to 5ppm") is None
