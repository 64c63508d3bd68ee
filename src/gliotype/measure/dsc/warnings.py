"""What a referee should know about a DSC series, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gliotype.dsc import Bolus, Floats
from gliotype.measure.dsc.arteries import Arteries

SHORT_BASELINE = 5
"""Frames of baseline below which it is called short."""

FEW_FRAMES = 30
SLOW_S = 2.5
LITTLE_WHITE = 100
"""Voxels of white matter below which relative values are called uncertain."""

MANY_SATURATED = 0.2
"""Fraction of the highest voxels at the noise floor at or above which arteries are called saturated."""

FAINT_ARTERY = 2.0
"""Peak of the arterial input over that of the brain below which it counts as tissue."""

OVERSHOOT = 105.0
"""Recovery in percent above which leaked agent is said to shorten T1."""

POOR_RECOVERY = 60.0
"""Recovery in percent below which, K2 being negative, leaked agent is said to shorten T2*."""

UNRECOVERED = 0.5
"""dR2* at the end of the series over its peak above which the first pass is called clipped."""


def quality_warnings(
    times_s: Floats,
    bolus: Bolus,
    arteries: Arteries,
    numbers: Mapping[str, float | None],
    brain: Floats,
    *,
    spin_echo: bool,
) -> tuple[str, ...]:
    """Put into words what is wrong with a series.

    Args:
        times_s: (t,).
        bolus: when the bolus passes.
        arteries: the arterial input.
        numbers: what was measured.
        brain: mean dR2* of healthy brain, 1/s, (t,).
        spin_echo: whether it is a spin-echo series.
    """
    of_series = _of_series(times_s, bolus, brain, spin_echo=spin_echo)
    return (*of_series, *_of_arteries(arteries, brain), *_of_regions(numbers))


def _of_series(times_s: Floats, bolus: Bolus, brain: Floats, *, spin_echo: bool) -> tuple[str, ...]:
    baseline, interval = bolus.arrival - bolus.start, float(np.median(np.diff(times_s)))
    after = float(times_s[-1] - times_s[bolus.end])
    said = {
        f"The DSC series has {times_s.size} frames, fewer than {FEW_FRAMES}: its curves are short.": (
            times_s.size < FEW_FRAMES
        ),
        f"The DSC frames are {interval:.1f} s apart, more than {SLOW_S:g} s: the first pass is sampled coarsely.": (
            interval > SLOW_S
        ),
        f"The DSC baseline has {baseline} frames, fewer than {SHORT_BASELINE}: all perfusion values are noisier.": (
            baseline < SHORT_BASELINE
        ),
        "The DSC series ends within the first pass: blood volume and leakage are uncertain, recovery is unknown.": (
            brain[-1] > UNRECOVERED * brain[bolus.peak] or bolus.end == times_s.size - 1
        ),
        f"The DSC series ends {after:.0f} s after the first pass: leakage is uncertain.": 0 < after < 15,
        "The DSC series is a spin-echo series: it is sensitive to capillaries, and hardly to arteries.": spin_echo,
    }
    return tuple(sentence for sentence, holds in said.items() if holds)


def _of_arteries(arteries: Arteries, brain: Floats) -> tuple[str, ...]:
    height = float(arteries.input.delta_r2.max() / brain.max())
    said = {
        f"{100 * arteries.saturated:.0f} % of arterial voxels reach the noise floor: the arterial input is cut off.": (
            arteries.saturated >= MANY_SATURATED
        ),
        f"The arterial input is only {height:.1f} times as high as the brain's mean curve: it holds much tissue.": (
            height < FAINT_ARTERY
        ),
    }
    return tuple(sentence for sentence, holds in said.items() if holds)


def _of_regions(numbers: Mapping[str, float | None]) -> tuple[str, ...]:
    white = numbers["white_matter_voxels"] or 0
    recovery, k2 = (_or_nan(numbers[name]) for name in ("enhancing_psr", "enhancing_k2"))
    said = {
        f"Normal-appearing white matter has {white:.0f} DSC voxels, fewer than {LITTLE_WHITE}: "
        "relative perfusion values are uncertain or missing.": white < LITTLE_WHITE,
        "Enhancing tumour recovers above its baseline: leaked contrast agent shortens T1, as it does without "
        "a preload or at a high flip angle; blood volume is corrected for it.": (
            recovery > OVERSHOOT and k2 > 0
        ),
        "Enhancing tumour recovers poorly: leaked contrast agent shortens T2*, as it does after a preload or at a "
        "low flip angle; blood volume is corrected for it.": recovery < POOR_RECOVERY and k2 < 0,
    }
    return tuple(sentence for sentence, holds in said.items() if holds)


def _or_nan(value: float | None) -> float:
    """Put NaN, of which no comparison holds, for what is not known."""
    return np.nan if value is None else value
