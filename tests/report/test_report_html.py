from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import ndimage

from gliotype.findings import Finding
from gliotype.report.context import GROUPS
from gliotype.report.html import render_html
from gliotype.report.summary import summarise
from gliotype.result import Call, Result
from gliotype.study import Outline, Sequence, Subject, Tumour
from gliotype.volume import Volume
from support.factory import (
    PREPARED,
    make_no_tumour,
    make_perhaps_missed,
    make_result,
    make_result_with_perfusion,
)

VOID = {"meta", "input", "br", "img"}


class Page(HTMLParser):
    """Reads a page, checks that its elements are closed in order, and keeps its text and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.markup = page
        self.feed(page)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += " ".join(data.split()) + " "


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


@pytest.fixture(scope="module")
def markup(result: Result) -> str:
    return render_html(result)


@pytest.fixture(scope="module")
def page(markup: str) -> Page:
    return Page(markup)


def test_one_closed_page_that_fetches_nothing(markup: str, page: Page) -> None:
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    key, planes, strips, mismatch = 3, 4 * 3, 8 * 2, 3
    assert len(page.links) == key + planes + strips + mismatch
    assert all(link.startswith(("data:image/jpeg;base64,", "data:image/png;base64,")) for link in page.links)
    assert "url(" not in markup
    assert len(markup.encode()) < 3_000_000


def test_sections_stand_in_order(page: Page) -> None:
    titles = [
        "IDH-wildtype",
        "From the prevalence to the answer",
        "Axial, S 12 mm",
        "What would change the answer",
        "Missing or not used",
        "The evidence",
        "All methods side by side",
        "The tumour in three planes",
        "T2-FLAIR mismatch The same slice",
        "Size and location of the tumour",
        "Reasons by method",
        "What was not used, and why",
        "Which series was taken as which sequence",
        "Measurements",
        "Context: published figures for groups of patients",
        "How this was made",
    ]
    places = [page.text.find(title) for title in titles]
    assert -1 not in places
    assert places == sorted(places)


def test_the_first_screen_gives_probability_range_prevalence_and_age(page: Page) -> None:
    assert "Probability of IDH mutation 13 % range 5 % to 28 % , at a prevalence of 30 %" in page.text
    assert "Age alone: 52 % (95 % interval 46 % to 58 %)" in page.text
    assert page.text.count("Research use only") == 2
    first = page.text.partition("The evidence")[0].partition("From the prevalence")[2]
    assert "95 % interval" not in first
    assert "applicable method" not in page.text


def test_every_reason_and_all_evidence_is_shown(result: Result) -> None:
    reasons = ("Plausible outlines disagree: 2 of 3 <do not>.", "The registration of FLAIR is in doubt.")
    prediction = replace(result.prediction, call=Call.INDETERMINATE, reasons=reasons)
    text = Page(render_html(replace(result, prediction=prediction))).text
    assert f"Why it is indeterminate {reasons[0]} {reasons[1]}" in text
    for line in summarise(result).evidence:
        assert text.count(line.name) >= 2  # waterfall and table
        assert f"{line.name} {line.contribution} {line.weight} {line.source}" in text


def test_all_plausible_outlines_are_drawn_thin_on_the_key_pictures(result: Result) -> None:
    smaller = ndimage.binary_erosion(result.tumour.mask, iterations=4)
    outlines = (Outline("threshold 0.9", smaller), Outline("pass 2", np.roll(result.tumour.mask, 3, 0)))
    markup = render_html(replace(result, tumour=replace(result.tumour, outlines=outlines)))
    paths = re.findall(r'class="plausible" d="([^"]*)"', markup)
    assert len(paths) == 3
    assert len(set(paths)) == 1
    assert paths[0].count("M") == 2
    assert "thin: 2 other plausible ones" in markup
    assert 'class="plausible"' not in render_html(result)


def test_groups_are_context_and_no_number_of_the_patient(page: Page) -> None:
    before, _, after = page.text.partition("Context: published figures for groups of patients")
    context = after.partition("How this was made")[0]
    assert "none is a prediction for this patient" in context
    for group in GROUPS:
        assert f"{group.group} {group.figure} {group.source}" in context
    for absent in ("1p/19q", "survival", "alive"):
        assert absent not in before


@pytest.mark.parametrize(
    "words",
    [
        "case-7 44 years, female",
        "Age alone, for comparison",  # the other methods
        "likelihood ratio 0.7",
        "strong enhancement <speaks> for wildtype",
        "-1.74",
        "compared with the average of that number in the training patients. An image is compared with an empty map",
        "Enhancing tumour 6.8",  # volumes
        "Whole tumour 65 ml",
        "Outline: Model 1; mean tumour probability inside it 93 %.",
        "Frontal 61.2 %",  # loci
        "Maximum 3D Diameter 87.2 mm",  # measurements, missing ones too
        "Mesh Volume 118,083 mm³",
        "flair mean over ring –",
        "Method perfusion network the study has no DSC series",  # what was not used
        "ADC the study has no such series",
        "Image 5 (other) 3 slices 20 mm apart: a localiser",
        "FLAIR 4 97 % the name image 4 says FLAIR, and its contrast agrees 0.9 × 0.9 × 5",
        "TR 9000 ms, TE 125 ms, TI 2500 ms, 3 T",
        "prepare 18.2",  # the record
        "openvino 2026.4.1",
        "3f" * 32,
    ],
)
def test_the_page_tells(page: Page, words: str) -> None:
    assert words in page.text


def test_text_is_escaped(result: Result) -> None:
    subject = Subject('<script>alert("x")</script>', age=44.0)
    page = Page(render_html(replace(result, study=replace(result.study, subject=subject))))
    assert "script" not in page.tags
    assert subject.id in page.text


def test_no_source_path_reaches_the_page(result: Result, markup: str, page: Page) -> None:
    assert "doe" not in re.sub(r"base64,[^\"]*", "", markup)
    assert "exam/" not in markup
    assert "Two T1 series were found: image 1 was taken" in page.text


def test_pictures_show_the_patients_right_at_the_left_and_anterior_at_the_left_of_sagittal_ones(
    markup: str,
) -> None:
    axial, _, sagittal = (part for part in re.split(r'class="plane"', markup)[2:5])
    assert "left edge R, right edge L" in axial
    assert "left edge A, right edge P" in sagittal
    for section in (axial, sagittal):
        width, height = (float(n) for n in re.search(r'viewBox="0 0 (\d+) (\d+)"', section).groups())
        path = re.search(r'class="enhancing" d="([^"]*)"', section).group(1)
        points = np.array(re.findall(r"([\d.]+) ([\d.]+)", path), dtype=float)
        assert points[:, 0].mean() < width / 2
        assert points[:, 1].mean() < height / 2


def test_a_page_says_why_a_tumour_may_have_been_missed() -> None:
    page = Page(render_html(make_perhaps_missed()))
    assert page.open == []
    assert "Why it is indeterminate" in page.text
    assert "The brain was not found." in page.text
    assert "Probability" not in page.text


def test_a_healthy_head_has_a_page_without_tumour() -> None:
    page = Page(render_html(make_no_tumour()))
    assert page.open == []
    assert "No tumour found" in page.text
    assert "Model 1 marked no voxel as tumour" in page.text
    assert "The brain in three planes" in page.text
    assert len(page.links) == 3 + 12
    for absent in ("Volumes", "Location", "Probability", "Warning", "outlines of the tumour", "Whole tumour"):
        assert absent not in page.text


def test_one_sequence_is_enough() -> None:
    page = Page(render_html(make_result((Sequence.T2,))))
    assert page.open == []
    assert len(page.links) == 1 + 3 + 8
    assert "T2 minus FLAIR" not in page.text
    for missing in ("T1", "T1c", "FLAIR"):
        assert f"{missing} the study has no such series" in page.text


@pytest.mark.slow
def test_a_map_of_reasons_is_laid_over_the_reference(result: Result) -> None:
    x = PREPARED.world()[..., 0].astype(np.float32)
    findings = tuple(replace(f, map=Volume(x, PREPARED.affine)) for f in result.findings)
    page = Page(render_html(replace(result, findings=findings)))
    assert "Where the images moved the method that contributes most: radiomics" in page.text
    assert sum(link.startswith("data:image/png") for link in page.links) == 3 + 1


def test_an_indeterminate_answer_and_numbers_that_are_missing_have_their_words(result: Result) -> None:
    prediction = replace(result.prediction, call=Call.INDETERMINATE, probability=0.995, interval=None)
    study = replace(result.study, subject=Subject("n"))
    bare = (Finding("bare", None), Finding("radiomics", 0.995))
    page = Page(render_html(replace(result, prediction=prediction, study=study, findings=bare)))
    assert "Indeterminate" in page.text
    assert "> 99 % no range , at a prevalence" in page.text
    assert "age not given, sex not given" in page.text
    assert "gives no probability" in page.text


def test_an_outline_alone_has_no_sub_regions(result: Result) -> None:
    whole = result.tumour.labels.with_array(result.tumour.mask.astype(np.uint8))
    page = Page(render_html(replace(result, tumour=Tumour(whole, "given"))))
    for absent in ("Non-enhancing or necrotic core", "Volume Proportion"):
        assert absent not in page.text
    assert "Outline: the mask that was given." in page.text
    assert "Whole tumour" in page.text
    assert 'class="stack"' not in page.markup


@pytest.mark.slow
def test_a_series_from_which_nothing_is_computed_is_listed() -> None:
    measured = make_result_with_perfusion()
    kinds = (Sequence.DSC, Sequence.ADC, Sequence.CEST)
    extra = tuple(replace(measured.study.images[0], sequence=sequence) for sequence in kinds)
    study = replace(measured.study, images=(*measured.study.images, *extra))
    words = "read, but nothing was computed from it"
    text = Page(render_html(replace(measured, study=study))).text
    assert f"ADC {words}" in text
    assert f"CEST {words}" in text
    assert text.count(words) == 2
    unmeasured = replace(measured, study=study, measurements=replace(measured.measurements, dsc=None))
    text = Page(render_html(unmeasured)).text
    assert f"DSC {words}" in text
    assert f"ADC {words}" in text


def contrast_on_white(colour: str) -> float:
    """Contrast ratio of a colour such as ``#0072b2`` (WCAG 2)."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05))


def test_coloured_words_can_be_read(markup: str) -> None:
    style = markup.partition("<style>")[2].partition("</style>")[0]
    meanings = re.findall(r"--([\w-]+): ([^;]+);", style)

    def colours(name: str) -> set[str]:
        values = {value for other, value in meanings if other == name}
        return {c for v in values for c in (colours(v[6:-1]) if v.startswith("var(") else {v})}

    used = set(re.findall(r"[ {]color: var\(--([\w-]+)\)", style))
    found = {colour: contrast_on_white(colour) for name in used for colour in colours(name)}
    assert len(found) >= 4
    assert {colour: contrast for colour, contrast in found.items() if contrast < 4.5} == {}
