"""Choose when the frames of a time series were acquired: what a file says is checked against what a scanner can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gliotype.dsc import MAX_FRAME_S, MIN_FRAME_S, MIN_FRAME_TR

_DISAGREE = 0.1
"""Relative difference of the mean time between frames above which two sources disagree."""
_UNSTEADY = 0.1
"""Fraction of early frames above which a clock is taken not to be that of the acquisition."""
_EARLY = 0.75
"""A frame that comes before this fraction of the usual time between frames is early."""


@dataclass(frozen=True)
class TimeAxis:
    """What one source says about the times of the frames.

    Attributes:
        name: of the source, for messages.
        times_s: of each frame, in s.
    """

    name: str
    times_s: tuple[float, ...]

    @property
    def step_s(self) -> float:
        """Median time between frames in s."""
        return float(np.median(np.diff(self.times_s)))

    @property
    def mean_step_s(self) -> float:
        """Mean time between frames in s."""
        return (self.times_s[-1] - self.times_s[0]) / (len(self.times_s) - 1)


def repetition_axis(tr_s: float | None, frames: int) -> list[TimeAxis]:
    """Return the axis of frames that come every repetition time, or none if that is too short for a frame.

    Example:
        >>> [axis.times_s for axis in repetition_axis(1.5, 3)], repetition_axis(0.017, 3)
        ([(0.0, 1.5, 3.0)], [])
    """
    if tr_s is None or not MIN_FRAME_S <= tr_s <= MAX_FRAME_S:
        return []
    return [TimeAxis("its repetition time", tuple(tr_s * t for t in range(frames)))]


def choose_time_axis(
    source: str, candidates: list[TimeAxis], tr_s: float | None
) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Take the first source of frame times that a scanner can have produced.

    A frame takes at least one repetition time, so times that lie closer together are those of something else, such as
    the reconstruction. So are times that come early and late at random about a mean of one repetition time.

    Args:
        source: the series, for messages.
        candidates: most trusted first; those that do not rise say nothing.
        tr_s: repetition time in s, or None.

    Returns:
        Seconds of each frame from the first, or None where it is not known; and a warning for each source that was
        rejected or that disagrees with the one in use.

    Example:
        >>> clock = TimeAxis("the clock", (0.0, 0.02, 0.04))
        >>> choose_time_axis("perf", [clock, *repetition_axis(1.5, 3)], 1.5)[0]
        (0.0, 1.5, 3.0)
    """
    rising = [c for c in candidates if len(c.times_s) > 1 and _rises(c)]
    possible = [c for c in rising if _objection(c, tr_s) is None]
    chosen = possible[0] if possible else None
    instead = f"; {chosen.name} was used" if chosen else ""
    warnings = []
    for candidate in rising:
        if objection := _objection(candidate, tr_s):
            warnings.append(
                f"{source}: {candidate.name} cannot be when its frames were acquired ({objection}){instead}."
            )
    for other in possible[1:]:
        first, second = possible[0].mean_step_s, other.mean_step_s
        if abs(first - second) > _DISAGREE * max(first, second):
            warnings.append(
                f"{source}: {possible[0].name} ({first:.3g} s between frames) and {other.name} ({second:.3g} s) "
                f"disagree; {possible[0].name} was used."
            )
    if chosen is None:
        return None, tuple(warnings)
    return tuple(round(t - chosen.times_s[0], 6) for t in chosen.times_s), tuple(warnings)


def _rises(axis: TimeAxis) -> bool:
    times = np.array(axis.times_s, dtype=np.float64)
    return bool(np.isfinite(times).all() and (np.diff(times) > 0).all())


def _objection(axis: TimeAxis, tr_s: float | None) -> str | None:
    """Say why a rising axis cannot be that of the acquisition, or None."""
    step = axis.step_s
    if tr_s is not None and step < MIN_FRAME_TR * tr_s:
        return f"{step:.3g} s between frames at a repetition time of {tr_s:.3g} s"
    if not MIN_FRAME_S <= step <= MAX_FRAME_S:
        return f"{step:.3g} s between frames"
    early = float(np.mean(np.diff(axis.times_s) < _EARLY * step))
    if tr_s is not None and early > _UNSTEADY and abs(axis.mean_step_s - tr_s) <= _DISAGREE * tr_s:
        return f"it is unsteady about a repetition time of {tr_s:.3g} s"
    return None
