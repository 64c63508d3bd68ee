from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.masks import dice
from gliotype.segment.appearance import Appearance
from gliotype.study import Sequence

SHAPE = (40, 36, 32)


@pytest.fixture
def truth() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[8:22, 10:26, 6:20] = True
    mask[22:27, 20:24, 10:14] = True  # a finger that a blurred network misses
    return mask


@pytest.fixture
def brain() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    return mask


def image(truth: np.ndarray, healthy: float, tumour: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 8, SHAPE)
    return (np.where(truth, tumour, healthy) + noise).astype(np.float32)


def blurred(truth: np.ndarray) -> np.ndarray:
    return np.clip(ndimage.gaussian_filter(truth.astype(np.float32), 2.5) * 1.1, 0, 1)


@pytest.mark.parametrize("scale", [0.01, 1.0, 500.0])
def test_borders_follow_the_image_whatever_its_scale(
    truth: np.ndarray, brain: np.ndarray, scale: float
) -> None:
    images = {
        Sequence.T1: scale * image(truth, 100, 80, 1),
        Sequence.FLAIR: scale * image(truth, 100, 150, 2),
    }
    soft = blurred(truth)
    sharp = Appearance.of(images, brain, 1.0).sharpen(soft)
    assert dice(sharp >= 0.5, truth) > max(0.97, dice(soft >= 0.5, truth) + 0.02)
    assert sharp.min() >= 0
    assert sharp.max() <= 1


def test_bright_tissue_far_away_is_not_added(truth: np.ndarray, brain: np.ndarray) -> None:
    far = np.zeros(SHAPE, bool)
    far[36:38, 30:33, 26:29] = True
    flair = image(truth | far, 100, 150, 3)
    sharp = Appearance.of({Sequence.FLAIR: flair}, brain, 3.0).sharpen(blurred(truth))
    assert (sharp[far] < 0.5).all()
    assert (sharp[~brain] <= blurred(truth)[~brain]).all()


def test_contrast_agent_alone_does_not_move_the_border(truth: np.ndarray, brain: np.ndarray) -> None:
    soft = blurred(truth)
    np.testing.assert_array_equal(
        Appearance.of({Sequence.T1C: image(truth, 1, 2, 0)}, brain, 1.0).sharpen(soft), soft
    )


def test_nothing_is_learnt_from_an_unsure_network(truth: np.ndarray, brain: np.ndarray) -> None:
    faint = 0.5 * blurred(truth)
    np.testing.assert_array_equal(
        Appearance.of({Sequence.T2: image(truth, 1, 2, 0)}, brain, 1.0).sharpen(faint), faint
    )
