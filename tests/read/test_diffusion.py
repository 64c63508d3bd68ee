"""ADC from diffusion-weighted images: b-values from headers and files, the fit, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from conftest import oblique_affine
from gliotype.errors import InputError
from gliotype.read import read_study
from gliotype.read.diffusion import fit_adc
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

AFFINE = oblique_affine((2.0, 2.2, 5.0), (6.0, -4.0, 9.0))
SHAPE = (24, 28, 12)
TISSUE_ADC, FLUID_ADC = 0.8e-3, 2.9e-3


def true_adc() -> np.ndarray:
    """Map in mm2/s of a head with an off-centre cyst; 0 in air."""
    i, j, k = np.indices(SHAPE)
    head = ((i - 12) / 9) ** 2 + ((j - 14) / 11) ** 2 + ((k - 6) / 8) ** 2 < 1
    cyst = (i - 8) ** 2 + (j - 17) ** 2 + (2 * (k - 4)) ** 2 < 9
    return np.where(head, np.where(cyst, FLUID_ADC, TISSUE_ADC), 0.0)


def weighted(b: float, direction: float = 1.0) -> np.ndarray:
    """Signal at a b-value along a direction in which tissue diffuses so many times as fast."""
    adc = true_adc()
    anisotropic = np.where(adc == TISSUE_ADC, direction * adc, adc)
    return np.where(adc > 0, 3000.0 * np.exp(-b * anisotropic), 0.0)


def write_t1(folder: Path) -> None:
    image = Volume((np.where(true_adc() > 0, 400, 0) + 20).astype(np.int16), AFFINE)
    write_dicom_series(image, folder / "t1", **PROTOCOLS["T1"])


def write_nifti(
    folder: Path, frames: list[np.ndarray], b_values: str | None, name: str = "ep2d_diff"
) -> Path:
    path = folder / f"{name}.nii.gz"
    array = np.stack(frames, axis=-1).astype(np.float32)
    nib.Nifti1Image(array[..., 0] if len(frames) == 1 else array, AFFINE).to_filename(path)
    if b_values is not None:
        (folder / f"{name}.bval").write_text(b_values, encoding="utf-8")
    return path


def read(folder: Path, **options: object) -> Study:
    return read_study(folder, subject=Subject("case"), **options)  # type: ignore[arg-type]


def assert_true_map(study: Study, tolerance: float = 0.02) -> None:
    image = study.chosen[Sequence.ADC]
    np.testing.assert_allclose(image.volume.affine, AFFINE, atol=1e-4)
    adc = np.asarray(image.volume.array) * 1e-6
    truth = true_adc()
    np.testing.assert_allclose(adc[truth == TISSUE_ADC], TISSUE_ADC, rtol=tolerance)
    np.testing.assert_allclose(adc[truth == FLUID_ADC], FLUID_ADC, rtol=2 * tolerance)
    assert not adc[truth == 0].any()


@pytest.mark.parametrize("b_values", ["0 1000 1000 1000\n", "0\n1000\n1000\n1000\n"], ids=["row", "column"])
def test_nifti_with_b_values_in_a_file(b_values: str, tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_nifti(tmp_path, [weighted(0), *(weighted(1000, d) for d in (0.7, 1.0, 1.3))], b_values)
    study = read(tmp_path)
    assert_true_map(study)
    assert "Computed from the diffusion-weighted images with b 0, 1000" in study.chosen[Sequence.ADC].reason


def test_b_values_beyond_the_straight_line_are_not_used(tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_nifti(
        tmp_path,
        [weighted(0), weighted(800), np.full(SHAPE, 900.0) + 1.0 * np.indices(SHAPE)[0]],
        "0 800 3000",
    )
    assert_true_map(read(tmp_path))


def test_nifti_files_of_one_b_value_each(tmp_path: Path) -> None:
    write_t1(tmp_path)
    for b in (0, 500, 1000):
        write_nifti(tmp_path, [weighted(b)], None, f"dwi_b{b}")
        (tmp_path / f"dwi_b{b}.json").write_text(json.dumps({"DiffusionBValue": b}), encoding="utf-8")
    assert_true_map(read(tmp_path))


@pytest.mark.parametrize("b_values", [None, "0 1000", "0 1000 soon", "0 0 0", "900 1000 1100", "0 2000 3000"])
def test_without_usable_b_values_there_is_no_map(b_values: str | None, tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_nifti(tmp_path, [weighted(b) for b in (0, 1000, 1000)], b_values)
    assert Sequence.ADC not in read(tmp_path).chosen


def standard(dataset: pydicom.Dataset, b: int) -> None:
    dataset.DiffusionBValue = float(b)


def siemens(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    dataset.add_new(0x0019100C, "IS", str(b))


def siemens_of_unknown_type(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    dataset.add_new(0x0019100C, "UN", str(b).encode())


def ge(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
    dataset.add_new(0x00431039, "IS", [b, 8, 0, 0])


def ge_with_offset(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
    dataset.add_new(0x00431039, "IS", [b + 1_000_000_000, 8, 0, 0])


def philips(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    dataset.add_new(0x20011003, "FL", float(b))


def philips_of_unknown_type(dataset: pydicom.Dataset, b: int) -> None:
    dataset.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    dataset.add_new(0x20011003, "UN", struct.pack("<f", float(b)))


MAKERS = (standard, siemens, siemens_of_unknown_type, ge, ge_with_offset, philips, philips_of_unknown_type)


def write_dwi(
    folder: Path, b_values: tuple[int, ...], mark, *, implicit: bool = False, series: bool = False
) -> None:  # type: ignore[no-untyped-def]
    """Write diffusion-weighted images as one DICOM series, or as one for each b-value."""
    common = {
        "SeriesDescription": "ep2d_diff_3scan", "EchoTime": 90.0, "RepetitionTime": 6000.0,
        "ScanningSequence": "EP", "SeriesInstanceUID": "1.2.826.0.1.7",
    }  # fmt: skip
    for number, b in enumerate(b_values):
        if series:
            common |= {"SeriesInstanceUID": f"1.2.826.0.1.7.{number}"}
        volume = Volume(np.round(weighted(b)).astype(np.int16), AFFINE)
        for path in write_dicom_series(
            volume, folder / f"dwi{number}", AcquisitionNumber=number + 1, **common
        ):
            dataset = pydicom.dcmread(path)
            mark(dataset, b)
            syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=True)


@pytest.mark.parametrize("mark", MAKERS, ids=lambda mark: mark.__name__)
def test_b_values_of_each_maker_in_one_series(mark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_t1(tmp_path)
    write_dwi(tmp_path, (0, 500, 1000), mark)
    study = read(tmp_path)
    assert "b 0, 500, 1000" in study.chosen[Sequence.ADC].reason
    assert_true_map(study)
    assert all(image.sequence is not Sequence.DSC for image in study.images)


@pytest.mark.parametrize("mark", [siemens, ge_with_offset, philips], ids=lambda mark: mark.__name__)
def test_private_b_values_in_files_that_hide_their_types(mark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_t1(tmp_path)
    write_dwi(tmp_path, (0, 1000), mark, implicit=True)
    assert_true_map(read(tmp_path))


def test_a_series_for_each_b_value(tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_dwi(tmp_path, (0, 1000), standard, series=True)
    assert_true_map(read(tmp_path))


def test_a_number_in_the_private_element_of_another_maker_is_no_b_value(tmp_path: Path) -> None:
    def other(dataset: pydicom.Dataset, b: int) -> None:
        dataset.add_new(0x00190010, "LO", "SOMEONE ELSE")
        dataset.add_new(0x0019100C, "IS", str(b))

    write_t1(tmp_path)
    write_dwi(tmp_path, (0, 1000), other)
    assert Sequence.ADC not in read(tmp_path).chosen


def test_the_map_of_the_scanner_comes_first(tmp_path: Path) -> None:
    write_t1(tmp_path)
    write_dwi(tmp_path, (0, 1000), standard)
    scanner = Volume(np.round(1e6 * true_adc()).astype(np.int16), AFFINE)
    write_dicom_series(scanner, tmp_path / "adc", **PROTOCOLS["ADC"])
    image = read(tmp_path).chosen[Sequence.ADC]
    assert image.source.startswith("adc/")
    assert "Computed" not in image.reason


def test_maps_and_unweighted_images_of_other_sequences_take_no_part(tmp_path: Path) -> None:
    """An FA map that carries b 1000 and a T2 that carries b 0, as some makers write, on the grid of the DWI."""
    write_t1(tmp_path)
    write_dwi(tmp_path, (1000,), standard)
    anything = Volume(np.round(weighted(0)).astype(np.int16), AFFINE)
    write_dicom_series(
        anything, tmp_path / "t2", DiffusionBValue=0.0, **{**PROTOCOLS["T2"], "EchoTime": 90.0}
    )
    write_dicom_series(
        anything, tmp_path / "fa", SeriesDescription="ep2d_diff_FA", EchoTime=90.0, DiffusionBValue=0.0,
        ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "FA"], ScanningSequence="EP",
    )  # fmt: skip
    study = read(tmp_path)
    assert Sequence.ADC not in study.chosen
    assert Sequence.T2 in study.chosen


@pytest.mark.parametrize("named", ["file", "folder"])
def test_the_option_takes_diffusion_weighted_images(named: str, tmp_path: Path) -> None:
    write_t1(tmp_path / "study")
    if named == "file":
        (tmp_path / "dwi").mkdir()
        path = write_nifti(tmp_path / "dwi", [weighted(0), weighted(1000)], "0 1000", name="x")
    else:
        path = tmp_path / "dwi"
        write_dwi(path, (0, 1000), ge)
    study = read(tmp_path / "study", files={Sequence.ADC: path})
    assert_true_map(study)
    image = study.chosen[Sequence.ADC]
    assert image.reason.startswith("Named by the caller. Computed from")
    assert image.confidence == 1.0


def test_the_option_says_what_diffusion_weighted_images_lack(tmp_path: Path) -> None:
    write_t1(tmp_path / "study")
    path = write_nifti(tmp_path, [weighted(0), weighted(1000)], None)
    with pytest.raises(InputError, match=r"2 time points where an ADC map is expected.*b-values.*\.bval"):
        read(tmp_path / "study", files={Sequence.ADC: path})


def test_noise_does_not_pull_the_fit_down() -> None:
    """A fluid with S(b=1000) in the noise floor: three images that have a signal decide, not the floor."""
    rng = np.random.default_rng(2)
    shape = (40, 40, 10)
    fluid = np.zeros(shape, np.bool_)
    fluid[12:28, 12:28] = True

    def image(b: float) -> np.ndarray:
        signal = np.where(fluid, 1000.0 * np.exp(-b * 3.0e-3), 0.0)
        return np.hypot(signal + rng.normal(0, 60, shape), rng.normal(0, 60, shape))

    fitted = fit_adc([(b, image(b)) for b in (0.0, 300.0, 500.0, 1500.0)])
    assert float(np.median(fitted[fluid])) == pytest.approx(3000, rel=0.08)
    floor = fit_adc([(b, image(b)) for b in (0.0, 1500.0)])[fluid]
    assert float((floor == 0).mean()) > 0.7, "with nothing above the noise there is no number"


def test_the_fit_counts_each_image_once() -> None:
    """By hand: b 0, 500, 1000 with ln S = 7, 6.7, 6.1 have the slope -0.9e-3."""
    images = [(b, np.full((3, 3, 3), np.exp(y))) for b, y in ((0.0, 7.0), (500.0, 6.7), (1000.0, 6.1))]
    fitted = fit_adc(images)
    assert fitted[1, 1, 1] == 0, "a constant image is all air by its corners"
    framed = [(b, np.pad(image, ((9, 9), (9, 9), (0, 0)))) for b, image in images]
    assert fit_adc(framed)[10, 10, 1] == pytest.approx(900, rel=1e-4)
