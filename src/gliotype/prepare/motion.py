"""Find how the head moved between the frames of a perfusion series, whatever the bolus does to the signal.

Each frame is compared with a reference frame by least squares: what differs between the two is explained by
a small rigid motion (Gauss-Newton on the gradients of the reference) and, at the same time, by a gain that
varies smoothly over the head, which is most of what a bolus does. Voxels that neither explains (vessels,
tumour) count less (Huber 1964). It works on smoothed frames of about 4 mm voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from gliotype.prepare.head import head_mask, shrink
from gliotype.volume import Matrix, Volume

WORKING_MM = 4.0
SMOOTH_MM = (8.0, 3.0)
"""Standard deviation of the smoothing: coarse first, for motion that is far."""
AROUND_MM = 8.0
"""Width of the air around the head that counts as well."""
SAMPLES = (2_000, 5_000)
"""Voxels that are compared, at each smoothness."""
ITERATIONS = 12
SETTLED_MM = 0.02
"""A step shorter than this ends the search."""
HUBER = 1.5
"""Residuals count fully up to this many standard deviations."""

Floats = NDArray[np.float64]


def head_motion(series: Volume, baseline: range) -> tuple[Matrix, ...]:
    """Find the rigid motion of every frame against the middle frame of the baseline.

    Args:
        series: (i, j, k, t), any orientation.
        baseline: the frames before the bolus; see `baseline_of`.

    Returns:
        ``frame_from_series`` of each frame, world (RAS mm): the position in the frame of a point
        of the series. Identity for the middle frame of the baseline.
    """
    with threadpool_limits(
        limits=1, user_api="blas"
    ):  # small matrices: more threads only wait for each other
        return _head_motion(series, baseline)


def _head_motion(series: Volume, baseline: range) -> tuple[Matrix, ...]:
    small = [_small(series, t) for t in range(series.array.shape[3])]
    middle = baseline[len(baseline) // 2]
    coarse, fine = ([_smooth(frame, mm) for frame in small] for mm in SMOOTH_MM)
    found = _follow_frames(coarse, _Reference(coarse[middle], SAMPLES[0]), [np.eye(4)] * len(small), middle)
    mean = np.mean([_move(fine[t], found[t]) for t in baseline], axis=0)
    reference = _Reference(fine[middle].with_array(mean), SAMPLES[1])
    found = _follow_frames(fine, reference, found, middle)
    drop = 1.0 - np.array([float(np.mean(frame.array)) for frame in coarse]) / np.mean(mean)
    drop[: baseline.start] = 0.0
    return _remove_bolus_motion(found, drop, baseline, reference.middle)


def _small(series: Volume, t: int) -> Volume:
    return shrink(series.with_array(series.array[..., t]), WORKING_MM)


def _smooth(frame: Volume, sigma_mm: float) -> Volume:
    return frame.with_array(
        ndimage.gaussian_filter(np.asarray(frame.array), sigma_mm / np.array(frame.grid.spacing), truncate=3)
    )


def _move(frame: Volume, frame_from_series: Matrix) -> Floats:
    return np.asarray(frame.resample(frame.grid, frame_from_series).array, dtype=np.float64)


def _follow_frames(
    frames: list[Volume], reference: _Reference, found: list[Matrix], middle: int
) -> list[Matrix]:
    """Improve the motion of every frame, outwards from the middle of the baseline.

    A frame begins where it was found before, or where its neighbour was found now, if that fits better.
    """
    improved = list(found)
    for order in (range(middle, len(frames)), range(middle, -1, -1)):
        neighbour = improved[middle]
        for t in order:
            improved[t] = reference.fit_frame(frames[t], [found[t], neighbour])
            neighbour = improved[t]
    return improved


def _remove_bolus_motion(
    found: list[Matrix], drop: Floats, baseline: range, centre: Floats
) -> tuple[Matrix, ...]:
    """Take from the motion what follows the bolus, and refer it to the middle of the baseline.

    Where contrast agent changes the signal more on one side of the head than on the other, it looks like motion that
    comes and goes with the bolus. Heads do not move like that: of each turn and shift the multiple of the drop in
    signal is taken away that leaves the smallest sum of absolute steps from frame to frame, so that a jerk at any
    one frame, or a slow drift, remains.

    Args:
        found: motion of each frame.
        drop: mean drop of the signal in each frame, as a fraction.
        baseline: the frames before the bolus.
        centre: of the head.
    """
    paths = np.array([_path(matrix, centre) for matrix in found])
    falls = np.diff(drop[baseline.start :])
    for path in paths.T:
        path -= _weighted_median(np.diff(path[baseline.start :]), falls) * drop
    paths -= paths[baseline[len(baseline) // 2]]
    return tuple(_matrix(path, centre) for path in paths)


def _weighted_median(steps: Floats, falls: Floats) -> float:
    """Return the multiple b of `falls` that makes the sum of absolute values of ``steps - b * falls`` smallest."""
    known = np.abs(falls) > 1e-6
    if not known.any():
        return 0.0
    ratio, weight = steps[known] / falls[known], np.abs(falls[known])
    order = np.argsort(ratio)
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return float(ratio[order][half])


def _path(matrix: Matrix, centre: Floats) -> Floats:
    """Write a rigid transform as a turn (rotation vector, radians) about a centre, and a shift (mm)."""
    shift = (matrix @ [*centre, 1.0])[:3] - centre
    return np.concatenate([Rotation.from_matrix(matrix[:3, :3]).as_rotvec(), shift])


def _matrix(path: Floats, centre: Floats) -> Matrix:
    """Make the rigid transform of a turn about a centre and a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(path[:3]).as_matrix()
    matrix[:3, 3] = centre + path[3:] - matrix[:3, :3] @ centre
    return matrix


@dataclass(frozen=True, eq=False)
class _Reference:
    """A frame with which others are compared."""

    image: Volume
    samples: int

    @cached_property
    def _index(self) -> NDArray[np.intp]:
        """Voxels of the head and a little air around it, evenly picked, shape (n, 3)."""
        head = head_mask(self.image)
        away = ndimage.distance_transform_edt(~head, sampling=self.image.grid.spacing)
        index = np.argwhere(away < AROUND_MM if head.any() else np.ones_like(head))
        return np.asarray(index[:: max(1, len(index) // self.samples)])

    @cached_property
    def _points(self) -> Floats:
        return np.asarray(apply_affine(self.image.affine, self._index))

    @cached_property
    def middle(self) -> Floats:
        return np.asarray(self._points.mean(axis=0))

    @cached_property
    def _design(self) -> Floats:
        """What may differ: by turns (per radian) and shifts (per mm), then by gain; (22, n)."""
        array = np.asarray(self.image.array, dtype=np.float64)
        i, j, k = self._index.T
        steps = np.stack([np.gradient(array, axis=axis)[i, j, k] for axis in range(3)], axis=1)
        slope = steps @ np.linalg.inv(self.image.affine[:3, :3])
        arm = self._points - self.middle
        x, y, z = (arm / np.abs(arm).max()).T
        gains = np.stack([x, y, z, x * x, y * y, z * z, x * y, y * z, z * x])
        values = array[i, j, k]
        return np.vstack([np.cross(arm, slope).T, slope.T, values * gains, _hats(values)])

    def fit_frame(self, frame: Volume, starts: list[Matrix]) -> Matrix:
        """Find the motion of a frame from the better of some starts (``frame_from_series``)."""
        steps = [self._step(frame, start) for start in starts]
        first = int(np.argmin([unlike for _, unlike in steps]))
        motion, step = starts[first], steps[first][0]
        for _ in range(ITERATIONS):
            motion = motion @ np.linalg.inv(_matrix(step, self.middle))
            if self._length(step) < SETTLED_MM:
                break
            step, _ = self._step(frame, motion)
        return motion

    def _step(self, frame: Volume, frame_from_series: Matrix) -> tuple[Floats, float]:
        """Solve for turns and shifts from a starting motion; return them and the median residual."""
        values, seen = self._read(frame, frame_from_series)
        design = self._design
        if seen.sum() < 10 * len(design):
            return np.zeros(6), np.inf
        weight: Floats = seen.astype(np.float64)
        solution: Floats = np.zeros(len(design))
        for _ in range(2):
            weighted = design * weight
            found = np.linalg.lstsq(weighted @ design.T, weighted @ values, rcond=1e-10)[0]
            solution = np.asarray(found, dtype=np.float64)
            residual: Floats = np.abs(values - solution @ design)
            spread = 1.4826 * float(np.median(residual[seen]))
            weight = np.where(seen, np.minimum(1.0, HUBER * spread / np.maximum(residual, 1e-12)), 0.0)
        still = np.abs(values - solution[6:] @ design[6:])
        return solution[:6], float(np.median(still[seen]))

    def _read(self, frame: Volume, frame_from_series: Matrix) -> tuple[Floats, NDArray[np.bool_]]:
        """Read a frame at the reference's points; and which of them it covers."""
        index = apply_affine(np.linalg.inv(frame.affine) @ frame_from_series, self._points)
        seen = ((index > -0.5) & (index < np.array(frame.array.shape) - 0.5)).all(axis=1)
        values = ndimage.map_coordinates(frame.array, index.T, order=1, mode="nearest", prefilter=False)
        return values.astype(np.float64), seen

    def _length(self, step: Floats) -> float:
        reach = np.abs(self._points - self.middle).max()
        return float(np.linalg.norm(step[:3]) * reach + np.linalg.norm(step[3:]))


def _hats(values: Floats) -> Floats:
    """Split values among triangles over their range, so that a sum of them is any broken line; (7, n)."""
    nodes = np.quantile(values, np.linspace(0.02, 0.98, 7))
    return np.stack([np.interp(values, nodes, row) for row in np.eye(7)])
