"""No name of a patient reaches the report, the terminal or a written image, wherever in the study it stands."""

from __future__ import annotations

import gzip
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.cli.show import print_summary
from gliotype.paths import paths_within
from gliotype.read import read_study
from gliotype.report import write_result
from gliotype.study import Subject
from gliotype.volume import Volume
from support.command_line import Run
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.factory import make_result

NAME = re.compile(r"gadows|muellers|annalena|19700101|77012345", re.IGNORECASE)
HEADERS = {
    "PatientName": "Muellerson^Annalena",
    "PatientID": "77012345",
    "PatientBirthDate": "19700101",
    "StudyDescription": "Gadowskaja Annalena MR brain post",
    "ProtocolName": "Muellerson Annalena",
    "StudyID": "77012345",
    "InstitutionName": "Gadowskaja",
    "StudyInstanceUID": "1.2.1",
}


def volume(seed: int) -> Volume:
    """A small asymmetric image in a large head's place."""
    array = np.random.default_rng(seed).integers(1, 900, (24, 20, 12)).astype(np.int16)
    return Volume(array, np.array([[-9.0, 0, 0, 100], [0, 9.5, 0, -90], [0, 0, 14, -70], [0, 0, 0, 1]]))


def series(folder: Path, kind: str, file: str = "Muellerson", **headers: object) -> list[Path]:
    """Write a series whose headers, folder and files, which have no ending, name the patient."""
    protocol = PROTOCOLS[kind]
    described = {"SeriesDescription": f"Annalena Muellerson {protocol['SeriesDescription']}"}
    written = write_dicom_series(volume(len(kind)), folder, **(protocol | HEADERS | described | headers))
    return [path.rename(path.with_name(f"{file}{n:02}")) for n, path in enumerate(sorted(written))]


def dicom_study(root: Path) -> None:
    """T1, T1c and two FLAIR series; a slice that is not the first of its series is damaged, another file is none."""
    for kind in ("T1", "T1C", "FLAIR"):
        series(root / "Gadowskaja Annalena" / f"Muellerson {kind}", kind)
    again = series(root, "FLAIR", "Gadowskaja", SeriesDescription="Muellerson FLAIR 2")
    again[5].write_bytes(again[5].read_bytes()[:700])
    (root / "MUELLERSON12").write_bytes(b"neither")
    (root / "Annalena_19700101.nii").write_bytes(b"neither")


def nifti_study(root: Path) -> None:
    """Images in the root with names and numbers, one of them cut off, one of NaN."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("Muellerson_Annalena_t1", "Gadowskaja-77012345-flair", "Annalena19700101_T2", "Muellerson7"):
        image = volume(len(name))
        nib.save(nib.Nifti1Image(image.array, image.affine), root / f"{name}.nii.gz")
    truncated = root / "Gadowskaja_t1ce.nii.gz"
    truncated.write_bytes((root / "Muellerson7.nii.gz").read_bytes()[:3000])
    nans = Volume(np.full((24, 20, 12), np.nan, np.float32), volume(0).affine)
    nib.save(nib.Nifti1Image(nans.array, nans.affine), root / "Annalena2_t2.nii.gz")


def zipped(study: Callable[[Path], None]) -> Callable[[Path], None]:
    """Pack what a function writes into a zip in the place of the folder."""

    def write(root: Path) -> None:
        study(root)
        shutil.make_archive(str(root), "zip", root)
        shutil.rmtree(root)
        root.with_suffix(".zip").rename(root)

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    "study",
    [dicom_study, nifti_study, zipped(dicom_study), zipped(nifti_study)],
    ids=["DICOM", "NIfTI", "zip of DICOM", "zip of NIfTI"],
)
def test_no_name_reaches_the_report_the_terminal_or_an_image(
    study: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "Gadowskaja_Annalena"
    study(root)
    read = read_study(root, files=None, subject=Subject("case 7"))
    assert NAME.search(" ".join([*read.warnings, *(image.source for image in read.images)]))
    result = make_result()
    result = replace(result, study=read, warnings=read.warnings, paths=paths_within(root))
    files = write_result(result, tmp_path / "out")
    print_summary(result, files)
    out, err = capsys.readouterr()
    assert "case 7" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert not NAME.findall(out + err)
    assert b"case 7" in (tmp_path / "out" / "report.pdf").read_bytes()  # its text is not compressed
    assert tmp_path / "out" / "report.pdf" in files
    for file in files:
        if file.name != "prediction.json" and file.suffix != ".dcm":  # those are of the patient's own study
            content = file.read_bytes()
            text = gzip.decompress(content) if file.suffix == ".gz" else content
            assert not NAME.findall(text.decode("latin-1")), file.name


def several_studies(root: Path) -> None:
    for uid in ("1.2.1", "1.2.2"):
        series(root / f"Gadowskaja {uid}", "T1", StudyInstanceUID=uid)


def several_sessions(root: Path) -> None:
    for session in ("Annalena", "Gadowskaja"):
        folder = root / f"sub-Muellerson/ses-{session}/anat"
        folder.mkdir(parents=True)
        image = volume(1)
        name = f"sub-Muellerson_ses-{session}_T1w.nii.gz"
        nib.save(nib.Nifti1Image(image.array, image.affine), folder / name)


def several_patients(root: Path) -> None:
    for number in (1, 2):
        series(
            root / f"Muellerson{number}", "T1", PatientID=f"7701234{number}", StudyInstanceUID=f"1.2.{number}"
        )


def two_folders(root: Path) -> None:
    nifti_study(root / "Muellerson")
    nifti_study(root / "Gadowskaja")


def nothing_structural(root: Path) -> None:
    series(root / "Muellerson", "ADC")


def nothing_readable(root: Path) -> None:
    root.mkdir()
    for name in ("Muellerson_t1.nii", "Annalena19700101.nii.gz", "Gadowskaja.dcm"):
        (root / name).write_bytes(b"neither")


def no_image(root: Path) -> None:
    root.mkdir()
    (root / "Muellerson.txt").write_text("Annalena")


def nothing_at_all(root: Path) -> None:
    root.mkdir()


def unsafe_zip(root: Path) -> None:
    with zipfile.ZipFile(root, "w") as archive:
        archive.writestr("../Muellerson/Annalena.nii", "x")


def damaged_zip(root: Path) -> None:
    zipped(nifti_study)(root)
    content = bytearray(root.read_bytes())
    content[2000:2400] = bytes(400)
    root.write_bytes(content)


def not_there(root: Path) -> None:
    assert not root.exists()


@pytest.mark.parametrize(
    "study",
    [
        several_studies,
        several_sessions,
        several_patients,
        two_folders,
        nothing_structural,
        nothing_readable,
        no_image,
        nothing_at_all,
        unsafe_zip,
        damaged_zip,
        not_there,
    ],
)
def test_an_error_names_nobody(study: Callable[[Path], None], run: Run, tmp_path: Path) -> None:
    root = tmp_path / "Gadowskaja Annalena"
    study(root)
    code, out, err = run("predict", root, "-o", tmp_path / "out")
    assert code in (2, 3, 4), err
    assert not NAME.findall(out + err), err
    assert len(err.splitlines()[-1]) > 40


def test_a_named_file_is_not_quoted(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "Muellerson_Annalena.nii.gz"
    file.write_bytes(b"neither")
    code, out, err = run("predict", "--t1c", file, "-o", tmp_path / "out")
    assert code == 3
    assert not NAME.findall(out + err), err
