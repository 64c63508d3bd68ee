from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from gliotype.report.html import draw_pictures
from gliotype.report.pdf import MARGIN, render_pdf
from gliotype.report.summary import summarise
from gliotype.result import Call, Result
from gliotype.study import Outline, Subject
from support.factory import make_no_tumour, make_result

LONG = (
    "The measurements are unlike those of the patients that the methods have seen (T1c over its ring; sphericity).",
    "The evidence is uncertain: at even prior odds its range of 41 % to 97 % crosses the threshold of 80 %.",
    "Plausible outlines disagree: 4 of 7 do not reach the threshold of 80 %; look at the outline.",
)
CAUTION = (
    "The head moved by up to 1.2 mm during the DSC series: its frames were brought together by rigid motion."
)


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


def written(result: Result) -> bytes:
    summary = summarise(result)
    pictures = draw_pictures(result, summary)
    return render_pdf(summary, pictures.waterfall, pictures.key)


def text_of(pdf: bytes) -> str:
    """Every text in the order in which it was drawn, lines of a paragraph joined."""
    strings = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", pdf)
    plain = (re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), text) for text in strings)
    joined = b" ".join(re.sub(rb"\\(.)", rb"\1", text) for text in plain)
    return " ".join(joined.decode("cp1252").split())


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def lowest(pdf: bytes) -> float:
    """The lower edge of the lowest paragraph."""
    moved = re.findall(rb"1 0 0 1 ([\d.]+) ([\d.-]+) cm", pdf)
    return min(float(y) for x, y in moved if float(x) >= MARGIN)


@pytest.mark.slow
def test_it_says_what_the_page_says(result: Result) -> None:
    summary, text = summarise(result), text_of(written(result))
    assert summary.title in text
    assert (
        f"Probability of IDH mutation {summary.probability}, {summary.range}, at a prevalence of 30 %" in text
    )
    assert f"Age alone: {summary.age_alone}" in text
    for sentence in (*summary.changes, *summary.missing, *summary.warnings):
        assert sentence in text
    pictures = draw_pictures(result, summary)
    assert pictures.waterfall is not None
    for words in pictures.waterfall.texts:
        assert words in text
    assert text.count("Research use only") == 2
    assert pages(written(result)) == 1


def test_every_reason_fits_on_the_page(result: Result) -> None:
    prediction = replace(result.prediction, call=Call.INDETERMINATE, reasons=LONG * 3)
    crowded = replace(result, prediction=prediction, warnings=tuple(f"{n}: {CAUTION}" for n in range(9)))
    pdf = written(crowded)
    text = text_of(pdf)
    assert pages(pdf) == 1
    for reason in LONG:
        assert text.count(reason) == 3
    assert f"5: {CAUTION}" in text
    assert "3 more: see report.html." in text
    assert MARGIN <= lowest(pdf) < lowest(written(result))


def test_the_same_result_gives_the_same_bytes(result: Result) -> None:
    assert written(result) == written(result)


def test_outlines_are_drawn_over_the_pictures(result: Result) -> None:
    bare = written(result)
    outlines = (Outline("threshold 0.9", result.tumour.mask),)
    more = written(replace(result, tumour=replace(result.tumour, outlines=outlines)))
    assert bare.count(b" l\n") + bare.count(b" l ") < more.count(b" l\n") + more.count(b" l ")
    assert bare.count(b"/Subtype /Image") == 3


def test_no_tumour_has_a_page() -> None:
    text = text_of(written(make_no_tumour()))
    assert "No tumour found" in text
    assert "Model 1 marked no voxel as tumour" in text
    assert "Probability" not in text


def test_an_id_of_any_characters_is_no_obstacle(result: Result) -> None:
    study = replace(result.study, subject=Subject("<b>7 & \\(患者) \u2264", age=44.0))
    assert pages(written(replace(result, study=study))) == 1


@pytest.mark.slow
def test_reportlab_is_imported_when_a_report_is_written_only() -> None:
    code = "import sys, gliotype.report, gliotype.pipeline; print('reportlab' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )
