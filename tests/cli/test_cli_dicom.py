"""``gliotype dicom``: DICOM results made afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliotype.report import write_result
from support.command_line import Run
from support.dicom_results import result_of, write_series

WRITTEN = ["report_pdf.dcm", "report_sr.dcm", "tumour_seg.dcm"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(tmp_path_factory.mktemp("study") / "t1c").parent


@pytest.fixture(scope="module")
def out(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a prediction from a DICOM study."""
    folder = tmp_path_factory.mktemp("out")
    write_result(result_of(study), folder)
    return folder


def test_the_command_lists_what_it_wrote(out: Path, study: Path, run: Run, tmp_path: Path) -> None:
    code, text, _ = run("dicom", out, "--reference", study, "-o", tmp_path / "made", "--key-picture")
    assert code == 0
    assert sorted(Path(line).name for line in text.splitlines()) == sorted([*WRITTEN, "key_picture.dcm"])


def test_the_command_does_not_show_the_path_of_the_study(out: Path, run: Run, tmp_path: Path) -> None:
    code, text, err = run("dicom", out, "--reference", tmp_path / "Doe_Jane", "-o", tmp_path / "made")
    assert code == 3
    assert "Doe" not in text + err
