"""The fitted field against that of ITK's N4, which is another implementation of the same paper."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from gliotype.prepare.n4 import fit_log_field

SHAPE = (23, 27, 21)


def phantom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two tissues under a field that rises to one side, a mask off the middle, and the logarithm of the field."""
    rng = np.random.default_rng(0)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    mask = (i - 0.1) ** 2 + j**2 + (k + 0.15) ** 2 < 0.7
    tissue = np.where(np.sin(7 * i) * np.sin(5 * j + 1) * np.cos(4 * k) > 0, 1.0, 0.6)
    log_field = 0.25 * i - 0.15 * j**2 + 0.1 * k
    image = tissue * np.exp(log_field) * (1 + 0.03 * rng.standard_normal(SHAPE))
    return image.astype(np.float32), mask, log_field


def by_itk(image: np.ndarray, mask: np.ndarray, iterations: int) -> np.ndarray:
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([iterations])
    source = sitk.GetImageFromArray(image)
    n4.Execute(source, sitk.GetImageFromArray(mask.astype(np.uint8)))
    return sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(source))


def test_the_field_is_that_of_itk() -> None:
    image, mask, _ = phantom()
    for iterations in (1, 40):
        found, expected = fit_log_field(image, mask, iterations), by_itk(image, mask, iterations)
        assert np.abs(expected[mask]).max() > (0.005 if iterations == 1 else 0.1)
        np.testing.assert_allclose(found[mask], expected[mask], atol=2e-4)


def test_the_field_is_that_of_the_phantom() -> None:
    image, mask, log_field = phantom()
    found = fit_log_field(image, mask, 40)
    assert np.corrcoef(found[mask], log_field[mask])[0, 1] > 0.97


def test_one_dark_voxel_does_not_move_the_field() -> None:
    image, mask, _ = phantom()
    dark = image.copy()
    dark[tuple(np.argwhere(mask)[200])] *= 0.01
    change = fit_log_field(dark, mask, 40) - fit_log_field(image, mask, 40)
    assert np.abs(change[mask]).max() < 0.03


def test_an_even_image_has_no_field() -> None:
    assert not fit_log_field(np.full(SHAPE, 5.0), np.ones(SHAPE, bool), 40).any()
