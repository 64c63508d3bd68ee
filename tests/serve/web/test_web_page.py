"""The page in a real Chromium: the journeys of a user with the mouse and with the keyboard alone."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image as Picture

from gliotype.serve.web.app import make_app
from gliotype.serve.web.cases import PRIVATE, CaseFolder
from gliotype.serve.web.runs import Runs
from gliotype.serve.web.server import listen
from gliotype.study import Label
from support.factory import PREPARED, tissues
from support.web import TOKEN, Prepared

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 300
"""A browser without a graphics card draws slowly on a busy machine."""


@dataclass
class Browser:
    """The page in Chromium, and everything that it asked for."""

    page: Any
    root: Path
    requests: list[str]
    errors: list[str]

    @property
    def viewer_state(self) -> dict[str, str]:
        """What the viewer says that it shows."""
        found = self.page.evaluate("({...document.getElementById('picture').dataset})")
        assert isinstance(found, dict)
        return found

    def picture(self) -> np.ndarray:
        """The viewer's canvas as it is drawn, RGB."""
        taken = self.page.locator("#picture").screenshot()
        return np.asarray(Picture.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int16)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(
            "the page is not tried in a browser: Chromium is not installed (apt-get install chromium)"
        )
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the page is not tried in a browser: playwright is not installed"
    )
    root = tmp_path_factory.mktemp("page") / "cases"
    cases = CaseFolder(root)
    with listen(0) as listener:
        port = listener.getsockname()[1]
        app = make_app(cases, Runs(cases, prepared.command), TOKEN, port)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        with playwright.sync_playwright() as started:
            chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(SECONDS * 1000)
            found = Browser(page, root, [], [])
            page.on("request", lambda request: found.requests.append(request.url))
            page.on("pageerror", lambda error: found.errors.append(str(error)))
            page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
            page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
            yield found
            chromium.close()
        server.should_exit = True
        thread.join(20)
    outside = [
        url for url in found.requests if not url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:"))
    ]
    assert outside == [], "the page has asked for something from elsewhere"


@pytest.fixture(scope="module")
def case(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A case that the page has uploaded and predicted, with its viewer ready."""
    study = tmp_path_factory.mktemp("study") / "exam"
    (study / "AX T1").mkdir(parents=True)
    for number in range(40):
        (study / "AX T1" / f"{number:04}.dcm").write_bytes(b"DICM" * (number + 1))
    (study / ".DS_Store").write_bytes(b"no image")
    page = browser.page
    page.wait_for_selector(".drop")
    page.set_input_files("#folder", study)
    assert page.inner_text("#chosen") == "40 files, 3 kB"
    page.fill("#name", "journey")
    page.fill("#new-age", "44")
    page.click("text=Upload and predict")
    page.wait_for_selector("#picture[data-ready]", state="attached")
    return "journey"


def contour_pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of about one colour."""
    return int((np.abs(picture - np.array(colour)).max(axis=-1) < 40).sum())


def test_upload_and_answer(browser: Browser, case: str) -> None:
    study = browser.root / PRIVATE / case / "study"
    assert sum(file.is_file() for file in study.rglob("*")) == 40
    assert (study / "exam" / "AX T1" / "0039.dcm").read_bytes() == b"DICM" * 40
    assert browser.page.inner_text(".call-words") == "IDH-wildtype"
    assert "13 %" in browser.page.inner_text(".sure")
    assert (
        browser.page.locator(".waterfall svg").get_attribute("aria-label").startswith("Waterfall in log-odds")
    )
    assert json.loads((browser.root / case / "prediction.json").read_text())["age"] == 44


def test_the_viewer_shows_the_largest_section_on_the_right_side(browser: Browser, case: str) -> None:
    labels = tissues()[2]
    level = int((labels > 0).sum(axis=(0, 1)).argmax())
    assert int(browser.viewer_state["slice"]) == level
    assert browser.viewer_state["sequence"] == "T1"
    browser.page.keyboard.press("v")
    assert browser.page.is_checked("#view-axial")
    picture = browser.picture()
    assert picture.std() > 30, "the canvas is not empty"
    orange = np.abs(picture - np.array((255, 110, 64))).max(axis=-1) < 70
    across = np.flatnonzero(orange.any(axis=0)).mean() / picture.shape[1]
    down = np.flatnonzero(orange.any(axis=1)).mean() / picture.shape[0]
    assert across < 0.5 > down, (
        "the tumour lies right frontal: at the left and the top in radiological display"
    )


def test_outline_sequence_and_map_are_switched_by_keys(browser: Browser, case: str) -> None:
    page = browser.page
    contour = contour_pixels(browser.picture(), (255, 110, 64))
    assert contour > 20
    page.keyboard.press("c")
    assert browser.viewer_state["outline"] == "outline filled"
    filled = browser.picture()
    page.keyboard.press("o")
    assert browser.viewer_state["outline"] == "outline hidden"
    hidden = browser.picture()
    assert contour_pixels(hidden, (255, 110, 64)) < contour / 10
    assert np.abs(filled - hidden).max(axis=-1).astype(bool).mean() > 0.02
    page.keyboard.press("o")
    page.keyboard.press("c")
    page.keyboard.press("4")
    page.wait_for_selector("#picture[data-sequence=FLAIR]")
    assert page.is_checked("#sequence-FLAIR")
    assert np.abs(browser.picture() - filled).mean() > 2
    page.keyboard.press("m")
    page.wait_for_selector("#picture[data-map^=perfusion]")
    assert "white matter" in page.inner_text(".map-legend") or "/s" in page.inner_text(".map-legend")
    page.select_option("#map", "")
    page.focus("#picture")
    before = int(browser.viewer_state["slice"])
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageDown")
    assert int(browser.viewer_state["slice"]) == before - 4
    assert f"slice {before - 3} of {PREPARED.shape[2]}" in page.get_attribute("#picture", "aria-label")


def test_the_outline_is_corrected_in_the_viewer(browser: Browser, case: str) -> None:
    page, mask = browser.page, browser.root / PRIVATE / case / "mask.nii.gz"
    page.keyboard.press("e")
    page.wait_for_selector("#pen")
    box = page.locator("#picture").bounding_box()
    page.select_option("#pen", str(int(Label.OEDEMA)))
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    page.mouse.up()
    page.click("text=Save and answer again")
    page.wait_for_selector("text=corrected by you")
    import nibabel as nib

    drawn = np.asarray(nib.Nifti1Image.from_filename(mask).dataobj)
    found = tissues()[2]
    added = (drawn == Label.OEDEMA) & (found == 0)
    assert added.sum() > 5
    assert np.array_equal(drawn[~added], found[~added])
    assert (np.argwhere(added)[:, 0] < PREPARED.shape[0] / 2).all(), "drawn at the right of the picture: left"
    arguments = json.loads((browser.root / PRIVATE / case / "job" / "arguments.json").read_text())
    assert arguments[0] == "revise"
    page.click("text=Back to the outline that was found")
    page.wait_for_selector("text=found by Model 1")
    assert not mask.exists()


def test_a_new_age_is_answered_and_the_files_are_downloaded(browser: Browser, case: str) -> None:
    page = browser.page
    page.fill("#answer-age", "61")
    page.click("button:text-is('Answer again')")
    end = time.monotonic() + SECONDS
    while json.loads((browser.root / case / "prediction.json").read_text())["age"] != 61:
        assert time.monotonic() < end
        time.sleep(0.1)
    page.wait_for_selector(".progress", state="hidden")
    with page.expect_download() as started:
        page.click("text=Download all (zip)")
    assert Path(started.value.path()).read_bytes().startswith(b"PK")
    page.click("#tab-report")
    report = page.frame_locator("iframe")
    assert "IDH-wildtype" in report.locator(".call").inner_text()
    page.click("#tab-identification")
    page.select_option("#image-0", "none")
    page.click("text=Predict again with these")
    page.wait_for_selector("select option[value=none]:checked", state="attached")


def test_a_wrong_file_is_explained(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    page = browser.page
    page.click("#new")
    page.set_input_files("#file", tmp_path / "notes.txt")
    page.fill("#name", "wrong")
    page.click("text=Upload and predict")
    page.wait_for_selector("text=The prediction failed")
    assert "The study holds no image among its files: give DICOM" in page.inner_text(".progress")


def test_the_keyboard_alone_is_enough(browser: Browser, case: str) -> None:
    """Open a case from the list, go through its parts, and set its age: with Tab, arrows and Enter."""
    page = browser.page
    page.click("h1")

    def tab_to(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"nothing shows that {selector} has the focus"
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    tab_to(f"#list a[href='#case={case}']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#picture[data-ready]", state="attached")
    tab_to("#tab-images")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-report", "aria-selected") == "true"
    page.keyboard.press("ArrowLeft")
    tab_to("#picture")
    slice_before = int(browser.viewer_state["slice"])
    page.keyboard.press("ArrowDown")
    assert int(browser.viewer_state["slice"]) == slice_before - 1
    tab_to("#edit")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.focus("#picture")
    page.keyboard.press("Space")
    page.keyboard.press("z")
    tab_to("#edit")
    page.keyboard.press("Enter")
    tab_to("#answer-age")
    page.keyboard.press("Control+a")
    page.keyboard.type("52")
    page.keyboard.press("Enter")
    page.wait_for_selector(".progress:not([hidden])")
    page.wait_for_selector(".progress", state="hidden")
    assert json.loads((browser.root / case / "prediction.json").read_text())["age"] == 52
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press("Escape")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_finding_of_axe(browser: Browser, case: str, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = browser.page
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    script = axe.Axe().axe_script
    for place in ("#new", f"#case={case}"):
        page.evaluate("place => { location.hash = place; }", place)
        page.wait_for_selector("#picture[data-ready]" if "case" in place else ".drop", state="attached")
        for tab in ("images", "identification", "files") if "case" in place else ("",):
            if tab:
                page.click(f"#tab-{tab}")
            page.evaluate(script)
            found = page.evaluate("axe.run(document).then(results => results.violations)")
            serious = {
                each["id"]: [node["html"][:120] for node in each["nodes"]]
                for each in found
                if each["impact"] in ("serious", "critical")
            }
            assert serious == {}, f"{place} {tab} in {theme}"


def test_it_fits_a_tablet(browser: Browser, case: str) -> None:
    page = browser.page
    page.click("#tab-images")
    page.set_viewport_size({"width": 820, "height": 1180})
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert not wide


def test_nothing_went_wrong_meanwhile(browser: Browser, case: str) -> None:
    assert browser.errors == []
