from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.measure.shape import SHAPE_UNITS, shape_features
from gliotype.volume import Volume


def on_grid(mask: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    return Volume(mask, np.diag([*spacing, 1.0]))


def random_blob() -> np.ndarray:
    noise = np.random.default_rng(1).random((23, 31, 17)) - 0.5
    smooth = ndimage.gaussian_filter(noise, (1.2, 2.0, 0.9))
    return smooth > smooth.std()


def random_noise() -> np.ndarray:
    return np.random.default_rng(1).random((9, 7, 8)) > 0.5


def solid(radii: tuple[float, float, float], spacing: tuple[float, float, float]) -> Volume:
    shape = tuple(2 * int(np.ceil(r / s)) + 5 for r, s in zip(radii, spacing, strict=True))
    empty = on_grid(np.zeros(shape, dtype=bool), spacing)
    away = (empty.grid.world() - empty.grid.centre) / np.array(radii)
    return empty.with_array((away**2).sum(axis=-1) < 1)


PYRADIOMICS_BLOB = {
    "Elongation": 0.37428818,
    "Flatness": 0.2119403761,
    "LeastAxisLength": 22.85341094,
    "MajorAxisLength": 107.8294347,
    "Maximum2DDiameterCoronal": 95.57347959,
    "Maximum2DDiameterSagittal": 99.15266008,
    "Maximum2DDiameterAxial": 39.43158632,
    "Maximum3DDiameter": 100.7732603,
    "MeshVolume": 10009.49812,
    "MinorAxisLength": 40.35928286,
    "Sphericity": 0.180356282,
    "SurfaceArea": 12453.58489,
    "VoxelVolume": 11211.255,
}
PYRADIOMICS_NOISE = {
    "Elongation": 0.8391745221,
    "Flatness": 0.7483479016,
    "LeastAxisLength": 7.94782506,
    "MajorAxisLength": 10.62049488,
    "Maximum2DDiameterCoronal": 11.40175425,
    "Maximum2DDiameterSagittal": 10.0,
    "Maximum2DDiameterAxial": 10.81665383,
    "Maximum3DDiameter": 12.88409873,
    "MeshVolume": 199.9583333,
    "MinorAxisLength": 8.912448717,
    "Sphericity": 0.2909707216,
    "SurfaceArea": 568.3220489,
    "VoxelVolume": 242.0,
}


@pytest.mark.parametrize(
    ("mask", "spacing", "expected"),
    [
        (random_blob(), (0.9, 1.1, 5.5), PYRADIOMICS_BLOB),
        (random_noise(), (1.0, 1.0, 1.0), PYRADIOMICS_NOISE),
    ],
    ids=["anisotropic blob", "noise"],
)
def test_random_masks_measure_as_in_pyradiomics_3_0_1(mask, spacing, expected):
    features = shape_features(on_grid(mask, spacing))
    assert list(features) == list(SHAPE_UNITS)
    assert features == pytest.approx(expected, rel=1e-8)


def test_digital_phantom_of_ibsi():
    """Reference values and tolerances of the IBSI manual (arXiv 1612.07003, morphological features).

    IBSI divides the covariance by n - 1, PyRadiomics (and we) by n.
    """
    mask = np.ones((5, 4, 4), dtype=bool)
    mask[0, 2, 1] = mask[2, 2, 2] = False
    mask[3:, 0, 2:] = False
    n = mask.sum()
    assert n == 74
    features = shape_features(on_grid(mask, (2.0, 2.0, 2.0)))
    assert features["MeshVolume"] == pytest.approx(556, abs=4)
    assert features["VoxelVolume"] == pytest.approx(592, abs=4)
    assert features["SurfaceArea"] == pytest.approx(388, abs=3)
    assert features["Sphericity"] == pytest.approx(0.843, abs=0.005)
    assert features["Maximum3DDiameter"] == pytest.approx(13.1, abs=0.1)
    ibsi = np.sqrt(n / (n - 1))
    assert ibsi * features["MajorAxisLength"] == pytest.approx(11.4, abs=0.1)
    assert ibsi * features["MinorAxisLength"] == pytest.approx(9.31, abs=0.06)
    assert ibsi * features["LeastAxisLength"] == pytest.approx(8.54, abs=0.05)
    assert features["Elongation"] == pytest.approx(0.816, abs=0.005)
    assert features["Flatness"] == pytest.approx(0.749, abs=0.005)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.0, 3.0)])
def test_ellipsoid(spacing):
    features = shape_features(solid((30.0, 20.0, 15.0), spacing))
    assert features["MeshVolume"] == pytest.approx(4 / 3 * np.pi * 30 * 20 * 15, rel=0.02)
    assert features["VoxelVolume"] == pytest.approx(4 / 3 * np.pi * 30 * 20 * 15, rel=0.02)
    # A solid ellipsoid has second moments r^2 / 5, so PyRadiomics' axis of 4 SD is 4 r / sqrt(5).
    assert features["MajorAxisLength"] == pytest.approx(4 * 30 / np.sqrt(5), rel=0.02)
    assert features["Elongation"] == pytest.approx(20 / 30, rel=0.03)
    assert features["Flatness"] == pytest.approx(15 / 30, rel=0.03)
    assert features["Maximum3DDiameter"] == pytest.approx(60, abs=1.5)
    assert features["Maximum2DDiameterAxial"] == pytest.approx(60, abs=1.5)
    assert features["Maximum2DDiameterCoronal"] == pytest.approx(60, abs=1.5)
    assert features["Maximum2DDiameterSagittal"] == pytest.approx(40, abs=1.5)


def test_ball_is_almost_a_sphere():
    # A mesh through the middles of voxel edges has facets: about 8 % more area than the sphere.
    features = shape_features(solid((20.0, 20.0, 20.0), (1.0, 1.0, 1.0)))
    assert features["SurfaceArea"] == pytest.approx(4 * np.pi * 20**2, rel=0.10)
    assert 0.90 < features["Sphericity"] < 1.0


def test_box():
    """Faces lie half a voxel outside the outer centres; edges and corners are bevelled."""
    mask = np.zeros((12, 10, 8), dtype=bool)
    mask[1:11, 1:9, 1:7] = True
    features = shape_features(on_grid(mask))
    edges = 4 * ((10 - 1) + (8 - 1) + (6 - 1))
    assert features["MeshVolume"] == pytest.approx(10 * 8 * 6 - edges / 8 - 8 * (1 / 8 - 1 / 48))
    faces = 2 * (9 * 7 + 9 * 5 + 7 * 5)
    assert features["SurfaceArea"] == pytest.approx(faces + edges * np.sqrt(0.5) + 8 * np.sqrt(3) / 8)
    assert features["Maximum2DDiameterAxial"] == pytest.approx(np.hypot(10, 7))


def test_planes_follow_the_patient_not_the_array():
    ras = solid((12.0, 8.0, 4.0), (1.0, 1.0, 1.0))
    transposed = Volume(ras.array.transpose(2, 0, 1)[::-1], ras.affine[:, [2, 0, 1, 3]] @ _flip_first(ras))
    expected, found = shape_features(ras), shape_features(transposed)
    assert transposed.grid.orientation != "RAS"
    assert found == pytest.approx(expected)
    assert expected["Maximum2DDiameterAxial"] > expected["Maximum2DDiameterSagittal"] + 3


def _flip_first(ras: Volume) -> np.ndarray:
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = ras.array.shape[2] - 1
    return flip


def test_empty_mask_has_no_shape():
    assert set(shape_features(on_grid(np.zeros((3, 3, 3), dtype=bool))).values()) == {None}


def test_volume_at_the_border_of_the_grid_is_whole():
    at_border, inside = np.ones((4, 3, 2), dtype=bool), np.pad(np.ones((4, 3, 2), dtype=bool), 2)
    assert shape_features(on_grid(at_border)) == pytest.approx(shape_features(on_grid(inside)))


def test_sphericity_hardly_depends_on_the_size_of_the_voxels() -> None:
    found = []
    for spacing in (1.0, 1.5):
        n = int(90 / spacing)
        x, y, z = (np.indices((n, n, n)) + 0.5) * spacing - 45
        bumps = 3 * np.sin(x / 4) * np.cos(y / 5) + 2 * np.sin(z / 3)
        inside = np.sqrt((x / 1.3) ** 2 + y**2 + (z / 0.8) ** 2) + bumps < 24
        found.append(shape_features(Volume(inside, np.diag([spacing] * 3 + [1.0])))["Sphericity"])
    assert found[0] == pytest.approx(found[1], abs=0.02)
    assert found[0] < 0.8, "the bumps show"
