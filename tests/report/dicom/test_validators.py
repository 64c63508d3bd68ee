"""The objects before the validators of others: dciodvfy (dicom3tools) and DicomSRValidator (PixelMed)."""

from __future__ import annotations

import glob
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gliotype.report.dicom.objects import make_objects
from gliotype.study import Sequence
from support.dicom_results import centred, head, make_case, no_tumour

AXIAL = np.diag([-1.0, -1.0, 1.0])
HEADERS = {"StudyDate": "20190304", "StudyTime": "101500", "StudyID": "77", "AccessionNumber": "A-12"}
PIXELMED = "/usr/share/java/pixelmed.jar"
UNLIMITED = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("ExprOp", "ExprGrp", "TotalOp")]
"""Java's limits of XPath expressions, which the templates of the validator exceed."""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of object but label maps, which dciodvfy does not know."""
    folder = tmp_path_factory.mktemp("objects")
    case = make_case(folder / "study", centred(AXIAL), **HEADERS)
    like = case.outputs.labels
    measured = like.with_array(
        np.where(like.array > 0, np.float32(0.9), np.float32("nan")).astype(np.float32)
    )
    maps = {"saliency": measured, "adc": measured, "perfusion_rcbv": measured, "perfusion_k2": measured}
    outputs = replace(case.outputs, maps=maps, image=head(like.grid))
    sources = dict.fromkeys((Sequence.T1C, Sequence.DSC, Sequence.ADC), case.source)
    make_objects(outputs, sources).save(folder / "tumour")
    no_tumour(folder / "healthy", centred(AXIAL)).save(folder / "no tumour")
    return folder


def test_dciodvfy_finds_no_error(objects: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt install dicom3tools")
    files = [*(objects / "tumour").iterdir(), *(objects / "no tumour").iterdir()]
    assert len(files) == 8 + 4
    for file in files:
        done = subprocess.run(["dciodvfy", file], capture_output=True, text=True, timeout=60, check=False)
        assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == [], file.name


def test_dcsrdump_prints_the_tree_of_the_report(objects: Path) -> None:
    if shutil.which("dcsrdump") is None:
        pytest.skip("dcsrdump is not installed: apt install dicom3tools")
    file = objects / "tumour" / "report_sr.dcm"
    done = subprocess.run(["dcsrdump", file], capture_output=True, text=True, timeout=60, check=False)
    tree = done.stderr + done.stdout
    assert '(126000,DCM,"Imaging Measurement Report")' in tree
    assert (
        '(IDH_STATUS,99GLIOTYPE,"IDH mutation status predicted from MRI")  = (260385009,SCT,"Negative")'
        in tree
    )


@pytest.mark.slow
@pytest.mark.parametrize("which", ["tumour", "no tumour"])
def test_pixelmed_finds_no_error_in_the_report(which: str, objects: Path) -> None:
    if shutil.which("java") is None or not Path(PIXELMED).exists():
        pytest.skip("DicomSRValidator is not installed: apt install pixelmed-apps")
    path = ":".join(sorted(glob.glob("/usr/share/java/*.jar")))
    command = ["java", *UNLIMITED, "-cp", path, "com.pixelmed.validate.DicomSRValidator"]
    done = subprocess.run(
        [*command, objects / which / "report_sr.dcm"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "IOD validation complete" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []
