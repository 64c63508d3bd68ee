from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image as Picture

from gliotype.plotting import Figure
from gliotype.report import write_result
from gliotype.report.figures import Panel, look_at
from gliotype.report.html import render_html
from gliotype.report.perfusion import PerfusionPage, draw_curves, draw_perfusion, phase_fractions
from gliotype.result import Result
from support.factory import DSC, make_result, make_result_with_perfusion


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result_with_perfusion()


@pytest.fixture(scope="module")
def drawn(result: Result) -> PerfusionPage:
    page = draw_perfusion(result, look_at(result))
    assert page is not None
    return page


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def overlay(panel: Panel) -> np.ndarray:
    assert panel.overlay is not None
    return pixels(panel.overlay)


def test_a_map_lies_over_the_right_half_of_the_head(drawn: PerfusionPage) -> None:
    rcbv = overlay(drawn.maps.panels[1])
    seen = rcbv[..., 3] > 0
    left_of_picture, right_of_picture = np.array_split(np.arange(rcbv.shape[1]), 2)
    warm = (rcbv[..., 0].astype(int) > rcbv[..., 2]) & seen
    assert warm[:, left_of_picture].sum() > 10 * warm[:, right_of_picture].sum()  # the patient's right
    assert seen[:, right_of_picture].any()


def test_only_maps_that_were_measured_are_drawn(drawn: PerfusionPage) -> None:
    titles = [panel.title.split()[0].rstrip(",") for panel in drawn.maps.panels]
    assert titles == ["T1c", "rCBV", "K2"]


def test_the_arteries_are_marked_and_told(drawn: PerfusionPage) -> None:
    assert drawn.arterial_words == "3 voxels, found automatically"
    assert drawn.arteries is not None
    red = np.all(pixels(drawn.arteries.image)[..., :3] == (255, 45, 45), axis=-1)
    assert red.any()
    assert red.mean() < 0.05
    assert drawn.arteries.title.endswith(f"of {DSC.shape[1]}")


def test_the_same_result_draws_the_same_curves(result: Result, drawn: PerfusionPage) -> None:
    again = draw_perfusion(result, look_at(result))
    assert again is not None
    assert again.curves == drawn.curves
    figure = base64.b64decode(drawn.curves.partition(",")[2]).decode()
    assert figure.startswith("<?xml")


@pytest.mark.slow
def test_curves_are_drawn_without_attention(result: Result) -> None:
    silent = replace(result, findings=result.findings[:-1])
    page = draw_perfusion(silent, look_at(silent))
    assert page is not None
    assert "the attention of the perfusion network" not in render_html(silent)
    assert "the attention of the perfusion network" in render_html(result)


def test_nothing_is_drawn_without_perfusion() -> None:
    result = make_result()
    assert draw_perfusion(result, look_at(result)) is None
    assert "<h2>Perfusion</h2>" not in render_html(result)


@pytest.mark.slow
def test_maps_are_written_on_the_series_own_grid(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    image = nib.load(tmp_path / "perfusion_rcbv.nii.gz")
    assert np.allclose(image.affine, DSC.affine)
    assert np.allclose(
        image.get_fdata(),
        result.measurements.dsc.maps["rcbv"].array,
        equal_nan=True,  # type: ignore[union-attr]
    )
    assert not (tmp_path / "perfusion_mtt.nii.gz").exists()
    write_result(make_result(), tmp_path)
    assert not (tmp_path / "perfusion_rcbv.nii.gz").exists()


def test_the_attention_has_a_place_of_its_own_with_each_phase_named(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []

    class RecordedFigure(Figure):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            figures.append(self)

    monkeypatch.setattr("gliotype.report.perfusion.Figure", RecordedFigure)
    attention = result.findings[-1].attention
    assert attention is not None
    assert result.measurements.dsc is not None
    draw_curves(result.measurements.dsc, attention)
    curves, _, strip, phases = figures[0].axes
    assert [text.get_text() for text in phases.texts] == [
        f"{name} {100 * fraction:.0f} %" for name, fraction in phase_fractions(attention).items()
    ]
    assert not strip.texts
    assert not curves.texts
    renderer = FigureCanvasAgg(figures[0]).get_renderer()
    figures[0].draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in phases.texts]
    for box in boxes:
        assert not any(box.overlaps(axes.get_window_extent(renderer)) for axes in (curves, strip))
        assert sum(box.overlaps(other) for other in boxes) == 1
