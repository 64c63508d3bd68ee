"""What the report shows of Z-spectra."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Picture

from gliotype.report.cest import NO_EVIDENCE, CestPage, draw_cest, draw_spectra
from gliotype.report.figures import look_at
from gliotype.report.html import render_html
from gliotype.report.nifti import cest_maps, save_nifti
from gliotype.result import Result
from support.factory import make_cest, make_result, make_result_with_cest


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result_with_cest()


@pytest.fixture(scope="module")
def drawn(result: Result) -> CestPage:
    page = draw_cest(result, look_at(result))
    assert page is not None
    return page


def test_the_words_say_what_was_measured_and_that_it_does_not_count(drawn: CestPage) -> None:
    assert "MTRasym at 3.0 ppm: 2.9 % in the tumour (1.1 % in white matter, percentile 97" in drawn.words
    assert "3.5 ppm" not in drawn.words, "no number, no sentence"
    assert "The water shift comes from the Z-spectra. Acquired with B1 2 µT, saturation 2 s." in drawn.words
    assert drawn.words.endswith(NO_EVIDENCE)


def test_the_maps_lie_over_the_right_half_of_the_head(drawn: CestPage) -> None:
    assert drawn.maps is not None
    panel = drawn.maps.panels[1]
    assert panel.overlay is not None
    colours = np.asarray(Picture.open(io.BytesIO(base64.b64decode(panel.overlay.partition(",")[2]))))
    seen = colours[..., 3] > 0
    assert seen.any()
    assert not seen.all()
    left, right = np.array_split(np.arange(colours.shape[1]), 2)
    red = colours[..., 0].astype(float) - colours[..., 2]
    assert red[:, left][seen[:, left]].mean() > red[:, right][seen[:, right]].mean() + 20, (
        "the patient's right"
    )


@pytest.mark.slow
def test_the_page_shows_the_section(result: Result) -> None:
    page = render_html(result)
    assert "<h2>CEST</h2>" in page
    assert "mtrasym 3p0 tumour" in page.lower()
    assert "<h2>CEST</h2>" not in render_html(make_result())


def test_spectra_without_values_are_drawn_as_gaps() -> None:
    _, maps = make_cest()
    gap = {"tumour": np.where(np.arange(21) < 5, np.nan, maps.spectra["tumour"])}
    assert draw_spectra(replace(maps, spectra=gap)).startswith("data:image/svg+xml;base64,")
    assert draw_spectra(replace(maps, spectra={})) == draw_spectra(replace(maps, spectra={}))


def test_the_maps_are_written_on_their_own_grid(result: Result, tmp_path: Path) -> None:
    volumes = cest_maps(result)
    assert set(volumes) == {"cest_mtrasym_3p0", "cest_mtrasym_3p5", "cest_b0"}
    save_nifti(volumes["cest_mtrasym_3p0"], tmp_path / "map.nii.gz")
    again = nib.load(tmp_path / "map.nii.gz")
    assert again.shape == (60, 60, 1)
    np.testing.assert_allclose(again.affine, make_cest()[0].z.affine, atol=1e-4)
    assert cest_maps(make_result()) == {}
