"""Make the pictures of the documentation again, all of them of simulated patients.

Writes into ``docs/images``. The two patients of ``gliotype demo`` are simulated and predicted (some minutes in all).
The pictures of the report and of the page of ``gliotype serve`` need Chromium; without it, those stay as they are.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image as Picture
from PIL import ImageChops
from scipy.special import expit

import gliotype
from gliotype.evaluate.figures import draw_figures
from gliotype.evaluate.metrics import evaluate
from gliotype.evaluate.table import Labels, Predictions, join
from gliotype.result import Result
from gliotype.simulate import DemoPatient, demo_seed, demo_study
from gliotype.study import Label, Sequence

IMAGES = Path(__file__).parents[1] / "images"
COLOURS = {Label.OEDEMA: "#f0e442", Label.CORE: "#56b4e9", Label.ENHANCING: "#e4572e"}
"""Colours of the outlines, in the order in which they are drawn: where two share an edge, the later one is seen."""
NAMES = {
    Label.OEDEMA: "oedema and infiltrated tissue",
    Label.CORE: "non-enhancing or necrotic core",
    Label.ENHANCING: "enhancing tumour",
}
TRUTH = {
    DemoPatient.MUTANT: "IDH-mutant astrocytoma, non-enhancing",
    DemoPatient.WILDTYPE: "IDH-wildtype glioblastoma, enhancing",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REPORT_PIXELS = (1280, 800)
"""Width and height of the part of the report that is shown."""
PERFUSION_PIXELS = (1100, 1400)
"""Width of the report's perfusion section, and a height in which it fits."""
PAGE_PIXELS = (1280, 800)
"""Width and height of the window in which the page is shown."""


def predicted(kind: DemoPatient, folder: Path) -> Result:
    """Do what ``gliotype demo`` does, and write the report into a folder."""
    seed = demo_seed(kind)
    age = demo_study(folder / "study", seed, kind)
    result = gliotype.predict(folder / "study", age=age, id=f"simulated-{seed}")
    result = replace(result, warnings=("This patient is simulated.", *result.warnings))
    gliotype.write_result(result, folder)
    return result


def draw_patient(result: Result, kind: DemoPatient, path: Path) -> None:
    """Draw the largest axial section on every sequence, and the probability of each method."""
    labels = np.asarray(result.tumour.labels.array)
    level = int((labels > 0).sum(axis=(0, 1)).argmax())
    shown = [
        s for s in (Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR) if s in result.prepared.images
    ]
    figure = Figure(figsize=(9.6, 4.4), facecolor="white")
    grid = figure.add_gridspec(
        2, len(shown), height_ratios=(3, 1.1), hspace=0.25, wspace=0.03, top=0.9, bottom=0.1
    )
    brain = np.asarray(result.prepared.brain.array)
    (left, right), (back, front) = (
        np.flatnonzero(brain.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2))
    )
    head = slice(max(left - 18, 0), right + 18), slice(max(back - 18, 0), front + 18), level
    for column, sequence in enumerate(shown):
        axes = figure.add_subplot(grid[0, column])
        image = np.asarray(result.prepared.images[sequence].array)
        bright = float(np.quantile(image[brain], 0.995))
        # Radiological display: the grid is RAS+, so the patient's right is put on the left.
        axes.imshow(image[head][::-1].T, origin="lower", cmap="gray", vmin=0, vmax=bright)
        for label, colour in COLOURS.items():
            region = np.equal(labels[head][::-1].T, label)
            if region.any():
                axes.contour(region, levels=[0.5], colors=[colour], linewidths=0.8)
        axes.set_title(sequence.word, fontsize=9)
        axes.set_axis_off()
    found = [label for label in COLOURS if np.equal(labels, label).any()]
    lines = [Line2D([], [], color=COLOURS[label], linewidth=3, label=NAMES[label]) for label in found]
    figure.legend(
        handles=lines, loc="center", bbox_to_anchor=(0.5, 0.355), ncols=3, fontsize=8, frameon=False
    )
    _draw_methods(figure.add_subplot(grid[1, :]), result)
    figure.suptitle(f"Simulated patient, truth: {TRUTH[kind]}", fontsize=10)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})


def _draw_methods(axes: Axes, result: Result) -> None:
    shown = [(f.method, f.probability, f.interval) for f in reversed(result.findings)]
    rows = [(name, p, interval) for name, p, interval in shown if p is not None and interval is not None]
    for row, (_, probability, interval) in enumerate(rows):
        axes.plot(interval, [row, row], color="#9aa5b1", linewidth=5, solid_capstyle="butt")
        axes.plot([probability], [row], "|", color="black", markersize=11, markeredgewidth=2)
    axes.axvline(result.prediction.prevalence, color="black", linestyle="--", linewidth=0.7)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("P(IDH-mutant) and its range; dashed: prevalence", fontsize=8)


def draw_perfusion(result: Result, path: Path) -> None:
    """Draw the curves of the regions, and rCBV in the slice of the series that holds most of the tumour."""
    perfusion = result.measurements.dsc
    assert perfusion is not None, "the demo's study has a DSC series"
    figure = Figure(figsize=(8.4, 3.2), facecolor="white", layout="constrained")
    curves, picture = figure.subplots(1, 2, width_ratios=(1.6, 1))
    for region, curve in perfusion.curves.items():
        curves.plot(perfusion.times_s, curve.relative_signal, label=region.replace("_", " "), linewidth=1.2)
    curves.set_xlabel("seconds")
    curves.set_ylabel("signal over baseline")
    curves.legend(fontsize=7, frameon=False)
    rcbv = perfusion.maps["rcbv"].as_ras()
    prepared_from_series = np.linalg.inv(result.prepared.acquired_from_prepared[Sequence.DSC])
    tumour = np.asarray(result.tumour.labels.resample(rcbv.grid, prepared_from_series, order=0).array) > 0
    level = int(tumour.sum(axis=(0, 1)).argmax())
    # Radiological display: in RAS+ the patient's right is put on the left.
    section = np.asarray(rcbv.array)[::-1, :, level].T
    shown = picture.imshow(section, origin="lower", cmap="inferno", vmin=0, vmax=5)
    picture.contour(tumour[::-1, :, level].T, levels=[0.5], colors=["#56b4e9"], linewidths=0.8)
    picture.set_aspect(rcbv.grid.spacing[1] / rcbv.grid.spacing[0])
    picture.set_title("leakage-corrected rCBV (white matter: 1), tumour outlined", fontsize=8)
    picture.set_axis_off()
    figure.colorbar(shown, ax=picture, shrink=0.8)
    figure.suptitle("Simulated patient: bolus and blood volume", fontsize=10)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})


def draw_evaluation(folder: Path) -> None:
    """Draw figures of ``gliotype evaluate`` for 300 drawn patients with a modest score."""
    rng = np.random.default_rng(5)
    mutant = rng.random(300) < 0.3
    log_odds = -0.9 + np.where(mutant, 1.6, -0.3) + 1.2 * rng.standard_normal(300)
    age = np.where(mutant, 42, 60) + 12 * rng.standard_normal(300)
    subjects = [f"drawn-{i:03d}" for i in range(300)]
    labels = Labels(
        "labels.csv",
        dict(zip(subjects, mutant.tolist(), strict=True)),
        dict(zip(subjects, age, strict=True)),
        {},
    )
    scores = dict(zip(subjects, expit(log_odds).tolist(), strict=True))
    patients = join(Predictions("predictions.csv", scores), labels)
    figures = draw_figures(patients, None, evaluate(patients))
    for name in ("roc", "calibration"):
        (folder / f"gallery-{name}.svg").write_text(figures[name], encoding="utf-8")


def perfusion_section(page: Path) -> Path:
    """Write a copy of a report that holds its perfusion section alone, next to it."""
    html = page.read_text(encoding="utf-8")
    (section,) = re.findall(r"<section>\s*<h2>Perfusion</h2>.*?</section>", html, re.DOTALL)
    copy = page.with_name("perfusion.html")
    head = html[: html.index("</head>")]
    copy.write_text(f"{head}</head><body><main>{section}</main></body></html>", encoding="utf-8")
    return copy


def photograph(page: Path, path: Path, size: tuple[int, int]) -> None:
    """Take a picture of the top of a page with Chromium, where there is one; what is blank below is cut off."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"{path.name}: not made, for there is none of {', '.join(BROWSERS)}")
        return
    width, height = size
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "report.png"
        options = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}",
        ]
        command = [
            browser,
            *options,
            f"--window-size={width},{height}",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        image = Picture.open(shot).convert("RGB")
        background = Picture.new("RGB", image.size, image.getpixel((0, height - 1)))
        used = ImageChops.difference(image, background).getbbox() or (0, 0, width, height)
        image.crop((0, 0, width, min(height, used[3] + 12))).save(path, quality=82)


def draw_demo(kind: DemoPatient) -> None:
    """Simulate and predict a patient of the demo, and make the pictures that show this patient."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = predicted(kind, folder)
        print(f"{kind}: {result.call}, P(IDH-mutant) {result.probability}")
        draw_patient(result, kind, IMAGES / f"gallery-{kind}.jpg")
        if kind is DemoPatient.WILDTYPE:
            draw_perfusion(result, IMAGES / "gallery-perfusion.jpg")
            section = perfusion_section(folder / "report.html")
            photograph(section, IMAGES / "perfusion.jpg", PERFUSION_PIXELS)
        else:
            photograph(folder / "report.html", IMAGES / "report.jpg", REPORT_PIXELS)


def photograph_page(path: Path) -> None:
    """Predict a patient of the demo as the page of ``gliotype serve`` does, and take a picture of it with Chromium."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"{path.name}: not made, for there is none of {', '.join(BROWSERS)}")
        return
    from gliotype.serve.web.cases import CaseFolder, Settings

    with tempfile.TemporaryDirectory() as name:
        seed = demo_seed(DemoPatient.MUTANT)
        case = CaseFolder(Path(name)).add(f"simulated-{seed}", Settings())
        age = demo_study(case.study, seed, DemoPatient.MUTANT)
        case.state(Settings(age=age))
        result = gliotype.predict(case.study, age=age, id=case.id, keep=case.cache)
        gliotype.write_result(result, case.results)
        command = [sys.executable, "-m", "gliotype", "serve", "-o", name, "--port", "0", "--no-open"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            address = server.stderr.readline().split()[-1]
            photograph_case(browser, address, case.id, path)
        finally:
            server.terminate()
            server.wait(30)


def photograph_case(browser: str, address: str, case: str, path: Path) -> None:
    """Take a picture of a case, with its FLAIR in the viewer; without a graphics card this takes a minute."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": PAGE_PIXELS[0], "height": PAGE_PIXELS[1]})
        page.set_default_timeout(300_000)
        page.goto(address)
        page.click(f"#list a[href='#case={case}']")
        page.wait_for_selector("#picture[data-ready]")
        page.click("label[for=sequence-FLAIR]")
        page.wait_for_selector("#picture[data-sequence=FLAIR]")
        page.wait_for_timeout(5000)
        taken = page.screenshot()
        chromium.close()
    Picture.open(io.BytesIO(taken)).convert("RGB").save(path, quality=85)


def main() -> None:
    """Make every picture, or those of one part."""
    parts: dict[str, Callable[[], None]] = {
        "evaluation": lambda: draw_evaluation(IMAGES),
        **{kind.value: partial(draw_demo, kind) for kind in DemoPatient},
        "page": lambda: photograph_page(IMAGES / "page.jpg"),
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=parts, help="make the pictures of this part alone")
    only = parser.parse_args().only
    for part, draw in parts.items():
        if only in (None, part):
            draw()


if __name__ == "__main__":
    main()
