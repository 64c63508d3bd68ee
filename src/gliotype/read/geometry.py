"""Make the grid of an image rectangular and even: gantry-tilted stacks, skewed affines, uneven slices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.errors import GeometryError
from gliotype.read.limits import refuse_more_voxels
from gliotype.volume import Array, Grid, Volume

MAX_SKEW_MM = 0.5
"""A skewed grid is resampled if calling it rectangular would move a voxel by more than this."""


MIN_VOXEL_MM, MAX_VOXEL_MM = 0.05, 25.0
"""Edge of a voxel."""
MIN_EXTENT_MM, MAX_EXTENT_MM = 40.0, 800.0
"""Longest edge of an image."""
MAX_OFFSET_MM = 10_000.0
"""Distance of an image from the origin of its coordinates."""
MAX_TILT_DEG = 60.0
"""Angle by which the axes of an image may deviate from right angles."""

_LOST = (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0]))
"""What NIfTI and ITK programs write where they were given no geometry."""


def refuse_implausible(grid: Grid, source: str) -> None:
    """Refuse a grid that no scan of a head can have.

    Args:
        grid: of an image or mask.
        source: its name in the message.

    Raises:
        GeometryError: if voxels, extent, position or angles are beyond the limits above, or the affine is the
            identity, which means that the geometry was lost.

    Example:
        >>> refuse_implausible(Grid((180, 220, 24), np.diag([900.0, 900.0, 5500.0, 1.0])), "T1.nii")
        Traceback (most recent call last):
        gliotype.errors.GeometryError: T1.nii: its voxels measure 900 x 900 x 5500 mm, where 0.05 to 25 mm are \
plausible: check the unit of length in its header, or convert it again from DICOM
    """
    edges = np.linalg.norm(grid.affine[:3, :3], axis=0)
    extent = edges * grid.shape
    if not ((edges >= MIN_VOXEL_MM) & (edges <= MAX_VOXEL_MM)).all():
        raise GeometryError(
            f"{source}: its voxels measure {' x '.join(f'{edge:.4g}' for edge in edges)} mm, where "
            f"{MIN_VOXEL_MM:g} to {MAX_VOXEL_MM:g} mm are plausible: "
            "check the unit of length in its header, or convert it again from DICOM"
        )
    if not MIN_EXTENT_MM <= extent.max() <= MAX_EXTENT_MM:
        raise GeometryError(
            f"{source}: it measures {' x '.join(f'{length:.4g}' for length in extent)} mm, where a head needs "
            f"{MIN_EXTENT_MM:g} to {MAX_EXTENT_MM:g} mm along its longest edge: convert it again from DICOM"
        )
    if any(np.allclose(grid.affine, lost, rtol=0, atol=1e-6) for lost in _LOST):
        raise GeometryError(
            f"{source}: its affine is the identity, which programs write where the geometry was lost, so voxel "
            "sizes and sides are unknown: convert it again from DICOM, or give a file with its affine"
        )
    if np.abs(grid.affine[:3, 3]).max() > MAX_OFFSET_MM:
        raise GeometryError(
            f"{source}: it lies more than {MAX_OFFSET_MM / 1000:g} m from the origin of its coordinates: "
            "convert it again from DICOM"
        )
    directions = grid.affine[:3, :3] / edges
    cosines = np.abs(directions.T @ directions - np.eye(3))
    if cosines.max() > np.sin(np.radians(MAX_TILT_DEG)):
        raise GeometryError(
            f"{source}: its axes deviate by more than {MAX_TILT_DEG:g} degrees from right angles: "
            "convert it again from DICOM"
        )


def skew_mm(grid: Grid) -> float:
    """Tell how far the farthest voxel lies from where a grid with right angles would put it.

    Example:
        >>> tilted = np.eye(4); tilted[1, 2] = 0.2
        >>> round(skew_mm(Grid((10, 10, 11), tilted)), 6)
        2.0
    """
    _, steps = _right_angles(grid)
    sideways = (steps - np.diag(np.diag(steps))) * (np.array(grid.shape) - 1)
    return float(np.linalg.norm(np.abs(sideways).sum(axis=1)))


def rectangular_grid(grid: Grid) -> Grid:
    """Return the rectangular grid that covers one whose axes are not at right angles (see `deskew`).

    It is the same object if its skew is within `MAX_SKEW_MM`.
    """
    if skew_mm(grid) <= MAX_SKEW_MM:
        return grid
    directions, steps = _right_angles(grid)
    spacing = np.diag(steps)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.shape) - 1)
    reached = corners @ steps.T / spacing
    low = np.floor(reached.min(axis=0) + 1e-6)
    i, j, k = (int(n) for n in np.ceil(reached.max(axis=0) - 1e-6) - low + 1)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = grid.affine[:3, 3] + affine[:3, :3] @ low
    return Grid((i, j, k), affine)


def deskew(volume: Volume) -> Volume:
    """Resample an image whose axes are not at right angles onto a rectangular grid that covers it.

    The first axis keeps its direction, the second is turned into a right angle with it, the third
    becomes their normal. In a gantry-tilted stack, whose slices are shifted in their own plane, only
    the plane is interpolated.

    Args:
        volume: 3D or 4D.

    Returns:
        The image; float32 if it had to be resampled, the same object if its skew is within `MAX_SKEW_MM`.

    Raises:
        InputError: if the rectangular grid would hold more voxels than the limit.
    """
    grid, rectangular = volume.grid, rectangular_grid(volume.grid)
    if rectangular is grid:
        return volume
    refuse_more_voxels(
        "the image, resampled onto a rectangular grid,", (*rectangular.shape, *volume.array.shape[3:])
    )
    old_from_new = np.linalg.inv(grid.affine) @ rectangular.affine
    array = _per_frame(
        volume.array,
        lambda image: ndimage.affine_transform(
            image,
            old_from_new[:3, :3],
            old_from_new[:3, 3],
            output_shape=rectangular.shape,
            order=1,
            mode="grid-constant",
        ),
    )
    return Volume(array, rectangular.affine)


def resample_evenly(array: Array, positions_mm: NDArray[np.float64]) -> tuple[Array, NDArray[np.float64]]:
    """Interpolate slices at uneven positions onto even ones, linearly along the third axis.

    Args:
        array: (i, j, k) or (i, j, k, t).
        positions_mm: ascending position of each slice.

    Returns:
        The array with evenly spaced slices, float32, and their positions; the spacing is the median
        of the given gaps, adjusted so that the first and the last slice stay where they are.

    Example:
        >>> slices, positions = resample_evenly(np.array([[[0.0, 1.0, 2.0, 4.0]]]), np.array([0.0, 5.0, 10.0, 20.0]))
        >>> slices[0, 0].tolist(), positions.tolist()
        ([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 10.0, 15.0, 20.0])
    """
    length = positions_mm[-1] - positions_mm[0]
    count = int(np.round(length / np.median(np.diff(positions_mm)))) + 1
    even = np.linspace(positions_mm[0], positions_mm[-1], count)
    upper = np.clip(np.searchsorted(positions_mm, even), 1, len(positions_mm) - 1)
    weight = (even - positions_mm[upper - 1]) / (positions_mm[upper] - positions_mm[upper - 1])
    weight = weight.reshape((1, 1, -1) + (1,) * (array.ndim - 3)).astype(np.float32)
    below = array[:, :, upper - 1].astype(np.float32)
    return below + weight * (array[:, :, upper].astype(np.float32) - below), even


def _right_angles(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return orthonormal directions near the grid's axes (columns), and its voxel steps along them."""
    axes = grid.affine[:3, :3]
    first = axes[:, 0] / np.linalg.norm(axes[:, 0])
    second = axes[:, 1] - (axes[:, 1] @ first) * first
    second = second / np.linalg.norm(second)
    third = np.cross(first, second)
    third = third * np.sign(third @ axes[:, 2])
    directions = np.stack([first, second, third], axis=1)
    return directions, directions.T @ axes


def _per_frame(array: Array, change: Callable[[Array], Array]) -> Array:
    """Apply a change to a 3D image, or to each frame of a 4D one, as float32."""
    array = array.astype(np.float32)
    if array.ndim == 3:
        return change(array)
    return np.stack([change(array[..., t]) for t in range(array.shape[3])], axis=-1)
