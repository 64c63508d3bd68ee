"""DICOM results on disk: next to those of a prediction, made afterwards, and what happens where they cannot be made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from gliotype.errors import InputError, UsageError
from gliotype.report import write_result
from gliotype.report.dicom import DICOM_OUTPUTS, write_dicom
from gliotype.result import Result
from gliotype.study import Sequence
from gliotype.volume import Volume
from support.dicom_results import centred, head, result_grid, result_of, write_series
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.factory import make_result

AXIAL = np.diag([-1.0, -1.0, 1.0])
WRITTEN = ["report_pdf.dcm", "report_sr.dcm", "tumour_seg.dcm"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(tmp_path_factory.mktemp("study") / "t1c").parent


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return result_of(study)


@pytest.fixture(scope="module")
def out(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a prediction from a DICOM study."""
    folder = tmp_path_factory.mktemp("out")
    write_result(result, folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(file: Path) -> str:
    """An object without the times at which it was made."""
    dataset = pydicom.dcmread(file)
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime"):
        if keyword in dataset:
            del dataset[keyword]
    for item in dataset.get("ContributingEquipmentSequence", []):
        del item.ContributionDateTime
    return dataset.to_json()


def test_a_prediction_from_dicom_has_dicom_results(out: Path) -> None:
    assert names(out / "dicom") == WRITTEN
    assert json.loads((out / "prediction.json").read_text())["warnings"] == list(make_result().warnings)


def test_the_same_objects_are_made_afterwards(out: Path, study: Path, tmp_path: Path) -> None:
    files, remarks = write_dicom(out, study, tmp_path / "again")
    assert (names(tmp_path / "again"), remarks) == (WRITTEN, ())
    assert [file.name for file in files] == [name for name in DICOM_OUTPUTS if name in WRITTEN]
    for name in WRITTEN:
        assert contents(tmp_path / "again" / name) == contents(out / "dicom" / name), name


def test_they_are_made_from_a_zip_and_put_into_the_folder_of_the_prediction(
    out: Path, study: Path, tmp_path: Path
) -> None:
    shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "dicom")
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", study)
    write_dicom(tmp_path / "out", archive)
    assert names(tmp_path / "out" / "dicom") == WRITTEN


@pytest.mark.parametrize(
    "turned",
    [lambda array: array, lambda array: array[:, ::-1], lambda array: array.transpose(2, 0, 1)],
    ids=["same", "flipped", "axes exchanged"],
)
def test_images_converted_to_nifti_find_their_series(
    turned: Callable[[np.ndarray], np.ndarray], out: Path, study: Path, tmp_path: Path
) -> None:
    """Converters flip and exchange axes; the objects are those of the original all the same."""
    shutil.copytree(out, tmp_path / "out")
    for name in ("tumour", "brain"):
        image = nib.Nifti1Image.from_filename(out / f"{name}.nii.gz")
        array = np.asarray(image.dataobj)
        index = np.indices(array.shape)
        corners = [turned(index[axis])[tuple(np.eye(3, dtype=int)[n])] for axis in range(3) for n in range(3)]
        origin = np.array([turned(index[axis])[0, 0, 0] for axis in range(3)])
        old_from_new = np.eye(4)
        old_from_new[:3, :3] = np.reshape(corners, (3, 3)) - origin[:, None]
        old_from_new[:3, 3] = origin
        nib.save(
            nib.Nifti1Image(turned(array), image.affine @ old_from_new), tmp_path / "out" / f"{name}.nii.gz"
        )
    document = json.loads((out / "prediction.json").read_text())
    document["sequences"]["T1C"]["source"] = "t1c.nii.gz"
    (tmp_path / "out" / "prediction.json").write_text(json.dumps(document))
    write_dicom(tmp_path / "out", study, tmp_path / "again")
    assert contents(tmp_path / "again" / "tumour_seg.dcm") == contents(out / "dicom" / "tumour_seg.dcm")


def test_the_series_of_the_sequence_is_taken_among_those_of_the_same_voxels(
    out: Path, study: Path, tmp_path: Path
) -> None:
    shutil.copytree(study / "t1c", tmp_path / "study" / "post")
    write_series(tmp_path / "study" / "flair", "FLAIR", SeriesInstanceUID="1.2.9")
    write_dicom(out, tmp_path / "study", tmp_path / "made")
    assert contents(tmp_path / "made" / "tumour_seg.dcm") == contents(out / "dicom" / "tumour_seg.dcm")


def test_series_of_the_same_voxels_that_nothing_tells_apart_are_refused(out: Path, tmp_path: Path) -> None:
    for number, kind in enumerate(("FLAIR", "T2")):
        write_series(tmp_path / "study" / kind, kind, SeriesInstanceUID=f"1.2.{number}")
    with pytest.raises(UsageError, match="2 series have the voxels of the T1c"):
        write_dicom(out, tmp_path / "study", tmp_path / "made")


def test_a_study_without_such_voxels_is_refused(out: Path, tmp_path: Path) -> None:
    write_dicom_series(head(centred(AXIAL)), tmp_path / "study", **PROTOCOLS["T1C"])
    with pytest.raises(
        InputError, match=r"no DICOM series has the voxels of tumour\.nii\.gz \(64 x 80 x 22\)"
    ):
        write_dicom(out, tmp_path / "study", tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("missing", ["prediction.json", "tumour.nii.gz", "report.pdf"])
def test_a_folder_that_lacks_a_file_is_refused(missing: str, out: Path, study: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / missing).unlink()
    with pytest.raises(InputError, match=f"holds no {missing}"):
        write_dicom(tmp_path / "out", study, tmp_path / "made")


def test_a_damaged_file_is_named_as_such(out: Path, study: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    file = tmp_path / "out" / "tumour.nii.gz"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(InputError, match="a file of the prediction is damaged"):
        write_dicom(tmp_path / "out", study, tmp_path / "made")


def test_a_prediction_from_nifti_has_none_and_removes_those_of_an_earlier_run(
    out: Path, tmp_path: Path
) -> None:
    shutil.copytree(out, tmp_path / "out")
    write_result(make_result(), tmp_path / "out")
    assert not (tmp_path / "out" / "dicom").exists()
    assert "DICOM" not in " ".join(json.loads((tmp_path / "out" / "prediction.json").read_text())["warnings"])


def test_what_cannot_be_made_is_a_warning_and_the_prediction_is_written(
    result: Result, tmp_path: Path
) -> None:
    image = result.study.images[0]
    assert image.dicom is not None
    frames = tuple(replace(frame, uid="1.2.3") for frame in image.dicom.frames)
    images = (replace(image, dicom=replace(image.dicom, frames=frames)), *result.study.images[1:])
    files = write_result(replace(result, study=replace(result.study, images=images)), tmp_path)
    document = json.loads(files[-1].read_text())
    assert document["warnings"][-1].startswith("No DICOM results were written: slices of the series")
    assert not (tmp_path / "dicom").exists()
    assert (tmp_path / "tumour.nii.gz").exists()


def test_a_defect_of_the_libraries_is_a_warning_that_quotes_no_header(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("cannot encode 'Secret^Person'")

    monkeypatch.setattr("gliotype.report.dicom.objects.make_report", fail)
    document = json.loads(write_result(result, tmp_path)[-1].read_text())
    assert "ValueError" in document["warnings"][-1]
    assert "Secret" not in json.dumps(document)


def test_options_reach_the_objects(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path, labelmap=True, key_picture=True)
    assert names(tmp_path / "dicom") == sorted([*WRITTEN, "whole_tumour_seg.dcm", "key_picture.dcm"])


@pytest.mark.slow
def test_an_adc_map_is_written_in_nifti_and_dicom(study: Path, result: Result, tmp_path: Path) -> None:
    adc = np.zeros(result_grid().shape, np.float32)
    adc[20:40, 20:40, 5:15] = 0.8
    image = replace(result.study.images[0], sequence=Sequence.ADC)
    measured = replace(
        result,
        study=replace(result.study, images=(*result.study.images, image)),
        prepared=replace(result.prepared, adc=Volume(adc, result_grid().affine)),
    )
    write_result(measured, tmp_path)
    written = np.asarray(nib.Nifti1Image.from_filename(tmp_path / "adc.nii.gz").dataobj)
    assert np.isnan(written).sum() == (adc == 0).sum()
    assert np.nanmax(written) == np.float32(0.8)
    dataset = pydicom.dcmread(tmp_path / "dicom" / "adc_map.dcm")
    assert np.isclose(np.frombuffer(dataset.FloatPixelData, "<f4").max(), 800.0)
