"""The two numbers by which T2-net and TS-net refuse an image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.predictors.image_quality import (
    MIN_DETAIL,
    edge_evenness,
    finest_detail,
    image_fault,
)

SHAPE = (44, 36, 30)


@pytest.fixture
def brain() -> NDArray[np.bool_]:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return np.asarray(sum(axis**2 for axis in axes) < 0.95)


@pytest.fixture
def image(brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Few tissues with sharp edges, and little noise."""
    rng = np.random.default_rng(3)
    tissue = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2.5) > 0.03
    signal = np.where(tissue, 2.0, 1.0) + 0.02 * rng.normal(size=SHAPE)
    return np.where(brain, signal, 0).astype(np.float32)


def moved(image: NDArray[np.float32], fraction: float) -> NDArray[np.float32]:
    """Shift the head while a fraction of the lines of k-space is acquired."""
    rng = np.random.default_rng(5)
    spectrum = np.fft.fft(image, axis=1)
    lines = rng.choice(SHAPE[1], round(fraction * SHAPE[1]), replace=False)
    shift = rng.uniform(-4, 4, lines.size)
    spectrum[:, lines] *= np.exp(-2j * np.pi * np.fft.fftfreq(SHAPE[1])[lines] * shift)[None, :, None]
    return np.fft.ifft(spectrum, axis=1).real.astype(np.float32)


def test_motion_makes_edges_more_even(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> None:
    found = [edge_evenness(moved(image, fraction), brain) for fraction in (0.0, 0.25, 1.0)]
    assert found[0] + 0.02 < found[1]
    assert found[1] + 0.005 < found[2] < 1


def test_the_level_of_the_signal_does_not_matter(
    image: NDArray[np.float32], brain: NDArray[np.bool_]
) -> None:
    assert edge_evenness(300 * image, brain) == pytest.approx(edge_evenness(image, brain), abs=1e-5)
    assert finest_detail(300 * image, brain) == pytest.approx(finest_detail(image, brain), abs=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices_along_any_axis_take_detail(
    axis: int, image: NDArray[np.float32], brain: NDArray[np.bool_]
) -> None:
    found = [finest_detail(ndimage.uniform_filter1d(image, n, axis=axis), brain) for n in (1, 3, 5)]
    assert found[0] > found[1] > found[2]


def test_a_ramp_is_below_the_limit(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> None:
    ramp = np.add.outer(np.add.outer(*(np.arange(n) for n in SHAPE[:2])), np.arange(SHAPE[2]))
    assert finest_detail(ramp.astype(np.float32), brain) == pytest.approx(1 / 6)
    assert 1 / 6 < MIN_DETAIL < finest_detail(image, brain)


def test_what_cannot_be_measured_is_no_fault(image: NDArray[np.float32]) -> None:
    small = np.zeros(SHAPE, bool)
    small[20:24, 15:19, 10:14] = True
    assert image_fault(edge_evenness(image, small), finest_detail(image, small), 0.98) is None


def test_a_fault_says_the_number_and_the_limit() -> None:
    assert image_fault(0.98, MIN_DETAIL, 0.98) is None
    assert "(0.9840, more than 0.98)" in (image_fault(0.984, 1.0, 0.98) or "")
    assert f"less than {MIN_DETAIL}" in (image_fault(0.9, MIN_DETAIL - 0.05, 0.98) or "")
