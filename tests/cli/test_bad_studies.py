"""Bad input through the whole command: one sentence, the right exit code, and no half-written prediction."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import generate_uid

from gliotype import runtime
from gliotype.segment import model1
from gliotype.volume import Volume
from support.command_line import Run
from support.dicom_writer import CT, PROTOCOLS, write_dicom_series


def head(shape: tuple[int, int, int] = (40, 48, 20)) -> np.ndarray:
    i, j, k = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    noise = np.random.default_rng(0).integers(0, 40, shape)
    return ((i / 16) ** 2 + (j / 20) ** 2 + (k / 9) ** 2 < 1).astype(np.int16) * 300 + noise.astype(np.int16)


def nifti(array: np.ndarray, path: Path, affine: np.ndarray | None = None) -> None:
    nib.Nifti1Image(array, np.diag([5.0, 5, 6, 1]) if affine is None else affine).to_filename(path)


def empty(folder: Path) -> None:
    """Nothing to do: the folder is empty."""


def text_named_nii(folder: Path) -> None:
    (folder / "t1.nii").write_text("this is no image")


def truncated_gzip(folder: Path) -> None:
    nifti(head(), folder / "flair.nii.gz")
    whole = (folder / "flair.nii.gz").read_bytes()
    (folder / "flair.nii.gz").write_bytes(whole[: len(whole) // 2])


def truncated_dicom(folder: Path) -> None:
    for file in write_dicom_series(Volume(head(), np.diag([5.0, 5, 6, 1])), folder, **PROTOCOLS["T2"]):
        file.write_bytes(file.read_bytes()[:900])


def computed_tomography(folder: Path) -> None:
    volume = Volume(head(), np.diag([5.0, 5, 6, 1]))
    write_dicom_series(volume, folder, Modality="CT", SOPClassUID=CT, SeriesDescription="CT head")


def single_slice(folder: Path) -> None:
    nifti(head()[:, :, 10:11], folder / "t2.nii.gz")


def not_numbers(folder: Path) -> None:
    nifti(np.full((40, 48, 20), np.nan, np.float32), folder / "t1.nii.gz")


def constant(folder: Path) -> None:
    nifti(np.full((40, 48, 20), 7, np.int16), folder / "t1.nii.gz")


def singular_affine(folder: Path) -> None:
    nifti(head(), folder / "t1.nii.gz")
    image = bytearray(gzip.decompress((folder / "t1.nii.gz").read_bytes()))
    image[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    (folder / "t1.nii.gz").write_bytes(gzip.compress(bytes(image)))


def two_patients(folder: Path) -> None:
    for number, patient in enumerate(("A", "B")):
        uid = generate_uid()
        volume = Volume(head(), np.diag([5.0, 5, 6, 1]))
        headers = PROTOCOLS["T1"] | {"PatientID": patient, "PatientName": patient, "StudyInstanceUID": uid}
        write_dicom_series(volume, folder / str(number), **headers)


def two_studies(folder: Path) -> None:
    for number in range(2):
        volume = Volume(head(), np.diag([5.0, 5, 6, 1]))
        write_dicom_series(
            volume, folder / str(number), **PROTOCOLS["T1"] | {"StudyInstanceUID": generate_uid()}
        )


def no_structural_image(folder: Path) -> None:
    write_dicom_series(Volume(head(), np.diag([5.0, 5, 6, 1])), folder, **PROTOCOLS["ADC"])


CASES: list[tuple[Callable[[Path], None], int]] = [
    (empty, 3),
    (text_named_nii, 3),
    (truncated_gzip, 3),
    (truncated_dicom, 3),
    (computed_tomography, 3),
    (single_slice, 3),
    (not_numbers, 3),
    (constant, 3),
    (singular_affine, 3),
    (two_patients, 3),
    (two_studies, 2),
    (no_structural_image, 4),
]


@pytest.mark.parametrize(("spoil", "exit_code"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_a_bad_study_ends_with_a_sentence_and_its_code(
    spoil: Callable[[Path], None],
    exit_code: int,
    run: Run,
    tmp_path: Path,
) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    study.mkdir()
    spoil(study)
    code, _, err = run("predict", study, "-o", out)
    assert code == exit_code, err
    assert "defect" not in err
    assert ": " in err.strip().splitlines()[-1], "what was found: what to do"
    assert not (out / "prediction.json").exists()


def test_a_4d_file_named_as_t1_is_refused(run: Run, tmp_path: Path) -> None:
    nifti(np.stack([head()] * 5, axis=-1), tmp_path / "series.nii.gz")
    code, _, err = run("predict", "--t1", tmp_path / "series.nii.gz", "-o", tmp_path / "out")
    assert code == 3, err
    assert not (tmp_path / "out" / "prediction.json").exists()


@pytest.mark.parametrize("age", [-3, 400])
def test_an_impossible_age_is_a_usage_error(age: float, run: Run, tmp_path: Path) -> None:
    nifti(head(), tmp_path / "t1.nii.gz")
    code, _, err = run("predict", tmp_path / "t1.nii.gz", "--age", age, "-o", tmp_path / "out")
    assert code == 2
    assert f"age is {age}" in err


@pytest.mark.slow
def test_a_corrupt_weight_file_has_its_own_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nifti(head(), tmp_path / "t1.nii.gz")
    (tmp_path / "weights").mkdir()
    for file in runtime.weights_folder().glob("*.json"):
        (tmp_path / "weights" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "weights" / "model1.onnx").write_bytes(b"spoiled")
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setattr(model1, "_shipped", model1._shipped.__wrapped__)  # not the one loaded before
    code, _, err = run("predict", tmp_path / "t1.nii.gz", "-o", tmp_path / "out")
    assert code == 5, err
    assert "model1.onnx are corrupt" in err
    assert not (tmp_path / "out" / "prediction.json").exists()
