"""When the bolus passes, and from signals to changes of the transverse relaxation rate.

    dR2*(t) = -ln(S(t) / S0) / TE

S0 is the mean of the baseline: the frames after the steady state is reached and before contrast agent arrives.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import gammaincinv

from gliotype.dsc import Bolus, Floats

Signals = NDArray[np.floating]

MAX_DROPPED = 4
"""Frames that are taken, at most, not to have reached the steady state."""

FEWEST_BASELINE = 2
"""Fewest frames of a baseline."""

SMALLEST_DROP = 0.02
"""Drop of the brain's mean signal below which nothing counts as a bolus."""

LONGEST_RISE_S = 20.0
"""A bolus rises from a fifth of its peak to the peak within this time; a drift takes longer."""

PASSED = 0.15
"""dR2* over its peak at which the first pass is over."""

LONGEST_FALL_S = 30.0
"""The first pass ends, at the latest, so long after its peak."""

DEEPEST = 0.02
FEWEST_DEEPEST = 20
"""Fraction and least number of the voxels with the deepest drop; they give the arrival of the contrast agent."""

DARKEST = 1e-3
"""S/S0 below which a signal cannot be distinguished from noise."""

_STEADY = 0.01
_ARRIVED = 0.05
_RECIRCULATION_S = 4.0


def find_bolus(signal: Floats, times_s: Floats) -> Bolus | None:
    """Find the bolus in the mean signal of the brain.

    The peak is the frame of the lowest signal. The arrival is sought backwards from it: the first frame whose
    dR2*, and that of all frames from there to the peak, exceeds 5 % of the peak and three standard deviations
    of the baseline. The first pass ends where dR2* is down to 15 % of its peak or, below half the peak, stops falling
    for 4 s (recirculation). Frames at the beginning, at most 4, are dropped while they lie more than 1 % (and three
    robust deviations) off the median of the baseline that follows.

    Args:
        signal: mean over the brain, (t,), positive.
        times_s: of each frame, (t,).

    Returns:
        The bolus, or None where there is none, or no baseline of two frames before it.

    Example:
        >>> times = np.arange(40.0)
        >>> passing = np.exp(-0.5 * ((times - 20) / 3) ** 2)
        >>> find_bolus(100 * np.exp(-0.4 * passing), times)
        Bolus(start=0, arrival=13, peak=20, end=26)
    """
    peak = 1 + int(np.argmin(signal[1:]))
    arrival = _arrival(signal, peak)
    if arrival < FEWEST_BASELINE:
        return None
    start = _steady_from(signal[:arrival])
    baseline = signal[start:arrival]
    change = -np.log(signal / baseline.mean())
    if not _is_a_bolus(change, times_s, peak, float(baseline.std()) / float(baseline.mean())):
        return None
    return Bolus(start, arrival, peak, _end_of_first_pass(change, times_s, peak))


def find_bolus_in(signal: Signals, times_s: Floats) -> Bolus | None:
    """Find the bolus in the signals of many voxels.

    The mean of all locates the bolus; arteries see it a frame or two earlier, so that the arrival is that of the
    voxels whose signal drops most.

    Args:
        signal: of the brain, (n, t), positive.
        times_s: (t,).

    Returns:
        The bolus, or None (see `find_bolus`).
    """
    bolus = find_bolus(signal.mean(axis=0, dtype=np.float64), times_s)
    if bolus is None:
        return None
    lowest = relative_signal(signal, bolus)[:, bolus.arrival : bolus.end + 1].min(axis=1)
    count = min(lowest.size, max(FEWEST_DEEPEST, round(DEEPEST * lowest.size)))
    deepest = np.argsort(lowest, kind="stable")[:count]
    first = find_bolus(signal[deepest].mean(axis=0, dtype=np.float64), times_s)
    return (
        bolus
        if first is None or first.arrival >= bolus.arrival
        else replace(bolus, start=min(bolus.start, first.start), arrival=first.arrival)
    )


def noise_of(signal: Signals, bolus: Bolus) -> float:
    """Estimate the standard deviation of the noise from the baselines of many voxels.

    Args:
        signal: (n, t), scanner units.
        bolus: gives the baseline.

    Returns:
        The square root of the median variance over time, corrected for the few frames; scanner units.
    """
    baseline = signal[:, bolus.start : bolus.arrival]
    free = baseline.shape[1] - 1
    median = 2 * gammaincinv(free / 2, 0.5)  # of the chi-square distribution
    return float(np.sqrt(np.median(baseline.var(axis=1, ddof=1)) * free / median))


def relative_signal(signal: Signals, bolus: Bolus) -> Signals:
    """Divide each voxel's signal by the mean of its baseline.

    Args:
        signal: (n, t), scanner units.
        bolus: gives the baseline.

    Returns:
        S/S0, (n, t); NaN in voxels without signal in the baseline.
    """
    baseline = signal[:, bolus.start : bolus.arrival].mean(axis=1, keepdims=True)
    return np.asarray(np.divide(signal, baseline, out=np.full_like(signal, np.nan), where=baseline > 0))


def delta_r2(relative: Signals, te_ms: float) -> Signals:
    """Turn S/S0 into the change of the transverse relaxation rate, in 1/s (`DARKEST` is the floor of S/S0).

    Example:
        >>> float(delta_r2(np.array([np.exp(-0.6)]), te_ms=30.0)[0].round(6))
        20.0
    """
    return np.asarray(-np.log(np.maximum(relative, DARKEST)) * (1000.0 / te_ms))


def _arrival(signal: Floats, peak: int) -> int:
    """Walk back from the peak to the first frame with contrast agent; the baseline is refined on the way."""
    first = min(MAX_DROPPED, max(0, peak - 4))
    level, threshold, arrival = float(np.percentile(signal[first:peak], 75)), 2 * _ARRIVED, 0
    for _ in range(3):
        if signal[peak] >= level:
            return 0
        change = -np.log(signal[: peak + 1] / level)
        below = np.flatnonzero(change <= threshold * change[peak])
        arrival = int(below[-1]) + 1 if below.size else 0
        baseline = signal[min(first, max(0, arrival - FEWEST_BASELINE)) : arrival]
        if baseline.size < FEWEST_BASELINE:
            break
        level, spread = _middle(baseline)
        threshold = float(np.clip(3 * spread / level / change[peak], _ARRIVED, 0.25))
    return arrival


def _steady_from(before: Floats) -> int:
    """Find the first frame of the steady state among those before the arrival."""
    most = max(0, min(MAX_DROPPED, before.size - FEWEST_BASELINE))
    for start in range(most):
        level, spread = _middle(before[start + 1 :])
        if abs(before[start] - level) <= max(_STEADY * level, 3 * spread):
            return start
    return most


def _middle(values: Floats) -> tuple[float, float]:
    """Return the median, and the standard deviation by the median absolute deviation from it."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _is_a_bolus(change: Floats, times_s: Floats, peak: int, noise: float) -> bool:
    """Tell a bolus from noise (too small) and from drift (too slow)."""
    low = np.flatnonzero(change[:peak] <= 0.2 * change[peak])
    rise = float(times_s[peak] - times_s[low[-1]]) if low.size else np.inf
    return bool(change[peak] >= max(SMALLEST_DROP, 5 * noise) and rise <= LONGEST_RISE_S)


def _end_of_first_pass(change: Floats, times_s: Floats, peak: int) -> int:
    """Find the last frame of the first pass."""
    smooth = ndimage.convolve1d(change, [0.25, 0.5, 0.25], mode="nearest")
    for frame in range(peak + 1, change.size):
        later = smooth[(times_s > times_s[frame]) & (times_s <= times_s[frame] + _RECIRCULATION_S)]
        stopped = smooth[frame] < 0.5 * change[peak] and later.size > 0 and smooth[frame] <= later.min()
        if change[frame] <= PASSED * change[peak] or stopped:
            return frame
        if times_s[frame] - times_s[peak] >= LONGEST_FALL_S:
            return frame
    return int(change.size - 1)
