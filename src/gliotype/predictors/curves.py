"""What the perfusion network sees: the curves of a patient's regions and of the arteries, aligned to the bolus.

The same input is built here for training and for use. Curves are dR2*, divided by the mean of white matter's over
the first pass, so that echo time, dose and field strength fall out to first order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import TUMOUR_REGIONS, Perfusion, Region
from gliotype.measure.dsc import VoxelPerfusion

POINTS = 60
STEP_S = 1.5
BEFORE_S = 12.0
"""The input begins this long before the bolus arrives."""

CHANNELS: tuple[str, ...] = (
    *(region.value for region in TUMOUR_REGIONS),
    Region.WHITE_MATTER.value,
    "arterial",
    *(f"has {region.value}" for region in TUMOUR_REGIONS),
    "measured",
)
"""Order of the input's channels: curves, which regions there are (0 or 1), and which times were measured (0 or 1)."""

CURVES = len(TUMOUR_REGIONS) + 2
"""So many channels, the first ones, are curves."""

TIMES_S: NDArray[np.float64] = STEP_S * np.arange(POINTS, dtype=np.float64) - BEFORE_S
"""Of each point, from the bolus' arrival."""

LIMIT = 12.0
"""Curves are clipped to this in either direction."""

MIN_SIGNAL = 0.02
"""Smallest S/S0 whose logarithm is taken."""


def curves_of(perfusion: Perfusion | VoxelPerfusion) -> NDArray[np.float32]:
    """Build the network's input.

    Args:
        perfusion: with a curve of white matter and of the whole tumour (see `lacking`).

    Returns:
        float32 array (11, 60): `CHANNELS` by `TIMES_S`; 0 where a region is missing or a time was not measured.

    Raises:
        ValueError: if `lacking` gives a reason.
    """
    if reason := lacking(perfusion):
        raise ValueError(reason)
    bolus, times = perfusion.bolus, perfusion.times_s
    curves = {
        region: -np.log(np.maximum(curve.relative_signal, MIN_SIGNAL)) / (perfusion.te_ms / 1000)
        for region, curve in perfusion.curves.items()
    }
    unit = _white_level(perfusion, curves[Region.WHITE_MATTER])
    arterial = perfusion.arterial.delta_r2 / float(perfusion.arterial.delta_r2.max())
    at = TIMES_S + times[bolus.arrival]
    measured = (at >= times[bolus.start]) & (at <= times[-1])
    stack = np.zeros((len(CHANNELS), POINTS), np.float32)
    for channel, region in enumerate((*TUMOUR_REGIONS, Region.WHITE_MATTER)):
        if region in curves:
            stack[channel] = np.clip(np.interp(at, times, curves[region]) / unit, -LIMIT, LIMIT)
    stack[CURVES - 1] = np.interp(at, times, arterial)
    for channel, region in enumerate(TUMOUR_REGIONS, start=CURVES):
        stack[channel] = region in curves
    stack[-1] = 1.0
    return np.where(measured, stack, 0).astype(np.float32)


def lacking(perfusion: Perfusion | VoxelPerfusion) -> str:
    """Return what is missing for an input, or an empty string.

    Example:
        >>> from gliotype.dsc import ArterialInput, Bolus
        >>> arterial = ArterialInput(np.zeros(3), np.zeros(1, bool))
        >>> lacking(Perfusion(np.arange(3.0), 30.0, Bolus(0, 1, 2, 2), arterial, {}))
        'the perfusion series does not cover the tumour'
    """
    if Region.WHOLE not in perfusion.curves:
        return "the perfusion series does not cover the tumour"
    if Region.WHITE_MATTER not in perfusion.curves:
        return "there is too little normal-appearing white matter to compare with"
    white = perfusion.curves[Region.WHITE_MATTER].relative_signal
    if _white_level(perfusion, -np.log(np.maximum(white, MIN_SIGNAL))) <= 0:
        return "no bolus is seen in white matter"
    return "" if perfusion.arterial.delta_r2.max() > 0 else "no arterial input function was found"


def _white_level(perfusion: Perfusion | VoxelPerfusion, white: NDArray[np.float64]) -> float:
    """Mean of white matter's curve over the first pass."""
    return float(white[perfusion.bolus.arrival : perfusion.bolus.end + 1].mean())
