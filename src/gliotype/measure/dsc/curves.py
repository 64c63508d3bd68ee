"""What is read off single curves: when they peak, how wide they are, how far the signal recovers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Bolus, Floats

Curves = NDArray[np.floating]

RECOVERED_S = 30.0
"""The recovered signal is the mean over so long after the end of the first pass."""

FEWEST_RECOVERED = 3
"""Frames after the first pass without which no recovery is measured."""


def mean_curve(curves: Curves, voxels: NDArray[np.bool_]) -> Floats:
    """Return the mean curve of some voxels in double precision, (t,)."""
    return np.asarray(curves[voxels].mean(axis=0, dtype=np.float64))


def area(curves: Curves, times_s: Floats, bolus: Bolus) -> Curves:
    """Integrate over the first pass, from the last frame of the baseline on (trapezoidal rule).

    Args:
        curves: (n, t).
        times_s: (t,).
        bolus: gives the frames.

    Returns:
        (n,), the curves' unit times seconds.
    """
    during = slice(bolus.arrival - 1, bolus.end + 1)
    return np.asarray(np.trapezoid(curves[:, during], times_s[during], axis=1))


def time_to_peak(delta_r2: Curves, times_s: Floats, bolus: Bolus) -> Curves:
    """Find the peak of the first pass between the frames, by the parabola through the highest frame and its neighbours.

    Args:
        delta_r2: (n, t).
        times_s: (t,).
        bolus: gives the frames to search, and the arrival of the agent.

    Returns:
        Seconds from the arrival, (n,).

    Example:
        >>> times = np.arange(20.0)
        >>> curve = 5 - (times[None, :] - 9.25) ** 2
        >>> float(time_to_peak(curve, times, Bolus(0, 4, 9, 15))[0].round(3))
        5.25
    """
    first = bolus.arrival
    top = first + np.argmax(delta_r2[:, first : bolus.end + 1], axis=1)
    inner = np.clip(top, 1, times_s.size - 2)
    rows = np.arange(top.size)
    left, middle, right = (delta_r2[rows, inner + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    shift = np.where(inner == top, np.clip(shift, -0.5, 0.5), 0.0)
    spacing = np.gradient(times_s)
    return np.asarray(times_s[top] + shift * spacing[top] - times_s[first])


def full_width(delta_r2: Curves, times_s: Floats, bolus: Bolus) -> Curves:
    """Measure the full width at half the maximum, between the frames by linear interpolation.

    Args:
        delta_r2: (n, t).
        times_s: (t,).
        bolus: gives the frames in which the maximum is sought.

    Returns:
        Seconds, (n,); NaN where a curve does not fall to half its maximum on both sides within the series.

    Example:
        >>> times = np.arange(20.0)
        >>> curve = np.maximum(0, 6 - np.abs(times[None, :] - 9))
        >>> float(full_width(curve, times, Bolus(0, 3, 9, 15))[0])
        6.0
    """
    before = bolus.arrival - 1
    first_pass = delta_r2[:, before : bolus.end + 1]
    top = before + np.argmax(first_pass, axis=1)
    half = first_pass.max(axis=1) / 2
    frames = np.arange(times_s.size)
    below = delta_r2 <= half[:, None]
    left = np.where(below & (frames < top[:, None]), frames, -1).max(axis=1)
    right = np.where(below & (frames > top[:, None]), frames, times_s.size).min(axis=1)
    known = (left >= 0) & (right < times_s.size) & (half > 0)
    up = _crossing(delta_r2, times_s, half, np.where(known, left, 0))
    down = _crossing(delta_r2, times_s, half, np.where(known, right - 1, 0))
    return np.where(known, down - up, np.nan)


def signal_recovery(relative: Curves, times_s: Floats, bolus: Bolus) -> Curves:
    """Measure the percentage signal recovery: 100 (S1 - Smin) / (S0 - Smin).

    Smin is the lowest signal of the first pass, S1 the mean over 30 s after its end.

    Args:
        relative: S/S0, (n, t).
        times_s: (t,).
        bolus: gives the end of the first pass.

    Returns:
        Percent, (n,); above 100 the signal overshoots its baseline. NaN where the signal does not drop, or fewer
        than 3 frames follow the first pass.
    """
    after = (times_s > times_s[bolus.end]) & (times_s <= times_s[bolus.end] + RECOVERED_S)
    if after.sum() < FEWEST_RECOVERED:
        return np.full(relative.shape[0], np.nan)
    lowest = relative[:, bolus.arrival : bolus.end + 1].min(axis=1)
    drop = 1 - lowest
    recovered = relative[:, after].mean(axis=1) - lowest
    fraction = np.divide(recovered, drop, out=np.full_like(drop, np.nan), where=drop > 0)
    return np.asarray(100 * fraction)


def _crossing(curves: Curves, times_s: Floats, level: Curves, frame: NDArray[np.intp]) -> Curves:
    """When curves cross a level between a frame and the next, (n,)."""
    rows = np.arange(frame.size)
    here, there = curves[rows, frame], curves[rows, frame + 1]
    step = there - here
    fraction = np.divide(level - here, step, out=np.zeros_like(step), where=step != 0)
    return np.asarray(times_s[frame] + fraction * (times_s[frame + 1] - times_s[frame]))
