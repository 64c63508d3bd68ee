"""Geometry that must hold for every affine: flips, permutations, oblique and anisotropic grids."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from conftest import oblique_affine
from gliotype.errors import GeometryError
from gliotype.volume import Grid, Volume, lps_from_ras, sitk_transform, volume_from_sitk

angles = st.tuples(*[st.floats(-40, 40)] * 3)
spacings = st.tuples(*[st.floats(0.4, 7.0)] * 3)
offsets = st.tuples(*[st.floats(-150, 150)] * 3)
ORIENTATIONS = [
    nib.orientations.inv_ornt_aff(np.stack([axes, flips], axis=1), (7, 8, 9))
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Affines of any axis order and handedness, oblique by up to 40 degrees about each axis."""
    affine = oblique_affine(draw(spacings), draw(angles))
    affine = affine @ draw(st.sampled_from(ORIENTATIONS))
    affine[:3, 3] = draw(offsets)
    return affine


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Small volumes in which every voxel differs from all others."""
    shape = draw(st.tuples(*[st.integers(2, 7)] * 3))
    return Volume(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), draw(affines()))


def values_by_place(volume: Volume) -> dict[tuple[float, ...], float]:
    """Values by their world coordinates, to a hundredth of a millimetre."""
    places = (volume.grid.world().reshape(-1, 3) * 100).round().astype(int)
    return {tuple(place): float(value) for place, value in zip(places, volume.array.reshape(-1), strict=True)}


@given(volumes())
def test_as_ras_moves_no_voxel(volume: Volume) -> None:
    turned = volume.as_ras()
    assert turned.grid.orientation == "RAS"
    before, after = values_by_place(volume), values_by_place(turned)
    for place, value in before.items():
        near = [p for p in itertools.product(*[(n - 1, n, n + 1) for n in place]) if p in after]
        assert [after[p] for p in near] == [value]


@given(volumes())
def test_as_ras_twice_changes_nothing(volume: Volume) -> None:
    once = volume.as_ras()
    twice = once.as_ras()
    np.testing.assert_array_equal(once.array, twice.array)
    np.testing.assert_allclose(once.affine, twice.affine)


@given(affines())
def test_as_ras_keeps_time_last(affine: np.ndarray) -> None:
    array = np.arange(3 * 4 * 5 * 2, dtype=np.float32).reshape(3, 4, 5, 2)
    turned = Volume(array, affine).as_ras()
    for t in range(2):
        np.testing.assert_array_equal(turned.array[..., t], Volume(array[..., t], affine).as_ras().array)


@given(volumes())
def test_simpleitk_and_back(volume: Volume) -> None:
    again = volume_from_sitk(volume.to_sitk())
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.same_as(volume.grid, 1e-6)


@given(volumes(), st.data())
def test_simpleitk_puts_voxels_at_the_same_place(volume: Volume, data: st.DataObject) -> None:
    index = tuple(data.draw(st.integers(0, n - 1)) for n in volume.grid.shape)
    image = volume.to_sitk()
    lps = image.TransformIndexToPhysicalPoint(index)
    ras = nib.affines.apply_affine(volume.affine, index)
    np.testing.assert_allclose(lps, ras * [-1, -1, 1], atol=1e-6)
    assert image.GetPixel(index) == volume.array[index]


@given(affines())
def test_slightly_skewed_axes_reach_simpleitk_almost_unmoved(affine: np.ndarray) -> None:
    skewed = affine.copy()
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    skewed[:3, 0] += 1e-3 * lengths[0] * affine[:3, 1] / lengths[1]
    volume = Volume(np.zeros((20, 20, 20), np.float32), skewed)
    farthest = 1e-3 * 20 * lengths.max()
    assert volume_from_sitk(volume.to_sitk()).grid.same_as(volume.grid, farthest)


@given(volumes(), st.sampled_from([0, 1]))
def test_resampling_onto_its_own_grid_is_the_identity(volume: Volume, order: int) -> None:
    again = volume.resample(volume.grid, order=order)
    np.testing.assert_allclose(again.array, volume.array, atol=1e-3)
    assert again.grid.same_as(volume.grid)


def linear_pattern(grid: Grid, gradient: np.ndarray) -> Volume:
    """Values that grow linearly in world space: what linear interpolation must reproduce exactly."""
    return Volume((grid.world() @ gradient + 300.0).astype(np.float32), grid.affine)


@settings(deadline=None)
@given(affines(), st.tuples(*[st.floats(-1, 1)] * 3), angles)
def test_linear_resampling_reads_the_world(
    affine: np.ndarray, gradient: tuple[float, ...], turn: tuple[float, ...]
) -> None:
    source = linear_pattern(Grid((12, 13, 14), affine), np.array(gradient))
    spacing = float(min(source.grid.spacing)) * 0.8
    inner = oblique_affine((spacing,) * 3, turn)  # type: ignore[arg-type]
    inner[:3, 3] = source.grid.centre - inner[:3, :3] @ [2, 2, 2]
    grid = Grid((5, 5, 5), inner)
    expected = linear_pattern(grid, np.array(gradient)).array
    found = source.resample(grid, antialias=False).array
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_a_vanishing_direction_cosine_does_not_empty_the_image() -> None:
    affine = np.eye(4)
    affine[0, :3] = [4.04024520e-001, -1.01732144e-305, 4.24646882e-002]
    affine[1, :3] = [4.11022808e-306, 1.0, 4.32002380e-307]
    affine[2, :3] = [-4.24646882e-002, 0.0, 4.04024520e-001]
    volume = Volume(np.full((12, 13, 14), 300.0, np.float32), affine)
    inner = np.diag([0.2, 0.2, 0.2, 1.0])
    inner[:3, 3] = volume.grid.centre - 0.3
    grid = Grid((4, 4, 4), inner)
    np.testing.assert_allclose(volume.resample(grid, antialias=False).array, 300.0)


@settings(deadline=None)
@given(affines(), angles, offsets)
def test_resampling_through_a_transform_reads_the_moved_place(
    affine: np.ndarray, turn: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    gradient = np.array([0.3, -0.7, 0.5])
    source = linear_pattern(Grid((12, 13, 14), affine), gradient)
    source_from_target = oblique_affine((1.0, 1.0, 1.0), turn)  # type: ignore[arg-type]
    source_from_target[:3, 3] = shift
    middle = nib.affines.apply_affine(np.linalg.inv(source_from_target), source.grid.centre)
    target = np.diag([*[0.5 * min(source.grid.spacing)] * 3, 1.0])
    target[:3, 3] = middle - target[:3, :3] @ [1.5, 1.5, 1.5]
    grid = Grid((4, 4, 4), target)
    expected = nib.affines.apply_affine(source_from_target, grid.world()) @ gradient + 300.0
    found = source.resample(grid, source_from_target, antialias=False).array
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(ORIENTATIONS), st.sampled_from([0, 1, 3]))
def test_voxel_order_does_not_matter_to_resampling(orientation: np.ndarray, order: int) -> None:
    affine = oblique_affine((0.9, 1.1, 4.0), (8.0, -5.0, 12.0))
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(100, 50, (14, 15, 9)), 1.0)
    volume = Volume(smooth.astype(np.float32), affine)
    ornt = nib.orientations.io_orientation(orientation)
    array = nib.orientations.apply_orientation(volume.array, ornt)
    stored = Volume(array, affine @ nib.orientations.inv_ornt_aff(ornt, volume.array.shape))
    grid = volume.grid.bounding(1.5)
    np.testing.assert_allclose(
        stored.resample(grid, order=order).array, volume.resample(grid, order=order).array, atol=2e-2
    )
    np.testing.assert_array_equal(stored.as_ras().array, volume.as_ras().array)


def test_a_flip_of_left_and_right_is_noticed(phantom: Volume) -> None:
    flipped = phantom.with_array(phantom.array[::-1].copy())
    grid = phantom.grid.bounding(4.0)
    difference = np.abs(phantom.resample(grid).array - flipped.resample(grid).array)
    assert difference.max() > 50


def test_the_larger_ball_of_the_phantom_lies_to_the_right_and_in_front(phantom: Volume) -> None:
    ras = phantom.as_ras()
    place = np.argwhere(ras.array == 180.0).mean(axis=0)
    offset = nib.affines.apply_affine(ras.affine, place) - phantom.grid.centre
    np.testing.assert_allclose(offset, [30.0, 20.0, 10.0], atol=2.5)


def test_antialiasing_keeps_the_mean_of_a_checkerboard() -> None:
    board = (np.indices((24, 24, 24)).sum(axis=0) % 2 * 100.0).astype(np.float32)
    fine = Volume(board, np.eye(4))
    coarse = fine.resample(fine.grid.bounding(4.0)).array[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(coarse, 50.0, atol=3.0)


def test_labels_keep_their_type_and_values() -> None:
    labels = Volume(
        np.random.default_rng(0).integers(0, 4, (8, 9, 7)).astype(np.uint8), np.diag([2.0, 2, 3, 1])
    )
    moved = labels.resample(labels.grid.bounding(1.0), order=0).array
    assert moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 1, 2, 3}


@given(affines(), st.floats(0.5, 4.0))
def test_a_bounding_grid_holds_every_voxel(affine: np.ndarray, spacing: float) -> None:
    grid = Grid((4, 5, 6), affine)
    around = grid.bounding(spacing)
    assert around.orientation == "RAS"
    index = nib.affines.apply_affine(np.linalg.inv(around.affine), grid.world()).reshape(-1, 3)
    assert (index > -0.51).all()
    assert (index < np.array(around.shape) - 0.49).all()


@given(affines())
def test_voxel_volume_is_that_of_the_affine(affine: np.ndarray) -> None:
    grid = Grid((3, 3, 3), affine)
    assert grid.voxel_ml == pytest.approx(np.prod(grid.spacing) / 1000.0, rel=1e-4, abs=1e-8)


@given(affines())
def test_lps_and_ras_are_each_others_inverse(affine: np.ndarray) -> None:
    np.testing.assert_allclose(lps_from_ras(lps_from_ras(affine)), affine)
    point = np.array([3.0, -4.0, 5.0])
    ras = nib.affines.apply_affine(affine, point)
    lps = sitk_transform(affine).TransformPoint((point * [-1, -1, 1]).tolist())
    np.testing.assert_allclose(lps, ras * [-1, -1, 1], atol=1e-6)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_voxel_without_volume_is_refused(column: int) -> None:
    affine = np.eye(4)
    affine[:, column] = 0.0
    with pytest.raises(GeometryError, match="singular"):
        Grid((3, 3, 3), affine)


def test_nonsense_is_refused() -> None:
    with pytest.raises(GeometryError, match="not a finite 4 x 4"):
        Grid((3, 3, 3), np.full((4, 4), np.nan))
    with pytest.raises(GeometryError, match="2 axes where 3"):
        Volume(np.zeros((3, 3)), np.eye(4))
    with pytest.raises(GeometryError, match="does not fit the grid"):
        Volume(np.zeros((3, 3, 3)), np.eye(4)).with_array(np.zeros((3, 3, 4)))


def test_values_cannot_be_changed_in_place() -> None:
    volume = Volume(np.zeros((3, 3, 3)), np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        volume.affine[0, 0] = 2


def test_masks_reach_simpleitk_as_bytes() -> None:
    image = Volume(np.ones((2, 3, 4), bool), np.eye(4)).to_sitk()
    assert image.GetPixelID() == sitk.sitkUInt8
    assert image.GetSize() == (2, 3, 4)


def test_a_cropped_volume_stays_where_it_was() -> None:
    volume = Volume(
        np.random.default_rng(0).random((9, 8, 7)), oblique_affine((1.0, 2.0, 3.0), (5.0, -4.0, 3.0))
    )
    box = (slice(2, 6), slice(1, 8), slice(None, 5))
    part = volume.cropped(box)
    np.testing.assert_array_equal(part.array, volume.array[box])
    np.testing.assert_allclose(part.grid.world(), volume.grid.world()[box])


def test_a_few_slices_are_read_from_a_large_image_as_from_the_whole() -> None:
    """What lies out of reach of the new grid is left out; coarser slices through it are smoothed all the same."""
    large = Volume(
        np.random.default_rng(0).random((60, 70, 80)).astype(np.float32),
        oblique_affine((1.0, 1.0, 1.0), (0, 0, 0)),
    )
    few = Grid((50, 40, 2), large.affine @ np.diag([1.3, 1.6, 3.0, 1.0]))
    inner = large.cropped(large.box_for(few))
    assert inner.array.size < large.array.size / 2
    near = large.cropped((slice(None), slice(None), slice(0, 20)))  # so little that nothing is left out of it
    np.testing.assert_allclose(large.resample(few).array, near.resample(few).array, atol=1e-5)
    apart = few.affine.copy()
    apart[:3, 3] += 1000.0
    assert not np.asarray(large.resample(Grid(few.shape, apart)).array).any()


def test_zeros_around_an_image_change_nothing_when_it_is_resampled() -> None:
    rng = np.random.default_rng(3)
    oblique = np.eye(4)
    oblique[:3, :3] = Rotation.from_euler("xyz", [0.3, -0.2, 0.5]).as_matrix() @ np.diag([1.0, 0.8, 3.0])
    oblique[:3, 3] = [4.0, -7.0, 11.0]
    small = Volume(rng.random((6, 9, 5)).astype(np.float32), oblique)
    padded = np.pad(np.asarray(small.array), ((20, 14), (0, 30), (9, 11)))
    shifted = oblique.copy()
    shifted[:3, 3] -= oblique[:3, :3] @ [20, 0, 9]
    grid = small.grid.bounding(2.0).bounding(1.0)
    wide = Grid(
        (60, 50, 70), grid.affine @ np.array([[1, 0, 0, -20], [0, 1, 0, -15], [0, 0, 1, -30], [0, 0, 0, 1]])
    )
    found = np.asarray(Volume(padded, shifted).resample(wide, antialias=False).array)
    index = nib.affines.apply_affine(np.linalg.inv(shifted) @ wide.affine, np.argwhere(np.ones(wide.shape)))
    expected = ndimage.map_coordinates(padded, index.T, order=1, prefilter=False).reshape(wide.shape)
    well_inside = np.all((index > 0.5) & (index < np.array(padded.shape) - 1.5), axis=1).reshape(wide.shape)
    assert found[well_inside].any()
    np.testing.assert_allclose(found[well_inside], expected[well_inside], atol=1e-5)
    assert not Volume(np.zeros((4, 5, 6), np.float32), oblique).resample(wide).array.any()
