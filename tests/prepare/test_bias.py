from __future__ import annotations

import numpy as np

from gliotype.atlas import atlas
from gliotype.prepare.bias import correct_inhomogeneity, inhomogeneity
from gliotype.study import Sequence
from gliotype.volume import Grid, Volume
from support.template_head import AXIAL, head, tumour_in

GRID = AXIAL.bounding(3.0)


def known_field(grid: Grid) -> np.ndarray:
    """Brighter to the right front, as from a coil there: 1 +/- 30 %."""
    x, y, z = np.moveaxis(grid.world() - grid.centre, -1, 0)
    return np.asarray(1 + 0.3 * np.sin(x / 90) + 0.15 * (y / 90) - 0.1 * (z / 70) ** 2)


def brain_on(grid: Grid) -> Volume:
    brain = atlas.brain().resample(grid, order=0)
    return brain.with_array(np.asarray(brain.array, dtype=np.bool_))


def spread(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def test_a_known_smooth_field_is_removed() -> None:
    image = head(Sequence.T1, GRID)
    shaded = image.with_array((np.asarray(image.array) * known_field(GRID)).astype(np.float32))
    brain = brain_on(GRID)
    white = np.asarray(atlas.tissue(atlas.Tissue.WHITE).resample(GRID).array) > 0.95
    white &= ~tumour_in(GRID, np.eye(4))
    before, after = (
        np.asarray(shaded.array)[white],
        np.asarray(correct_inhomogeneity(shaded, brain).array)[white],
    )
    assert spread(before) > 0.11
    assert spread(after) < 0.5 * spread(before)
    found, true = np.asarray(inhomogeneity(shaded, brain).array)[white], known_field(GRID)[white]
    assert np.corrcoef(found, true)[0, 1] > 0.95


def test_the_field_is_relative_and_keeps_zero_and_bits() -> None:
    image, brain = head(Sequence.T2, GRID), brain_on(GRID)
    hollow = np.asarray(image.array).copy()
    hollow[:10] = 0
    image = image.with_array(hollow)
    field = inhomogeneity(image, brain)
    assert field.grid.same_as(GRID)
    assert np.isclose(np.median(np.asarray(field.array)[np.asarray(brain.array)]), 1.0, atol=0.01)
    once = correct_inhomogeneity(image, brain)
    assert (np.asarray(once.array)[:10] == 0).all()
    assert np.array_equal(once.array, correct_inhomogeneity(image, brain).array)


def test_an_empty_brain_leaves_the_image_alone() -> None:
    image = head(Sequence.T1, GRID)
    nothing = image.with_array(np.zeros(image.array.shape, dtype=np.bool_))
    assert np.array_equal(correct_inhomogeneity(image, nothing).array, image.array)
