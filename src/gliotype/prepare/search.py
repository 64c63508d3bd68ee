"""Find the transform at which two images, or several pairs of them, are most similar.

Starts are ranked, the best few are searched from without gradients on a coarse level, and the best two
of these are optimised on finer levels by gradient descent on Mattes' mutual information (Mattes 2003,
SimpleITK). ITK adds up that metric in the order in which its threads end, so that two runs differ in
the last bits; therefore it runs on one thread, with seeded sampling.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import SimpleITK as sitk
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.optimize import minimize

from gliotype.prepare.coarse import CoarseSimilarity
from gliotype.prepare.similarity import BINS, SAMPLES, Pair, Points
from gliotype.runtime import in_parallel
from gliotype.volume import Matrix, lps_from_ras, sitk_transform

SEED = 20211
STEPS_MM = {1: (1.5, 0.05), 2: (0.5, 0.02)}
"""Longest and shortest step of the gradient descent, by level."""
ITERATIONS = 30
STAGES = ((24, 80), (6, 250))
"""Number of starts, and of evaluations for each: many starts briefly, few thoroughly."""
OPTIMISED = 2
"""Number of starts that are optimised by gradient descent, on the whole image and on its focus."""

Point = NDArray[np.float64]
LPS_SIGNS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Start:
    """A transform to begin with, and its name."""

    name: str
    moving_from_fixed: Matrix


@dataclass(frozen=True)
class TransformModel:
    """What may change: the model of SimpleITK, and how many of 3 turns, 3 shifts and 3 scales."""

    transform: Callable[[Matrix, Point], sitk.Transform]
    searched: int


def optimise(pairs: Sequence[Pair], starts: Sequence[Start], model: TransformModel) -> Start:
    """Find the transform of highest similarity.

    Args:
        pairs: their mean similarity decides; the most similar pair is optimised.
        starts: transforms from the world of the first pair's fixed image to the moving world.
        model: what may change.

    Returns:
        The transform reached, under the name of its start.
    """
    middle = pairs[0].fixed.points.mean(axis=0)
    coarse = CoarseSimilarity(pairs)
    found = _apart(pairs, starts, STAGES[0][0], 10.0, coarse)
    for count, evaluations in STAGES:
        found = [
            Start(s.name, _search(coarse, s.moving_from_fixed, middle, model, evaluations))
            for s in _apart(pairs, found, count, 5.0, coarse)
        ]

    def optimise_start(todo: tuple[Start, bool]) -> Start:
        start, focused = todo
        return Start(start.name, _descend(pairs, start.moving_from_fixed, middle, model, 1, focused=focused))

    optimised = in_parallel(
        optimise_start,
        [
            (start, focused)
            for focused in _views(pairs)
            for start in _apart(pairs, found, OPTIMISED, 3.0, partial(joint, pairs, level=1, focused=focused))
        ],
    )
    best = max(optimised, key=lambda s: joint(pairs, s.moving_from_fixed, 1, focused=True))
    return Start(best.name, _descend(pairs, best.moving_from_fixed, middle, model, 2, focused=True))


def _views(pairs: Sequence[Pair]) -> tuple[bool, ...]:
    """Whether to look at the focus only: both ways, where the moving images have one."""
    return (False, True) if any(pair.moving.focus is not None for pair in pairs) else (False,)


def joint(pairs: Sequence[Pair], moving_from_fixed: Matrix, level: int, *, focused: bool = False) -> float:
    """Return the mean similarity of all pairs."""
    return float(np.mean([p.similarity(moving_from_fixed, level, focused=focused) for p in pairs]))


def _apart(
    pairs: Sequence[Pair],
    starts: Sequence[Start],
    count: int,
    apart_mm: float,
    similarity: Callable[[Matrix], float],
) -> list[Start]:
    """Pick the starts of highest similarity that put the head at clearly different positions."""
    points = pairs[0].fixed.points
    corners = np.array([*product(*zip(points.min(axis=0), points.max(axis=0), strict=True))])
    picked: list[Start] = []
    found: list[Points] = []
    for start in sorted(starts, key=lambda s: -similarity(s.moving_from_fixed)):
        moved_corners = apply_affine(start.moving_from_fixed, corners)
        if all(np.linalg.norm(moved_corners - other, axis=1).mean() > apart_mm for other in found):
            picked.append(start)
            found.append(moved_corners)
        if len(picked) == count:
            break
    return picked


def _search(
    similarity: CoarseSimilarity, start: Matrix, middle: Point, model: TransformModel, evaluations: int
) -> Matrix:
    """Improve a start without gradients (Powell 1964)."""

    def apply_steps(p: NDArray[np.float64]) -> Matrix:
        steps = np.zeros(9)
        steps[: len(p)] = p
        change = np.eye(4)
        change[:3, :3] = rotation(0.15 * steps[:3]) * np.exp(0.1 * steps[6:])
        change[:3, 3] = middle + 10.0 * steps[3:6] - change[:3, :3] @ middle
        return np.asarray(start @ change)

    found = minimize(
        lambda p: -similarity(apply_steps(p)),
        np.zeros(model.searched),
        method="Powell",
        options={"maxfev": evaluations, "xtol": 0.02, "ftol": 1e-3},
    )
    return apply_steps(found.x)


def rotation(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation about an axis by its length in radians (Rodrigues).

    Example:
        >>> rotation(np.array([0.0, 0.0, np.pi / 2])).round(6).tolist()
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x, y, z = turn.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-9:
        return np.asarray(np.eye(3) + cross)
    sine, cosine = math.sin(angle) / angle, (1 - math.cos(angle)) / angle**2
    return np.asarray(np.eye(3) + sine * cross + cosine * (cross @ cross))


def _descend(
    pairs: Sequence[Pair], start: Matrix, middle: Point, model: TransformModel, level: int, *, focused: bool
) -> Matrix:
    """Maximise Mattes mutual information of the most similar pair at one level.

    A start at which too few voxels overlap comes back as it was.
    """
    pair = max(pairs, key=lambda p: p.similarity(start, level))
    around = pair.fixed.around[level]
    transform = model.transform(start, middle)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(around.to_sitk())
    if focused and pair.moving.focus is not None:
        method.SetMetricMovingMask(pair.moving.focus.to_sitk())
    method.SetMetricSamplingStrategy(method.REGULAR)
    fraction = SAMPLES[level] / max(int(np.asarray(around.array).sum()), 1)
    method.SetMetricSamplingPercentage(min(1.0, fraction), SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.MetricUseMovingImageGradientFilterOff()  # the slopes between voxels are smooth enough at every level
    method.SetOptimizerAsRegularStepGradientDescent(*STEPS_MM[level], ITERATIONS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetFixedInitialTransform(sitk_transform(pair.fixed_from_world))
    method.SetInitialTransform(transform, inPlace=True)
    try:
        with _ONE_THREAD:
            method.Execute(pair.fixed.levels[level].to_sitk(), pair.moving.levels[level].to_sitk())
    except RuntimeError:
        return start
    return _matrix_of(transform)


def rigid_transform(moving_from_fixed: Matrix, centre: Point) -> sitk.Transform:
    """Make SimpleITK's rotation and translation about a centre from the rotation nearest to a matrix."""
    u, _, vt = np.linalg.svd(lps_from_ras(moving_from_fixed)[:3, :3])
    transform = sitk.Euler3DTransform()
    transform.SetCenter((centre * LPS_SIGNS).tolist())
    transform.SetMatrix((u @ vt).ravel().tolist())
    transform.SetTranslation(_shift_about(moving_from_fixed, centre))
    return transform


def affine_transform(moving_from_fixed: Matrix, centre: Point) -> sitk.Transform:
    """Make SimpleITK's affine transform about a centre."""
    transform = sitk.AffineTransform(3)
    transform.SetCenter((centre * LPS_SIGNS).tolist())
    transform.SetMatrix(lps_from_ras(moving_from_fixed)[:3, :3].ravel().tolist())
    transform.SetTranslation(_shift_about(moving_from_fixed, centre))
    return transform


def _shift_about(moving_from_fixed: Matrix, centre: Point) -> list[float]:
    """Return how far a point is carried, in LPS."""
    carried = (moving_from_fixed @ [*centre, 1.0])[:3] - centre
    return list(carried * LPS_SIGNS)


def _matrix_of(transform: sitk.Transform) -> Matrix:
    """Read a linear SimpleITK transform (LPS) as a matrix between RAS worlds."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(columns).T
    matrix[:3, 3] = origin
    return lps_from_ras(matrix)


class _OneThread:
    """Lets SimpleITK use one thread as long as any registration runs; several may run side by side.

    Only the default of the whole process reaches ITK's metric.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = 1

    def __enter__(self) -> None:
        with self._lock:
            if self._running == 0:
                self._before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
            self._running += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(self._before)


_ONE_THREAD = _OneThread()


RIGID = TransformModel(rigid_transform, 6)
AFFINE = TransformModel(affine_transform, 9)
