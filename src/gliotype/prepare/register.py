"""Bring images of one head into one space: rigid within the study, affine to a template.

The outcome is checked: a registration that explains too little of the image, does not bring the heads together,
or needs an implausible shape is tried again from starts that are farther away, and `Alignment.quality_issues`
lists what is still wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gliotype.prepare.search import AFFINE, RIGID, Point, Start, TransformModel, joint, optimise
from gliotype.prepare.similarity import Pair, Points, RegistrationImage
from gliotype.volume import Matrix

MIN_SIMILARITY_RIGID = 0.5
MIN_SIMILARITY_AFFINE = 0.5
SURE_SIMILARITY = 0.6
"""Below this similarity to the template, which none of 44 real studies had, the head may also lie in another way."""

MIN_OVERLAP = 0.8
PLAUSIBLE_SCALES = (0.75, 1.45)
MAX_UNEVEN_SCALES = 1.45


@dataclass(frozen=True, eq=False)
class Alignment:
    """The outcome of a registration.

    Attributes:
        moving_from_fixed: 4 x 4, world (RAS mm) of the fixed image to world of the moving image.
        similarity: 0 to 1, how much one image says about the other where the fixed head is (and, for a
            template, its brain): see `gliotype.prepare.similarity.similarity`.
        overlap: Dice of the two heads (or brains) within the field that both images cover.
        quality_issues: reasons to doubt the result, short clauses; empty when it is trusted.
        start: name of the start that won.
    """

    moving_from_fixed: Matrix
    similarity: float
    overlap: float
    quality_issues: tuple[str, ...]
    start: str


QualityCheck = Callable[[Alignment], tuple[str, ...]]


def rigid(fixed: RegistrationImage, moving: RegistrationImage) -> Alignment:
    """Align two images of one patient by rotation and translation.

    The header comes first: scanner coordinates are usually right within a study, and they stay where
    registration finds nothing better. Where the result is doubtful, quarter turns about the heads'
    centres are tried as well.

    Args:
        fixed: the image whose world space is the reference.
        moving: another image of the same head, of any contrast.

    Returns:
        The alignment; `moving_from_fixed` is rigid.
    """
    here, there = fixed.points.mean(axis=0), moving.points.mean(axis=0)
    header = Start("header", np.eye(4))
    pairs = (Pair(fixed, moving),)

    def rounds() -> Iterator[list[Start]]:
        yield [header, Start("centres", _about(np.eye(3), here, there))]
        yield [Start(f"turn {n}", _about(turn, here, there)) for n, turn in enumerate(_turns())]

    found = _optimise_until_trusted(pairs, rounds(), RIGID, _rigid_quality_issues, MIN_SIMILARITY_RIGID)
    unmoved = _check_quality(pairs, header, _rigid_quality_issues)
    return unmoved if not unmoved.quality_issues and unmoved.similarity >= found.similarity - 1e-3 else found


def affine(pairs: Sequence[Pair]) -> Alignment:
    """Align a patient's head to a template by twelve degrees of freedom.

    Starts put the tops of the heads and their widths together, with the patient nodding by up to 40
    degrees, lying up to 45 mm higher or lower (slices may not reach the top), and stretched along the
    body by up to 45 % (slice distances may be wrong). The similarity of all pairs together ranks them;
    the most similar pair alone is optimised in the end. Where the result is doubtful or hardly similar, quarter
    turns are tried as well.

    Args:
        pairs: the patient's images (fixed) and for each the template of its contrast (moving), all whole
            heads or all brains; the first names the patient's reference image.

    Returns:
        The alignment; `moving_from_fixed` maps the patient's world to the template's.
    """
    here, there = pairs[0].fixed.points, pairs[0].moving.points

    def rounds() -> Iterator[list[Start]]:
        yield [
            Start(f"nod {nod} drop {drop}", _heads_together(here, there, _nod(nod), drop, stretch))
            for nod, drop, stretch in product(range(-40, 31, 10), (0, -15, 15, 30, 45), (1.0, 1.2, 1.45))
        ]
        yield [
            Start(f"turn {n} nod {nod}", _heads_together(here, there, _nod(nod) @ turn, drop, 1.0))
            for (n, turn), nod, drop in product(enumerate(_turns()), (0, -20, 20), (0, 30))
        ]

    return _optimise_until_trusted(pairs, rounds(), AFFINE, _affine_quality_issues, SURE_SIMILARITY)


def _optimise_until_trusted(
    pairs: Sequence[Pair],
    rounds: Iterable[Sequence[Start]],
    model: TransformModel,
    quality_issues: QualityCheck,
    sure_similarity: float,
) -> Alignment:
    """Work through rounds of starts until a result is sure and raises no doubt; return the least doubtful."""
    results: list[Alignment] = []
    for starts in rounds:
        results.append(_check_quality(pairs, optimise(pairs, starts, model), quality_issues))
        if not results[-1].quality_issues and results[-1].similarity >= sure_similarity:
            break
    return min(results, key=lambda result: (len(result.quality_issues), -result.similarity))


def _check_quality(pairs: Sequence[Pair], found: Start, quality_issues: QualityCheck) -> Alignment:
    matrix = found.moving_from_fixed
    plain = Alignment(matrix, joint(pairs, matrix, 1, focused=True), pairs[0].overlap(matrix), (), found.name)
    return replace(plain, quality_issues=quality_issues(plain))


def _rigid_quality_issues(alignment: Alignment) -> tuple[str, ...]:
    return tuple(_quality_issues(alignment, MIN_SIMILARITY_RIGID))


def _affine_quality_issues(alignment: Alignment) -> tuple[str, ...]:
    scales = np.linalg.svd(alignment.moving_from_fixed[:3, :3], compute_uv=False)
    quality_issues = list(_quality_issues(alignment, MIN_SIMILARITY_AFFINE))
    low, high = PLAUSIBLE_SCALES
    if scales.min() < low or scales.max() > high:
        quality_issues.append(f"the head would be scaled by {scales.min():.2f} to {scales.max():.2f}")
    elif scales.max() / scales.min() > MAX_UNEVEN_SCALES:
        quality_issues.append(
            f"the head would be stretched unevenly, by {scales.min():.2f} to {scales.max():.2f}"
        )
    return tuple(quality_issues)


def _quality_issues(alignment: Alignment, least_similarity: float) -> Iterator[str]:
    if alignment.similarity < least_similarity:
        yield f"the images have little in common (similarity {alignment.similarity:.2f})"
    if alignment.overlap < MIN_OVERLAP:
        yield f"the heads overlap by {alignment.overlap:.2f} only"


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
