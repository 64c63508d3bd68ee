"""Enhancing tumour drawn again within Model 1's outline."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gliotype.segment.regions import refine_regions
from gliotype.study import Label, Sequence

SHAPE = (44, 36, 30)
Images = dict[Sequence, NDArray[np.float32]]


def ellipsoid(scale: float) -> NDArray[np.bool_]:
    """An ellipsoid off the middle, of three different semi-axes."""
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    parts = ((axes[0] - 18) / 14, (axes[1] - 19) / 11, (axes[2] - 13) / 9)
    return np.asarray(sum(part**2 for part in parts) < scale**2)


@pytest.fixture
def ring() -> tuple[NDArray[np.uint8], NDArray[np.uint8], Images]:
    """Truth, Model 1's labels (no enhancement seen) and images of a ring, open on one side, around necrosis."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[ellipsoid(1.0)] = Label.OEDEMA
    truth[ellipsoid(0.75)] = Label.ENHANCING
    truth[ellipsoid(0.45)] = Label.CORE
    truth[26:, :, :][truth[26:, :, :] == Label.ENHANCING] = Label.OEDEMA
    rng = np.random.default_rng(3)
    t1 = np.where(truth == Label.CORE, 0.6, 0.9) + 0.03 * rng.standard_normal(SHAPE)
    t1c = t1 + 0.6 * (truth == Label.ENHANCING) + 0.03 * rng.standard_normal(SHAPE)
    seen = np.where(truth == Label.ENHANCING, Label.OEDEMA, truth).astype(np.uint8)
    return truth, seen, {Sequence.T1: t1.astype(np.float32), Sequence.T1C: t1c.astype(np.float32)}


def enhancing_dice(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    a, b = found == Label.ENHANCING, truth == Label.ENHANCING
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_missed_ring_is_found_where_it_is(
    ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images],
) -> None:
    truth, seen, images = ring
    found = refine_regions(seen, images, 1.0)
    assert enhancing_dice(found, truth) > 0.9
    assert enhancing_dice(found[::-1], truth) < 0.8, "the phantom tells its sides apart"
    assert np.array_equal(found > 0, seen > 0), "the outline stays"
    assert (found[ellipsoid(0.35)] == Label.CORE).all(), "the necrotic centre stays"


def test_brightness_on_t1_is_not_enhancement(
    ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images],
) -> None:
    _, seen, images = ring
    blood = images[Sequence.T1C]
    assert not (refine_regions(seen, {Sequence.T1: blood, Sequence.T1C: blood}, 1.0) == Label.ENHANCING).any()


def test_enhancement_outside_the_outline_is_left_alone(
    ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images],
) -> None:
    _, seen, images = ring
    images[Sequence.T1C][40:, 2:8, 20:28] += 2.0
    assert not refine_regions(seen, images, 1.0)[seen == 0].any()


def test_voxel_size_sets_the_smoothing(ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images]) -> None:
    _, seen, images = ring
    images[Sequence.T1C][seen == Label.OEDEMA] = images[Sequence.T1][seen == Label.OEDEMA]
    images[Sequence.T1C][8, 19, 13] += 0.6  # one voxel
    at = (8, 19, 13)
    assert refine_regions(seen, images, 4.0)[at] == Label.ENHANCING
    assert refine_regions(seen, images, 1.0)[at] == seen[at]


def test_without_t1c_nothing_enhances(ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images]) -> None:
    truth, _, images = ring
    found = refine_regions(truth, {Sequence.T1: images[Sequence.T1]}, 1.0)
    assert set(np.unique(found)) == {0, Label.CORE, Label.OEDEMA}
    assert (found[truth == Label.ENHANCING] == Label.CORE).all()


def test_without_t1_the_labels_of_model_1_stay(
    ring: tuple[NDArray[np.uint8], NDArray[np.uint8], Images],
) -> None:
    truth, _, images = ring
    assert np.array_equal(refine_regions(truth, {Sequence.T1C: images[Sequence.T1C]}, 1.0), truth)
