from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture

from gliotype.report.figures import AXIAL, CORONAL, SAGITTAL, Panel, Plane, draw_saliency, look_at
from gliotype.result import Result
from gliotype.study import Sequence
from gliotype.volume import Volume
from support.factory import PREPARED, make_result

SPOT = (100, 150, 90)  # voxel at the right, anterior and superior of the middle


@pytest.fixture(scope="module")
def spotted() -> Result:
    """A result whose FLAIR, tumour and map are a ball at `SPOT` alone."""
    result = make_result((Sequence.FLAIR,))
    index = np.indices(PREPARED.shape)
    ball = sum((index[axis] - SPOT[axis]) ** 2 for axis in range(3)) <= 37
    image = Volume(ball.astype(np.float32), PREPARED.affine)
    prepared = replace(result.prepared, images={Sequence.FLAIR: image})
    tumour = replace(result.tumour, labels=Volume(ball.astype(np.uint8), PREPARED.affine))
    findings = (replace(result.findings[0], map=image),)
    return replace(result, prepared=prepared, tumour=tumour, findings=findings)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def brightest(panel: Panel) -> np.ndarray:
    """Middle of the bright part of a panel in mm from its top left corner (x, y)."""
    grey = pixels(panel.image)
    rows, columns = np.nonzero(grey > 127)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5]) * panel.size_mm[0] / grey.shape[1]


@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
def test_picture_outline_and_place_agree_and_are_not_flipped(spotted: Result, plane: Plane) -> None:
    scene = look_at(spotted)
    index = {p.name: i for p, i in scene.largest_sections()}[plane.name]
    panel = scene.panel(plane, index, Sequence.FLAIR, "FLAIR")

    path = np.array(re.findall(r"([\d.]+) ([\d.]+)", panel.outlines["core"]), dtype=float)
    np.testing.assert_allclose((path.min(axis=0) + path.max(axis=0)) / 2, brightest(panel), atol=0.3)
    np.testing.assert_allclose(np.ptp(path, axis=0), 13, atol=1)
    assert panel.outlines["enhancing"] == ""

    width, height = panel.size_mm
    assert brightest(panel)[0] < width / 2
    assert brightest(panel)[1] < height / 2
    brain = np.argwhere(spotted.prepared.brain.array)
    off = SPOT[plane.axis] - (brain.min(axis=0) + brain.max(axis=0))[plane.axis] / 2
    assert scene.slice_position(plane, index) == f"{plane.directions[0]} {round(off)} mm"


def test_a_slice_on_the_other_side_is_named_so(spotted: Result) -> None:
    scene = look_at(spotted)
    middle = round(float(scene.middle[0]))
    assert scene.slice_position(SAGITTAL, middle - 20).startswith("L ")
    assert scene.slice_position(SAGITTAL, middle + 20).startswith("R ")


def test_the_map_lies_over_what_it_is_about(spotted: Result) -> None:
    row = draw_saliency(look_at(spotted))
    assert row is not None
    for panel in row.panels:
        assert panel.overlay is not None
        rgba = pixels(panel.overlay)
        rows, columns = np.nonzero(rgba[..., 3] > 100)
        np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], brightest(panel), atol=0.5)
        assert (rgba[rows, columns, 2] > rgba[rows, columns, 0]).all()


def test_a_map_towards_wildtype_has_the_other_colour(spotted: Result) -> None:
    against = Volume(-np.asarray(spotted.findings[0].map.array, np.float32), PREPARED.affine)
    row = draw_saliency(look_at(replace(spotted, findings=(replace(spotted.findings[0], map=against),))))
    assert row is not None
    rgba = pixels(row.panels[0].overlay)
    strong = rgba[..., 3] > 100
    assert strong.any()
    assert (rgba[strong][:, 0] > rgba[strong][:, 2]).all()
