from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image as Picture

from gliotype.measure import mismatch, subtract_flair
from gliotype.report.difference import draw_difference
from gliotype.report.figures import draw_planes, look_at
from gliotype.result import Result
from gliotype.study import Label, Sequence
from support.factory import make_no_tumour, make_result


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


def test_it_is_positive_where_the_measurement_counts_a_mismatch(result: Result) -> None:
    difference = subtract_flair(result.prepared, result.tumour)
    assert difference is not None
    labels = np.asarray(result.tumour.labels.array)
    assessed = (labels > 0) & (labels != Label.ENHANCING)
    measured = mismatch(result.prepared, result.tumour)
    assert measured["cystic_fraction"] == 0
    assert 100 * (difference[assessed] > 0).mean() == pytest.approx(measured["mismatch_fraction"])
    assert not difference[~np.asarray(result.prepared.brain.array)].any()


def test_core_and_oedema_have_the_colours_of_their_signs(result: Result) -> None:
    scene = look_at(result)
    page = draw_difference(result, scene, draw_planes(scene))
    assert page is not None
    assert [panel.title for panel in page.row.panels] == ["T2", "FLAIR", "T2 minus FLAIR"]
    picture = base64.b64decode(page.row.panels[2].image.partition(",")[2])
    colours = np.asarray(Picture.open(io.BytesIO(picture)))
    labels = np.flip(scene.labels[:, :, scene.axial_index], (0, 1)).T
    blue_over_red = colours[..., 2].astype(int) - colours[..., 0]  # towards T2; the other colour is brown
    assert (blue_over_red[labels == Label.CORE] > 0).mean() > 0.9
    assert (blue_over_red[labels == Label.OEDEMA] < 0).mean() > 0.9
    assert "0" in page.legend.texts
    assert "T2 brighter (mismatch)" in page.legend.texts


@pytest.mark.parametrize(
    "sequences", [(Sequence.T1C, Sequence.T2), (Sequence.FLAIR, Sequence.T1, Sequence.T1C)]
)
def test_it_needs_both_sequences(sequences: tuple[Sequence, ...]) -> None:
    result = make_result(sequences)
    scene = look_at(result)
    assert draw_difference(result, scene, draw_planes(scene)) is None


def test_it_needs_a_tumour_and_works_on_two_sequences() -> None:
    healthy = make_no_tumour()
    scene = look_at(healthy)
    assert draw_difference(healthy, scene, draw_planes(scene)) is None
    two = make_result((Sequence.T2, Sequence.FLAIR))
    scene = look_at(two)
    page = draw_difference(two, scene, draw_planes(scene))
    assert page is not None
    assert page.row.panels[0].image == draw_planes(scene)[0].panels[0].image
