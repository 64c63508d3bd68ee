"""Choose among several images of the same sequence, and say why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gliotype.read.identify import keywords as words
from gliotype.read.identify.by_header import Identity
from gliotype.read.series import Series

HEAD_MM = 100.0
"""An image that reaches less far than this along one of its axes does not cover the head."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series and what it is identified as."""

    series: Series
    identity: Identity

    def dismissed(self, reason: str) -> Candidate:
        """Return it as an image that is not used, for a reason."""
        return replace(self, identity=Identity(None, self.identity.confidence, reason))


def reach_mm(series: Series) -> float:
    """Shortest extent of the image along its axes, in mm."""
    if series.grid is None:
        return 0.0
    return min(n * s for n, s in zip(series.grid.shape, series.grid.spacing, strict=True))


def is_processed(series: Series) -> bool:
    """Whether the image was computed from another: derived, reformatted, bias-corrected, resampled."""
    return series.info.derived or any(words.match_processed(text) for _, text in series.info.all_texts)


def _slice_mm(series: Series) -> float:
    """Largest voxel edge, to half a millimetre."""
    return 99.0 if series.grid is None else round(2 * max(series.grid.spacing)) / 2


def _voxel_mm3(series: Series) -> float:
    return 999.0 if series.grid is None else round(1000.0 * series.grid.voxel_ml, 2)


_CRITERIA: tuple[tuple[Callable[[Candidate], float], str], ...] = (
    (lambda c: c.series.problem is None, "it can be read"),
    (lambda c: reach_mm(c.series) >= HEAD_MM, "it covers the head"),
    (lambda c: c.identity.confidence >= 0.6, "its identification is surer"),
    (lambda c: not is_processed(c.series), "it is an original, not computed from another image"),
    (lambda c: -_slice_mm(c.series), "its slices are thinner"),
    (lambda c: -_voxel_mm3(c.series), "its voxels are finer"),
    (lambda c: round(reach_mm(c.series), -1), "it covers more"),
    (lambda c: round(c.identity.confidence, 2), "its identification is surer"),
    (lambda c: c.series.acquired[0] if c.series.acquired else 0.0, "it came later, as a repeat does"),
)


def ranked(candidates: list[Candidate]) -> list[Candidate]:
    """Sort images of one sequence from the best to the least; at a tie the path decides."""
    by_path = sorted(candidates, key=lambda c: c.series.source)
    return sorted(by_path, key=lambda c: tuple(judge(c) for judge, _ in _CRITERIA), reverse=True)


def preference(chosen: Candidate, others: list[Candidate]) -> str:
    """Say in one clause why an image was preferred to the next best of its kind."""
    if not others:
        return ""
    runner_up = others[0]
    why = next(
        (clause for judge, clause in _CRITERIA if judge(chosen) > judge(runner_up)),
        "its path comes first, and nothing else tells them apart",
    )
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"preferred to {runner_up.series.source}{more} because {why}"
