from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.prepare.intensity import likely_white, white_matter_level
from gliotype.study import Sequence
from gliotype.volume import Volume
from support.template_head import AXIAL, head

GRID = AXIAL.bounding(3.0)


@pytest.fixture(scope="module")
def brain() -> Volume:
    mask = atlas.brain().resample(GRID, order=0)
    return mask.with_array(np.asarray(mask.array, dtype=np.bool_))


@pytest.fixture(scope="module")
def white() -> Volume:
    return likely_white(GRID, np.eye(4))


@cache
def fraction(kind: atlas.Tissue) -> np.ndarray:
    return np.asarray(atlas.tissue(kind).resample(GRID).array)


def phantom(grey: float, csf: float, noise: float = 4.0) -> np.ndarray:
    """Tissue of known signal: white matter 100."""
    signal = (
        100 * fraction(atlas.Tissue.WHITE)
        + grey * fraction(atlas.Tissue.GREY)
        + csf * fraction(atlas.Tissue.CSF)
    )
    return np.asarray(np.maximum(signal + np.random.default_rng(0).normal(0, noise, signal.shape), 0))


@pytest.mark.parametrize(
    ("grey", "csf"), [(80.0, 30.0), (150.0, 320.0), (124.0, 15.0)], ids=["T1", "T2", "FLAIR"]
)
def test_white_matter_is_found_in_every_contrast(
    brain: Volume, white: Volume, grey: float, csf: float
) -> None:
    image = Volume(phantom(grey, csf).astype(np.float32), GRID.affine)
    assert white_matter_level(image, brain, white) == pytest.approx(100, rel=0.03)


def test_a_tumour_in_a_third_of_the_white_matter_does_not_move_the_level(
    brain: Volume, white: Volume
) -> None:
    array = phantom(124.0, 15.0)
    x, y, _ = np.moveaxis(GRID.world(), -1, 0)
    tumour = (x > 5) & (y > -45)
    rng = np.random.default_rng(1)
    array[tumour] = rng.normal(190, 30, int(tumour.sum()))
    inside = np.asarray(white.array)
    assert 0.25 < (tumour & inside).sum() / inside.sum() < 0.45
    assert np.median(array[inside]) > 102
    image = Volume(array.astype(np.float32), GRID.affine)
    assert white_matter_level(image, brain, white) == pytest.approx(100, rel=0.03)


def test_the_level_scales_with_the_image(brain: Volume, white: Volume) -> None:
    array = phantom(80.0, 30.0)
    one, other = (Volume((array * k).astype(np.float32), GRID.affine) for k in (1.0, 17.0))
    ratio = white_matter_level(other, brain, white) / white_matter_level(one, brain, white)
    assert ratio == pytest.approx(17.0, rel=1e-3)


def test_an_image_without_signal_has_no_level(brain: Volume, white: Volume) -> None:
    assert white_matter_level(Volume(np.zeros(GRID.shape, np.float32), GRID.affine), brain, white) == 0.0


def test_white_matter_is_expected_where_the_patient_has_it() -> None:
    shift = np.eye(4)
    shift[0, 3] = -12.0
    there = likely_white(GRID, shift)
    centre = GRID.world()[np.asarray(there.array)].mean(axis=0)
    still = GRID.world()[np.asarray(likely_white(GRID, np.eye(4)).array)].mean(axis=0)
    assert np.allclose(centre - still, [12.0, 0.0, 0.0], atol=1.5)
    assert (
        np.asarray(head(Sequence.T1, GRID).array)[np.asarray(likely_white(GRID, np.eye(4)).array)].mean()
        > 150
    )
