"""The page on DICOM results names every code and every file."""

from __future__ import annotations

from pathlib import Path

from pydicom.sr.coding import Code

from gliotype.report.dicom import DICOM_OUTPUTS, codes
from gliotype.report.dicom.codes import PERFUSION, SHAPE, STRUCTURES
from gliotype.report.dicom.segmentation import BRAIN, REGIONS, WHOLE

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "dicom-results.md").read_text(encoding="utf-8")


def test_every_code_is_in_the_page() -> None:
    single = [code for code in vars(codes).values() if isinstance(code, Code)]
    listed = [*single, *SHAPE.values(), *STRUCTURES.values(), *(code for code, _, _ in PERFUSION.values())]
    assert [code.value for code in listed if code.value not in PAGE] == []


def test_every_file_and_segment_is_in_the_page() -> None:
    assert [name for name in DICOM_OUTPUTS if name not in PAGE] == []
    assert [kind.label for kind in (WHOLE, *REGIONS.values(), BRAIN) if kind.label not in PAGE] == []
