"""The phases of a bolus passage, by which attention and occlusion are reported."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AROUND_S = 1.5
"""Arrival and trough extend this far before and after their time."""


class Phase(StrEnum):
    """Part of a DSC signal's course, in order."""

    BASELINE = "baseline"
    ARRIVAL = "arrival"
    DOWN_SLOPE = "down-slope"
    TROUGH = "trough"
    RECOVERY = "recovery"
    PLATEAU = "plateau"


def phases_of(times_s: Floats, peak_s: float, end_s: float) -> NDArray[np.intp]:
    """Return the phase of each time.

    Args:
        times_s: from the bolus' arrival, (t,).
        peak_s: when dR2* of the brain is largest, from the arrival.
        end_s: when the first pass ends, from the arrival.

    Returns:
        (t,) indices into `Phase`.

    Example:
        >>> times = np.array([-6.0, 0.0, 3.0, 6.0, 9.0, 30.0])
        >>> [list(Phase)[p].value for p in phases_of(times, 6.0, 15.0)]
        ['baseline', 'arrival', 'down-slope', 'trough', 'recovery', 'plateau']
    """
    before, after = peak_s - AROUND_S, peak_s + AROUND_S
    edges = [-AROUND_S, min(AROUND_S, before), before, after, max(end_s, after)]
    return np.searchsorted(np.maximum.accumulate(edges), times_s, side="right")


def fractions_by_phase(weight: Floats, phases: NDArray[np.intp]) -> dict[Phase, float]:
    """Add up a weight of each time by phase.

    Args:
        weight: of each time, (t,), not negative.
        phases: indices into `Phase`, (t,), as `phases_of` gives them.

    Returns:
        Fraction of each phase, adding up to 1 (all 0 where there is no weight).

    Example:
        >>> fractions_by_phase(np.array([1.0, 1.0, 2.0]), np.array([0, 0, 3]))[Phase.TROUGH]
        0.5
    """
    total = float(weight.sum()) or 1.0
    sums = np.bincount(phases, weight, minlength=len(Phase)) / total
    return dict(zip(Phase, sums.tolist(), strict=True))
