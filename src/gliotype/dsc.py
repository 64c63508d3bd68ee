"""The values of perfusion MRI by dynamic susceptibility contrast (DSC); all frozen.

    Study -> DscSeries (prepare) -> Perfusion (measure) -> Finding (predictors)

A DSC series stays on its own grid: `DscSeries` brings the transform, and masks are moved to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gliotype.volume import Matrix, Volume

Floats = NDArray[np.float64]


MIN_FRAME_S, MAX_FRAME_S = 0.2, 20.0
"""Time between the frames of a series that can show a bolus."""

MIN_FRAME_TR = 0.8
"""A frame takes at least one repetition time, less what rounding takes from a clock."""

FEWEST_FRAMES = 20
"""A series with fewer frames cannot show baseline, bolus and recovery."""


class Region(StrEnum):
    """Regions whose mean curve is taken."""

    ENHANCING = "enhancing"
    NON_ENHANCING = "non_enhancing"
    OEDEMA = "oedema"
    WHOLE = "whole"
    WHITE_MATTER = "white_matter"
    """Normal-appearing white matter, to which perfusion is normalised."""


TUMOUR_REGIONS: tuple[Region, ...] = (Region.ENHANCING, Region.NON_ENHANCING, Region.OEDEMA, Region.WHOLE)
"""The regions of the tumour, in the order in which the perfusion network takes them."""


@dataclass(frozen=True, eq=False)
class DscSeries:
    """A DSC series ready to measure: its frames in order, corrected for motion, on its own grid.

    Attributes:
        signal: float32 (i, j, k, t), scanner units, on the grid as acquired.
        times_s: of each frame from the first, rising.
        te_ms: echo time.
        tr_ms: repetition time, or None.
        flip_angle_deg: flip angle, or None.
        field_t: field strength in tesla, or None.
        spin_echo: whether it is a spin-echo series (gradient echo otherwise).
        brain: boolean mask of the brain on the same grid (3D).
        dsc_from_prepared: rigid transform, world of the prepared grid to that of the series (RAS mm).
        displacement_mm: how far each frame was moved, at most, within the brain.
        warnings: what went less than well, one sentence each.
    """

    signal: Volume
    times_s: Floats
    te_ms: float
    tr_ms: float | None
    flip_angle_deg: float | None
    field_t: float | None
    spin_echo: bool
    brain: Volume
    dsc_from_prepared: Matrix
    displacement_mm: Floats
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bolus:
    """When the bolus passes: indices of frames, all from the first frame of the series.

    Attributes:
        start: first frame of the baseline (frames before it have not reached the steady state).
        arrival: first frame in which contrast agent is seen; the baseline ends before it.
        peak: frame of the largest dR2* of the brain.
        end: last frame of the first pass.
    """

    start: int
    arrival: int
    peak: int
    end: int


@dataclass(frozen=True, eq=False)
class ArterialInput:
    """The arterial input function.

    Attributes:
        delta_r2: mean dR2* of the arterial voxels in 1/s, (t,).
        voxels: boolean mask of the voxels taken, of the shape of the analysed voxels.
        given: whether the caller named the voxels.
    """

    delta_r2: Floats
    voxels: NDArray[np.bool_]
    given: bool = False


@dataclass(frozen=True, eq=False)
class RegionCurve:
    """The mean curve of a region.

    Attributes:
        relative_signal: mean of S/S0 over the region's voxels, (t,).
        voxels: how many.
    """

    relative_signal: Floats
    voxels: int


@dataclass(frozen=True, eq=False)
class Perfusion:
    """What was measured of a DSC series.

    Attributes:
        times_s: of each frame from the first, (t,).
        te_ms: echo time.
        bolus: when it passes.
        arterial: the arterial input function.
        curves: of each region that has voxels enough.
        maps: by name, on the grid of the series: ``rcbv`` (leakage-corrected) and ``rcbv_uncorrected`` and ``cbf``
            (white matter is 1), ``k2`` (1/s), ``psr`` (%), ``ttp`` (s from arrival), ``fwhm`` (s), ``mtt`` (s).
            NaN where nothing was measured.
        numbers: of the tumour, by name; None where they cannot be computed.
        warnings: one sentence each.
    """

    times_s: Floats
    te_ms: float
    bolus: Bolus
    arterial: ArterialInput
    curves: Mapping[Region, RegionCurve]
    maps: Mapping[str, Volume] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Attention:
    """When in the bolus a method looked.

    Attributes:
        times_s: from the bolus' arrival, (t,).
        weight: fraction of the attention that each time got, (t,), adding up to 1.
        phases: name of the phase in which each time lies, (t,).
    """

    times_s: Floats
    weight: Floats
    phases: tuple[str, ...]
