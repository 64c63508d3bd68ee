from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from gliotype.report.figures import look_at
from gliotype.report.html import render_html
from gliotype.report.spectroscopy import draw_fit, draw_spectroscopy
from gliotype.volume import Grid
from support.factory import make_result, make_result_with_spectroscopy, make_spectrum


@pytest.mark.slow
def test_the_page_shows_the_fit_its_numbers_and_the_box_on_the_anatomy() -> None:
    result = make_result_with_spectroscopy()
    page = draw_spectroscopy(result, look_at(result))
    assert page is not None
    assert "PRESS, TE 97 ms (32 + 65) at 127.7 MHz, 128 averages" in page.words
    assert "2HG 3.1 mM (referenced to water), Cramer-Rao bound 0.4 mM" in page.words
    assert "93 % of the box is tumour" in page.words
    assert page.box is not None
    assert [panel.title.split(",")[0] for panel in page.box.panels] == ["Axial", "Coronal", "Sagittal"]
    for panel in page.box.panels:
        numbers = panel.outlines["box"].replace("M", " ").replace("L", " ").replace("Z", " ").split()
        points = np.array(numbers, dtype=float).reshape(-1, 2)
        # A box of 2 cm is 2 cm wide and high in every plane.
        assert np.ptp(points, axis=0).round().tolist() == [20.0, 20.0]
    html = render_html(result)
    assert "<h2>2HG spectroscopy</h2>" in html
    assert 'class="box"' in html
    assert "2HG over tCr" in html


def test_the_chart_is_the_same_each_time_and_shows_the_part_of_2hg() -> None:
    _, fitted = make_spectrum()
    assert draw_fit(fitted) == draw_fit(fitted)
    without = replace(fitted, curves=replace(fitted.curves, two_hg=0 * fitted.curves.two_hg))
    assert draw_fit(without) != draw_fit(fitted)
    text = base64.b64decode(draw_fit(fitted).split(",")[1]).decode()
    assert text.startswith("<?xml")


@pytest.mark.slow
def test_a_box_of_unknown_place_or_elsewhere_is_not_drawn() -> None:
    result = make_result_with_spectroscopy()
    spectrum = result.prepared.mrs
    assert spectrum is not None
    away = np.diag([20.0, 20.0, 20.0, 1.0])
    away[:3, 3] = 500.0
    for voxel in (None, Grid((1, 1, 1), away)):
        moved = replace(result, prepared=replace(result.prepared, mrs=replace(spectrum, voxel=voxel)))
        page = draw_spectroscopy(moved, look_at(moved))
        assert page is not None
        assert page.box is None


def test_without_a_spectrum_there_is_no_such_part() -> None:
    result = make_result()
    assert draw_spectroscopy(result, look_at(result)) is None
    assert "spectroscopy</h2>" not in render_html(result)
