"""Bring images of one head into one space: rigid within the study, affine to a template.

Both maximise mutual information (Mattes 2003) from coarse to fine with SimpleITK. Many starts are
ranked, the best few are followed. The outcome is looked at: a registration that explains too little
of the image, leaves the heads apart, or needs an implausible shape is tried again from starts that are
farther away, and `Alignment.doubts` says what is still wrong.

ITK adds up the metric in the order in which its threads end, so two runs differ in the last bits;
therefore registration runs on one thread, with seeded sampling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import SimpleITK as sitk
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from gliotype.prepare.head import Mask, head_mask
from gliotype.volume import Matrix, Volume, lps_from_ras, sitk_transform, volume_from_sitk

SEED = 20211
LEVELS_MM = (8.0, 4.0, 2.0)
SAMPLES = (4_000, 10_000, 15_000)
"""Voxels in which the similarity is evaluated, at each level."""
BINS = 24
STEPS_MM = {1: (1.5, 0.05), 2: (0.5, 0.02)}
"""Longest and shortest step of the gradient descent, by level."""
ITERATIONS = 30
FOLLOWED = 6
"""Starts that are searched from, at the coarsest level."""
SEARCHES = 250
"""Evaluations in each of these searches."""

LEAST_SIMILARITY_RIGID = 0.35
LEAST_SIMILARITY_AFFINE = 0.35
LEAST_OVERLAP = 0.8
PLAUSIBLE_SCALES = (0.7, 1.45)
MOST_UNEVEN_SCALES = 1.45

Point = NDArray[np.float64]
Points = NDArray[np.float64]
LPS_SIGNS = np.array([-1.0, -1.0, 1.0])
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, eq=False)
class Alignment:
    """The outcome of a registration.

    Attributes:
        moving_from_fixed: 4 x 4, world (RAS mm) of the fixed image to world of the moving image.
        similarity: 0 to 1, how much one image says about the other where the fixed head is: the
            informational coefficient of correlation, sqrt(1 - exp(-2 MI)) (Linfoot 1957).
        overlap: Dice of the two heads (or brains) within the field that both images cover.
        doubts: what speaks against the result, short clauses; empty when it is trusted.
        start: name of the start that won.
    """

    moving_from_fixed: Matrix
    similarity: float
    overlap: float
    doubts: tuple[str, ...]
    start: str


@dataclass(frozen=True, eq=False)
class _Samples:
    """Voxels over the head and 8 mm of air around it: where (world), ranks (0 to 1), in the head or not."""

    points: Points
    ranks: NDArray[np.float32]
    inside: Mask


@dataclass(frozen=True, eq=False)
class Side:
    """One image of a registration, ready at each level.

    Attributes:
        levels: the image at about 8, 4 and 2 mm (never finer than it is), intensities equalised.
        head: mask of the head, or of the brain where the skull was removed, on the 4 mm level's grid.
        around: the head and about 8 mm of air around it, on the grid of each level.
        samples: a fixed selection of voxels of `around`, at each level.
    """

    levels: tuple[Volume, ...]
    head: Volume
    around: tuple[Volume, ...]
    samples: tuple[_Samples, ...]

    @classmethod
    def of(cls, image: Volume, head: Mask | None = None) -> Side:
        """Prepare an image.

        Args:
            image: 3D.
            head: mask on the same grid; found when None.
        """
        middle = _shrunk(image, LEVELS_MM[1])
        if head is None:
            mask = middle.with_array(head_mask(middle))
        else:
            share = _shrunk(image.with_array(head), LEVELS_MM[1])
            mask = share.with_array(np.asarray(share.array, dtype=np.float32) >= 0.5)
        fine = _equalised(_shrunk(image, LEVELS_MM[2]), mask)
        levels = (_shrunk(fine, LEVELS_MM[0]), _shrunk(fine, LEVELS_MM[1]), fine)
        if not np.asarray(mask.array).any():
            mask = mask.with_array(np.ones(mask.array.shape, dtype=np.bool_))
        away = ndimage.distance_transform_edt(~np.asarray(mask.array, np.bool_), sampling=mask.grid.spacing)
        wide = mask.with_array(away < 8.0)
        around = tuple(wide.resample(level.grid, order=0) for level in levels)
        samples = tuple(_samples(*each, mask) for each in zip(levels, around, SAMPLES, strict=True))
        return cls(levels, mask, around, samples)

    @property
    def points(self) -> Points:
        """World coordinates of some thousand voxels of the head, shape (n, 3)."""
        return self.samples[0].points[self.samples[0].inside]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images to be brought together.

    Attributes:
        fixed: the image that stays.
        moving: the image that is brought to it.
        fixed_from_world: from the world in which the registration is wanted to that of `fixed`; None
            where they are the same.
    """

    fixed: Side
    moving: Side
    fixed_from_world: Matrix | None = None

    def similarity(self, moving_from_world: Matrix, level: int = 1) -> float:
        """Measure the similarity at a transform; see `similarity`."""
        return similarity(self.fixed, self.moving, self._moving_from_fixed(moving_from_world), level)

    def overlap(self, moving_from_world: Matrix) -> float:
        """Measure the overlap of the heads at a transform; see `overlap`."""
        return overlap(self.fixed, self.moving, self._moving_from_fixed(moving_from_world))

    def _moving_from_fixed(self, moving_from_world: Matrix) -> Matrix:
        if self.fixed_from_world is None:
            return moving_from_world
        return np.asarray(moving_from_world @ np.linalg.inv(self.fixed_from_world))


def rigid(fixed: Side, moving: Side) -> Alignment:
    """Align two images of one patient by rotation and translation.

    The header comes first: scanner coordinates are usually right within a study, and they stay where
    registration finds nothing better. Where the result is doubtful, quarter turns about the heads'
    centres are tried as well.

    Args:
        fixed: the image whose world space is kept.
        moving: another image of the same head, of any contrast.

    Returns:
        The alignment; `moving_from_fixed` is rigid.
    """
    here, there = fixed.points.mean(axis=0), moving.points.mean(axis=0)
    header = _Start("header", np.eye(4))
    pairs = (Pair(fixed, moving),)

    def rounds() -> Iterator[list[_Start]]:
        yield [header, _Start("centres", _about(np.eye(3), here, there))]
        yield [_Start(f"turn {n}", _about(turn, here, there)) for n, turn in enumerate(_turns())]

    found = _climb_until_trusted(pairs, rounds(), Freedom(_rigid_transform, 6), _doubts_of_rigid)
    kept = _judge(pairs, header, _doubts_of_rigid)
    return kept if not kept.doubts and kept.similarity >= found.similarity - 1e-3 else found


def affine(pairs: Sequence[Pair]) -> Alignment:
    """Align a patient's head to a template by twelve degrees of freedom.

    Starts put the tops of the heads and their widths together, with the patient nodding by up to 40
    degrees, lying up to 45 mm higher or lower (slices may not reach the top), and stretched along the
    body by up to 45 % (slice distances may be wrong). The similarity of all pairs together ranks them;
    the most similar pair alone is climbed in the end. Where the result is doubtful, quarter turns are
    tried as well.

    Args:
        pairs: the patient's images (fixed) and for each the template of its contrast (moving), all whole
            heads or all brains; the first names the patient's reference image.

    Returns:
        The alignment; `moving_from_fixed` maps the patient's world to the template's.
    """
    here, there = pairs[0].fixed.points, pairs[0].moving.points

    def rounds() -> Iterator[list[_Start]]:
        yield [
            _Start(f"nod {nod} drop {drop}", _heads_together(here, there, _nod(nod), drop, stretch))
            for nod, drop, stretch in product(range(-40, 31, 10), (0, -15, 15, 30, 45), (1.0, 1.2, 1.45))
        ]
        yield [
            _Start(f"turn {n} nod {nod}", _heads_together(here, there, _nod(nod) @ turn, drop, 1.0))
            for (n, turn), nod, drop in product(enumerate(_turns()), (0, -20, 20), (0, 30))
        ]

    return _climb_until_trusted(pairs, rounds(), Freedom(_affine_transform, 9), _doubts_of_affine)


def similarity(fixed: Side, moving: Side, moving_from_fixed: Matrix, level: int = 1) -> float:
    """Measure how much one image says about the other, around the fixed head; 0 (nothing) to 1.

    Informational coefficient of correlation from a joint histogram of ranks, with the bias of the
    entropies corrected (Miller 1955). What the moving image does not cover counts as air.
    """
    here, there = fixed.samples[level], moving.levels[level]
    index = apply_affine(np.linalg.inv(there.affine) @ moving_from_fixed, here.points)
    values = ndimage.map_coordinates(np.asarray(there.array), index.T, order=1, prefilter=False)
    pair = [np.minimum((ranks * BINS).astype(np.intp), BINS - 1) for ranks in (here.ranks, values)]
    joint = np.bincount(pair[0] * BINS + pair[1], minlength=BINS**2).reshape(BINS, BINS)
    information = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint.ravel())
    return float(np.sqrt(1 - np.exp(-2 * max(information, 0.0))))


def overlap(fixed: Side, moving: Side, moving_from_fixed: Matrix) -> float:
    """Measure the Dice overlap of the two heads within the field that both images cover."""
    grid = fixed.head.grid
    here = np.asarray(fixed.head.array, dtype=np.bool_)
    field = moving.head.with_array(np.ones(moving.head.array.shape, np.uint8))
    seen = np.asarray(field.resample(grid, moving_from_fixed, order=0).array, dtype=np.bool_)
    there = np.asarray(moving.head.resample(grid, moving_from_fixed, order=0).array, dtype=np.bool_)
    total = int((here & seen).sum() + there.sum())
    return float(2 * (here & there).sum() / total) if total else 0.0


@dataclass(frozen=True, eq=False)
class _Start:
    name: str
    moving_from_fixed: Matrix


@dataclass(frozen=True)
class Freedom:
    """What a registration may change: the model of SimpleITK, and how many of 3 turns, 3 shifts, 3 scales."""

    transform: Callable[[Matrix, Point], sitk.Transform]
    searched: int


Doubter = Callable[[Alignment], tuple[str, ...]]


def _climb_until_trusted(
    pairs: Sequence[Pair], rounds: Iterable[Sequence[_Start]], freedom: Freedom, doubts: Doubter
) -> Alignment:
    """Work through rounds of starts until a result raises no doubt; return the least doubtful."""
    results: list[Alignment] = []
    for starts in rounds:
        results.append(_judge(pairs, _climb(pairs, starts, freedom), doubts))
        if not results[-1].doubts:
            break
    return min(results, key=lambda result: (len(result.doubts), -result.similarity))


def _climb(pairs: Sequence[Pair], starts: Sequence[_Start], freedom: Freedom) -> _Start:
    """Search from the most promising starts at the coarsest level; climb on from the best two."""
    middle = pairs[0].fixed.points.mean(axis=0)
    searched = [
        _Start(s.name, _searched(pairs, s.moving_from_fixed, middle, freedom))
        for s in _apart(pairs, starts, FOLLOWED, 15.0)
    ]
    climbed = [
        _Start(s.name, _ascended(pairs, s.moving_from_fixed, middle, freedom, 1))
        for s in _apart(pairs, searched, 2, 5.0)
    ]
    best = max(climbed, key=lambda s: _joint(pairs, s.moving_from_fixed, 1))
    return _Start(best.name, _ascended(pairs, best.moving_from_fixed, middle, freedom, 2))


def _joint(pairs: Sequence[Pair], moving_from_fixed: Matrix, level: int) -> float:
    """Mean similarity of all pairs."""
    return float(np.mean([pair.similarity(moving_from_fixed, level) for pair in pairs]))


def _apart(pairs: Sequence[Pair], starts: Sequence[_Start], count: int, apart_mm: float) -> list[_Start]:
    """Pick the starts of highest similarity that carry the head to places a distance apart."""
    points = pairs[0].fixed.points
    corners = np.array([*product(*zip(points.min(axis=0), points.max(axis=0), strict=True))])
    picked: list[_Start] = []
    places: list[Points] = []
    for start in sorted(starts, key=lambda s: -_joint(pairs, s.moving_from_fixed, 0)):
        place = apply_affine(start.moving_from_fixed, corners)
        if all(np.linalg.norm(place - other, axis=1).mean() > apart_mm for other in places):
            picked.append(start)
            places.append(place)
        if len(picked) == count:
            break
    return picked


def _searched(pairs: Sequence[Pair], start: Matrix, middle: Point, freedom: Freedom) -> Matrix:
    """Improve a start at the coarsest level without gradients (Powell 1964)."""

    def moved(p: NDArray[np.float64]) -> Matrix:
        steps = np.zeros(9)
        steps[: len(p)] = p
        change = np.eye(4)
        change[:3, :3] = Rotation.from_rotvec(0.15 * steps[:3]).as_matrix() @ np.diag(np.exp(0.1 * steps[6:]))
        change[:3, 3] = middle + 10.0 * steps[3:6] - change[:3, :3] @ middle
        return start @ change

    found = minimize(
        lambda p: -_joint(pairs, moved(p), 0),
        np.zeros(freedom.searched),
        method="Powell",
        options={"maxfev": SEARCHES, "xtol": 0.02, "ftol": 1e-3},
    )
    return moved(found.x)


def _ascended(pairs: Sequence[Pair], start: Matrix, middle: Point, freedom: Freedom, level: int) -> Matrix:
    """Maximise Mattes mutual information of the most similar pair at one level.

    A start at which too few voxels overlap comes back as it was.
    """
    pair = max(pairs, key=lambda p: p.similarity(start, level))
    around = pair.fixed.around[level]
    transform = freedom.transform(start, middle)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(around.to_sitk())
    method.SetMetricSamplingStrategy(method.REGULAR)
    share = SAMPLES[level] / max(int(np.asarray(around.array).sum()), 1)
    method.SetMetricSamplingPercentage(min(1.0, share), SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(*STEPS_MM[level], ITERATIONS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetFixedInitialTransform(sitk_transform(pair.fixed_from_world))
    method.SetInitialTransform(transform, inPlace=True)
    try:
        with _one_thread():
            method.Execute(pair.fixed.levels[level].to_sitk(), pair.moving.levels[level].to_sitk())
    except RuntimeError:
        return start
    return _matrix_of(transform)


def _judge(pairs: Sequence[Pair], found: _Start, doubts: Doubter) -> Alignment:
    matrix = found.moving_from_fixed
    plain = Alignment(matrix, _joint(pairs, matrix, 1), pairs[0].overlap(matrix), (), found.name)
    return replace(plain, doubts=doubts(plain))


def _doubts_of_rigid(alignment: Alignment) -> tuple[str, ...]:
    return _doubts_of_both(alignment, LEAST_SIMILARITY_RIGID)


def _doubts_of_affine(alignment: Alignment) -> tuple[str, ...]:
    scales = np.linalg.svd(alignment.moving_from_fixed[:3, :3], compute_uv=False)
    doubts = list(_doubts_of_both(alignment, LEAST_SIMILARITY_AFFINE))
    low, high = PLAUSIBLE_SCALES
    if scales.min() < low or scales.max() > high:
        doubts.append(f"the head would be scaled by {scales.min():.2f} to {scales.max():.2f}")
    elif scales.max() / scales.min() > MOST_UNEVEN_SCALES:
        doubts.append(f"the head would be stretched unevenly, by {scales.min():.2f} to {scales.max():.2f}")
    return tuple(doubts)


def _doubts_of_both(alignment: Alignment, least_similarity: float) -> tuple[str, ...]:
    doubts = []
    if alignment.similarity < least_similarity:
        doubts.append(f"the images have little in common (similarity {alignment.similarity:.2f})")
    if alignment.overlap < LEAST_OVERLAP:
        doubts.append(f"the heads overlap by {alignment.overlap:.2f} only")
    return tuple(doubts)


def _heads_together(
    patient: Points, template: Points, turn: Matrix, drop_mm: float, stretch: float
) -> Matrix:
    """Turn the patient's head, scale it to the template's width and length, and put the tops together.

    Args:
        patient: voxels of the head, world RAS mm, shape (n, 3).
        template: the same of the template.
        turn: 3 x 3 rotation of the patient about its centre.
        drop_mm: how far below the template's top the patient's highest slice lies.
        stretch: scale along the body's axis, over that across it.
    """
    centre = patient.mean(axis=0)
    here = _crown((patient - centre) @ turn.T)
    there = _crown(template)
    scale = np.clip(there.span / here.span, 0.8, 1.25)
    scales = np.diag([*scale, np.sqrt(scale.prod()) * stretch])
    target = np.array([*there.middle, there.top - drop_mm])
    matrix = np.eye(4)
    matrix[:3, :3] = scales @ turn
    matrix[:3, 3] = target - scales @ np.array([*here.middle, here.top]) - matrix[:3, :3] @ centre
    return matrix


@dataclass(frozen=True, eq=False)
class _Crown:
    """The upper 120 mm of a head: its top (z), the middle and the span of its width and length (x, y)."""

    top: float
    middle: Point
    span: Point


def _crown(points: Point) -> _Crown:
    top = float(np.percentile(points[:, 2], 99.8))
    low, high = np.percentile(points[points[:, 2] > top - 120.0, :2], [1, 99], axis=0)
    return _Crown(top, (low + high) / 2, np.maximum(high - low, 1.0))


def _nod(degrees: float) -> NDArray[np.float64]:
    """Return the rotation that lifts (positive) or lowers the chin."""
    return np.asarray(Rotation.from_euler("x", degrees, degrees=True).as_matrix())


def _turns() -> list[NDArray[np.float64]]:
    """Return the 24 rotations that carry the axes onto themselves."""
    return list(Rotation.create_group("O").as_matrix())


def _about(turn: NDArray[np.float64], here: Point, there: Point) -> Matrix:
    """Return the rotation that takes the point `here` to the point `there`."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = there - turn @ here
    return matrix


def _rigid_transform(moving_from_fixed: Matrix, centre: Point) -> sitk.Transform:
    u, _, vt = np.linalg.svd(lps_from_ras(moving_from_fixed)[:3, :3])
    transform = sitk.Euler3DTransform()
    transform.SetCenter((centre * LPS_SIGNS).tolist())
    transform.SetMatrix((u @ vt).ravel().tolist())
    transform.SetTranslation(_shift_about(moving_from_fixed, centre))
    return transform


def _affine_transform(moving_from_fixed: Matrix, centre: Point) -> sitk.Transform:
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


def _entropy(counts: NDArray[np.int64]) -> float:
    """Estimate the entropy (nats) of a histogram, bias corrected."""
    n = counts.sum()
    p = counts[counts > 0] / n
    return float(-(p * np.log(p)).sum() + (len(p) - 1) / (2 * n))


def _samples(image: Volume, around: Volume, count: int, head: Volume) -> _Samples:
    """Pick about `count` voxels of a mask, evenly."""
    candidates = np.flatnonzero(np.asarray(around.array, dtype=np.bool_))
    chosen = candidates[:: max(1, len(candidates) // count)]
    index = np.column_stack(np.unravel_index(chosen, image.array.shape))
    inside = np.asarray(head.resample(image.grid, order=0).array, dtype=np.bool_).ravel()[chosen]
    ranks = np.asarray(image.array, dtype=np.float32).ravel()[chosen]
    return _Samples(apply_affine(image.affine, index), ranks, inside)


def _shrunk(image: Volume, spacing_mm: float) -> Volume:
    """Average whole voxels until no axis is finer than about `spacing_mm`."""
    factors = [max(1, round(spacing_mm / s)) for s in image.grid.spacing]
    factors = [min(f, n) for f, n in zip(factors, image.array.shape, strict=True)]
    return volume_from_sitk(sitk.BinShrink(image.to_sitk(np.float32), factors))


def _equalised(image: Volume, head: Volume) -> Volume:
    """Replace intensities by their rank within the head (0 to 1), so that histogram bins are well used."""
    array = np.asarray(image.array, dtype=np.float32)
    inside = np.asarray(head.resample(image.grid, order=0).array, dtype=np.bool_)
    known = array[inside] if inside.any() else array.ravel()
    levels, first = np.unique(np.quantile(known, np.linspace(0, 1, 129)), return_index=True)
    return image.with_array(np.interp(array, levels, first / 128.0).astype(np.float32))


@contextmanager
def _one_thread() -> Iterator[None]:
    with _ONE_AT_A_TIME:
        before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            yield
        finally:
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
