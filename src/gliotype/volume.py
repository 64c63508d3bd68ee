"""An image in the patient's space, and the only place where RAS and LPS meet.

World coordinates are RAS+ in millimetres everywhere in Gliotype (x to the patient's right, y to
anterior, z to superior), as in NIfTI. SimpleITK and DICOM use LPS+; the conversion lives in
`Volume.to_sitk`, `volume_from_sitk` and `lps_from_ras` alone.

A *transform* is a 4 x 4 matrix that maps world coordinates (mm) of one space to another's. It is named
`b_from_a`: ``b_from_a @ [x_a, y_a, z_a, 1]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.errors import GeometryError

Array = NDArray[Any]
Matrix = NDArray[np.floating[Any]]
Box = tuple[slice, slice, slice]

LPS_FROM_RAS: Matrix = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid in the patient's space.

    Attributes:
        shape: voxels along the three axes.
        affine: 4 x 4, voxel index (i, j, k, 1) to RAS+ millimetres.

    Raises:
        GeometryError: if the affine is not finite or is singular.

    Example:
        >>> grid = Grid((10, 20, 30), np.diag([0.5, 0.5, 6.0, 1.0]))
        >>> grid.spacing
        (0.5, 0.5, 6.0)
        >>> grid.voxel_ml
        0.0015
    """

    shape: tuple[int, int, int]
    affine: Matrix

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("the affine is not a finite 4 x 4 matrix: convert the series again")
        if _is_singular(affine):
            raise GeometryError("the affine is singular (a voxel without volume): convert the series again")

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each axis, in mm."""
        x, y, z = (float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0).round(6))
        return x, y, z

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])).round(9)) / 1000.0

    @property
    def orientation(self) -> str:
        """Closest anatomical directions of the axes, for example ``"RAS"``."""
        return "".join(nib.aff2axcodes(self.affine))

    @property
    def centre(self) -> NDArray[np.float64]:
        """World coordinates (RAS mm) of the middle of the grid."""
        middle = (np.array(self.shape) - 1) / 2
        return np.asarray(nib.affines.apply_affine(self.affine, middle))

    def world(self) -> NDArray[np.float64]:
        """World coordinates of every voxel, shape ``(*shape, 3)``, RAS mm."""
        i, j, k = (np.arange(n)[:, None] * self.affine[:3, axis] for axis, n in enumerate(self.shape))
        return np.asarray(i[:, None, None] + j[None, :, None] + (k + self.affine[:3, 3])[None, None, :])

    def same_as(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Determine whether both grids put every voxel at the same place, within a tolerance."""
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (
            np.array(self.shape) - 1
        )
        distances = nib.affines.apply_affine(self.affine, corners) - nib.affines.apply_affine(
            other.affine, corners
        )
        return bool(np.abs(distances).max() <= tolerance_mm)

    def part(self, box: Box) -> Grid:
        """Return a box of voxels of this grid as a grid of its own.

        Example:
            >>> part = Grid((4, 4, 4), np.eye(4)).part((slice(1, 4), slice(2, 4), slice(0, 4)))
            >>> part.shape, part.affine[:3, 3].tolist()
            ((3, 2, 4), [1.0, 2.0, 0.0])
        """
        affine = self.affine.copy()
        affine[:3, 3] = nib.affines.apply_affine(affine, [along.start for along in box])
        i, j, k = (along.stop - along.start for along in box)
        return Grid((i, j, k), affine)

    def bounding(self, spacing_mm: float, world_from_self: Matrix | None = None) -> Grid:
        """Return the axis-aligned RAS+ grid of one spacing that covers this one.

        Args:
            spacing_mm: isotropic spacing of the new grid.
            world_from_self: transform applied to this grid's world coordinates first.
        """
        affine = self.affine if world_from_self is None else world_from_self @ self.affine
        edges = (
            np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * np.array(self.shape) - 0.5
        )
        points = nib.affines.apply_affine(affine, edges)
        low, high = points.min(axis=0), points.max(axis=0)
        size = np.maximum(1, np.ceil((high - low) / spacing_mm - 1e-3).astype(int))
        new = np.diag([spacing_mm] * 3 + [1.0])
        new[:3, 3] = (low + high) / 2 - (size - 1) / 2 * spacing_mm
        return Grid(tuple(size), new)


@dataclass(frozen=True, eq=False)
class Volume:
    """An array and its place in the patient.

    Attributes:
        array: (i, j, k), or (i, j, k, t) for a time series.
        affine: 4 x 4, voxel index to RAS+ millimetres.

    Raises:
        GeometryError: if the array has fewer than three axes, or the affine is singular.

    Example:
        >>> volume = Volume(np.zeros((4, 4, 2)), np.diag([1.0, 1.0, 5.0, 1.0]))
        >>> volume.grid.spacing, volume.grid.orientation
        ((1.0, 1.0, 5.0), 'RAS')
    """

    array: Array
    affine: Matrix

    def __post_init__(self) -> None:
        if self.array.ndim not in (3, 4):
            raise GeometryError(f"an image has {self.array.ndim} axes where 3 (or 4 with time) are due")
        view = self.array.view()
        view.flags.writeable = False
        object.__setattr__(self, "array", view)
        object.__setattr__(self, "affine", self.grid.affine)

    @cached_property
    def grid(self) -> Grid:
        """The voxel grid on which the array lies."""
        i, j, k = self.array.shape[:3]
        return Grid((i, j, k), self.affine)

    def with_array(self, array: Array) -> Volume:
        """Put another array of the same spatial shape at the same place."""
        if array.shape[:3] != self.array.shape[:3]:
            raise GeometryError(
                f"shape {array.shape[:3]} does not fit the grid of shape {self.array.shape[:3]}"
            )
        return Volume(array, self.affine)

    def cropped(self, box: Box) -> Volume:
        """Keep a box of voxels where they are.

        Example:
            >>> volume = Volume(np.arange(27).reshape(3, 3, 3), np.diag([1.0, 1.0, 5.0, 1.0]))
            >>> last = volume.cropped((slice(0, 1), slice(0, 1), slice(2, 3)))
            >>> int(last.array[0, 0, 0]), float(last.affine[2, 3])
            (2, 10.0)
        """
        first = [along.indices(size)[0] for along, size in zip(box, self.array.shape[:3], strict=True)]
        affine = self.affine.copy()
        affine[:3, 3] = nib.affines.apply_affine(affine, first)
        return Volume(self.array[box], affine)

    def as_ras(self) -> Volume:
        """Reorder and flip axes so that they run closest to right, anterior, superior; no resampling."""
        ornt = nib.orientations.io_orientation(self.affine)
        array = nib.orientations.apply_orientation(self.array, ornt)
        affine = self.affine @ nib.orientations.inv_ornt_aff(ornt, self.array.shape[:3])
        return Volume(np.ascontiguousarray(array), affine)

    def resample(
        self,
        grid: Grid,
        self_from_grid: Matrix | None = None,
        *,
        order: int = 1,
        outside: float = 0.0,
        antialias: bool = True,
    ) -> Volume:
        """Read this image at the voxels of another grid.

        Args:
            grid: where values are wanted.
            self_from_grid: maps world coordinates of `grid` to world coordinates of this image
                (RAS mm); None for the same space.
            order: 0 nearest (labels), 1 linear, 3 cubic B-spline.
            outside: value where this image has none.
            antialias: smooth first along axes that the new grid samples more coarsely (order > 0).

        Returns:
            A volume on `grid`; float32, or the own type for order 0.

        Example:
            >>> fine = Volume(np.arange(8.0).reshape(2, 2, 2), np.eye(4))
            >>> grid = Grid((1, 1, 1), np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1.0]]))
            >>> float(fine.resample(grid).array[0, 0, 0])
            7.0
        """
        sigma = self._smoothing_for(grid) if antialias and order > 0 else np.zeros(3)
        if order == 1 and outside == 0:
            within = self._box_reached(grid, self_from_grid, sigma)
            if _voxels(within) < _WORTH_LESS * np.prod(grid.shape):
                array = np.zeros(grid.shape, np.float32)
                if _voxels(within):
                    array[within] = self._read(grid.part(within), self_from_grid, order, outside, sigma)
                return Volume(array, grid.affine)
        return Volume(self._read(grid, self_from_grid, order, outside, sigma), grid.affine)

    def _read(
        self,
        grid: Grid,
        self_from_grid: Matrix | None,
        order: int,
        outside: float,
        sigma: NDArray[np.float64],
    ) -> Array:
        """Smooth this image and interpolate it at every voxel of a grid."""
        source = self._part_read(grid, self_from_grid, sigma) if order == 1 else self
        if order == 0:  # where two voxels are equally near, rounding decides, which is left as it is
            image, reference = self.to_sitk(), _empty_sitk(grid.shape, grid.affine)
        else:
            image = source._smoothed(sigma)._to_sitk_as_stored(np.float32)
            reference = _empty_sitk(grid.shape[::-1], grid.affine[:, _REVERSED])
        interpolator = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}[order]
        resampled = sitk.Resample(image, reference, sitk_transform(self_from_grid), interpolator, outside)
        array: Array = sitk.GetArrayFromImage(resampled)
        if order > 0:
            return array
        return np.ascontiguousarray(array.transpose(2, 1, 0)).astype(self.array.dtype, copy=False)

    def _box_reached(self, grid: Grid, self_from_grid: Matrix | None, sigma: NDArray[np.float64]) -> Box:
        """Box of the voxels of a grid beyond which this image, resampled linearly, is 0 as far as its zeros tell."""
        signal = _box_of_signal(self.array)
        if not _voxels(signal):
            return signal
        reach = 1 + np.ceil(_TRUNCATE * sigma)
        ends = [(s.start - r, s.stop - 1 + r) for s, r in zip(signal, reach, strict=True)]
        corners = np.array([*product(*ends)])
        affine = grid.affine if self_from_grid is None else self_from_grid @ grid.affine
        index = nib.affines.apply_affine(np.linalg.inv(affine) @ self.affine, corners)
        low = np.clip(np.floor(index.min(axis=0)), 0, grid.shape).astype(int)
        high = np.clip(np.ceil(index.max(axis=0)) + 1, low, grid.shape).astype(int)
        i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return i, j, k

    def _smoothing_for(self, grid: Grid) -> NDArray[np.float64]:
        """Standard deviations in voxels that remove detail finer than `grid` can hold, axis by axis."""
        directions = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        target = np.abs(np.linalg.inv(grid.affine[:3, :3]) @ directions)
        coarse = 1.0 / np.maximum(np.linalg.norm(target, axis=0), 1e-9)
        sigma = 0.42 * np.sqrt(np.maximum((coarse / np.array(self.grid.spacing)) ** 2 - 1.0, 0.0))
        return np.where(sigma < 0.3, 0.0, sigma)

    def _smoothed(self, sigma: NDArray[np.float64]) -> Volume:
        if not sigma.any():
            return self
        smooth = ndimage.gaussian_filter(self.array.astype(np.float32), sigma, truncate=_TRUNCATE)
        return Volume(smooth, self.affine)

    def box_for(self, grid: Grid, self_from_grid: Matrix | None = None) -> Box:
        """Box of the voxels that count when this image is resampled linearly; one voxel at least."""
        return self._box_read(grid, self_from_grid, self._smoothing_for(grid))

    def _box_read(self, grid: Grid, self_from_grid: Matrix | None, sigma: NDArray[np.float64]) -> Box:
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (
            np.array(grid.shape) - 1
        )
        affine = grid.affine if self_from_grid is None else self_from_grid @ grid.affine
        index = nib.affines.apply_affine(np.linalg.inv(self.affine) @ affine, corners)
        reach = 2 + np.ceil(_TRUNCATE * sigma)
        last = np.array(self.array.shape[:3]) - 1
        low = np.clip(np.floor(index.min(axis=0)) - reach, 0, last).astype(int)
        high = np.clip(np.ceil(index.max(axis=0)) + reach, low, last).astype(int) + 1
        i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return i, j, k

    def _part_read(self, grid: Grid, self_from_grid: Matrix | None, sigma: NDArray[np.float64]) -> Volume:
        """Leave out what a resampling does not read, where that is most of the image."""
        part = self.cropped(self._box_read(grid, self_from_grid, sigma))
        return part if 2 * part.array.size < self.array.size else self

    def to_sitk(self, dtype: type[np.generic] | None = None) -> sitk.Image:
        """Convert to a SimpleITK image (LPS). Slightly skewed axes are made orthonormal, as ITK demands."""
        image = sitk.GetImageFromArray(_plain(self.array.transpose(2, 1, 0), dtype))
        _set_sitk_geometry(image, self.affine)
        return image

    def _to_sitk_as_stored(self, dtype: type[np.generic] | None) -> sitk.Image:
        """Convert to a SimpleITK image whose axes run as they lie in memory, so that nothing is rearranged."""
        if self.array.flags.f_contiguous:
            return self.to_sitk(dtype)
        image = sitk.GetImageFromArray(_plain(self.array, dtype))
        _set_sitk_geometry(image, self.affine[:, _REVERSED])
        return image


_WORTH_LESS = 0.75
"""Fraction of a grid; where an image reaches less of it, the rest is not interpolated."""


def _voxels(box: Box) -> int:
    return math.prod(along.stop - along.start for along in box)


def _box_of_signal(array: Array) -> Box:
    """Box around what is not 0; empty where nothing is. An image with signal at all its faces is not searched."""
    box = [slice(0, size) for size in array.shape[:3]]
    if all(array.take(end, axis).any() for axis in range(3) for end in (0, -1)):
        return box[0], box[1], box[2]
    signal = array != 0
    for axis in range(3):
        part = signal[tuple(box)]
        along = np.flatnonzero(part.any(axis=tuple({0, 1, 2} - {axis})))
        if not along.size:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        box[axis] = slice(int(along[0]), int(along[-1]) + 1)
    return box[0], box[1], box[2]


_REVERSED = [2, 1, 0, 3]
"""Columns of an affine for an array whose axes are named in reverse order."""


def _empty_sitk(shape: Iterable[int], affine: Matrix) -> sitk.Image:
    """Make a SimpleITK image that says where values are wanted."""
    image = sitk.Image([int(n) for n in shape], sitk.sitkUInt8)
    _set_sitk_geometry(image, affine)
    return image


def _plain(array: Array, dtype: type[np.generic] | None) -> Array:
    """Make an array that SimpleITK takes: contiguous, and bytes in the place of truth values."""
    bytes_or_own = np.uint8 if array.dtype == np.bool_ and dtype is None else dtype
    return np.ascontiguousarray(array, dtype=bytes_or_own)


def _is_singular(affine: Matrix) -> bool:
    """Determine whether voxels have no volume: an edge of no length, or edges in one plane, whatever their unit."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        directions = affine[:3, :3] / lengths
        return not (np.isfinite(directions).all() and abs(np.linalg.det(directions)) >= _MIN_SINE)


_MIN_SINE = 1e-6
"""Sine of the smallest angle between an edge of a voxel and the plane of the others."""


def volume_from_sitk(image: sitk.Image) -> Volume:
    """Convert a 3D SimpleITK image (LPS) to a `Volume` (RAS)."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), LPS_FROM_RAS @ affine)


def sitk_transform(b_from_a: Matrix | None) -> sitk.Transform:
    """Convert a RAS transform to SimpleITK's (LPS); None is the identity."""
    transform = sitk.AffineTransform(3)
    if b_from_a is not None:
        lps = lps_from_ras(b_from_a)
        transform.SetMatrix(lps[:3, :3].ravel().tolist())
        transform.SetTranslation(lps[:3, 3].tolist())
    return transform


def lps_from_ras(b_from_a: Matrix) -> Matrix:
    """Rewrite a transform between RAS spaces as one between LPS spaces (and the other way round).

    Example:
        >>> shift = np.eye(4); shift[0, 3] = 5.0
        >>> float(lps_from_ras(shift)[0, 3])
        -5.0
    """
    return LPS_FROM_RAS @ np.asarray(b_from_a, dtype=np.float64) @ LPS_FROM_RAS


_TRUNCATE = 3.0
"""Standard deviations at which the Gaussian of `Volume.resample` ends."""

_UNDERFLOWS = 1e-100
"""Direction cosines below this are 0: their squares vanish, and ITK then fails to invert the direction."""


def _set_sitk_geometry(image: sitk.Image, affine: Matrix) -> None:
    lps = LPS_FROM_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(lps[:3, :3] / spacing)
    direction = u @ vt
    direction[np.abs(direction) < _UNDERFLOWS] = 0.0
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
