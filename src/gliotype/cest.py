"""The values of a CEST series: what was saturated where, the normalised Z-spectra, and what was measured of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliotype.volume import Matrix, Volume

UNSATURATED = math.inf
"""Offset of a frame without saturation."""

REFERENCE_PPM = 20.0
"""At or beyond this offset a frame serves as the unsaturated reference."""

PROTON_MHZ_PER_T = 42.577
"""Larmor frequency of the proton."""


def is_reference(offset_ppm: float) -> bool:
    """Whether a frame of an offset serves as the unsaturated reference.

    Example:
        >>> is_reference(UNSATURATED), is_reference(-300.0), is_reference(3.5)
        (True, True, False)
    """
    return abs(offset_ppm) >= REFERENCE_PPM


@dataclass(frozen=True)
class Saturation:
    """How the frames of a series were saturated; what the files do not say is None.

    Attributes:
        offsets_ppm: of each frame from water; `UNSATURATED` for a frame without saturation. Empty if they are unknown.
        b1_ut: amplitude of the saturation pulses in uT.
        duration_s: of the whole saturation.
        duty_cycle: fraction of it in which a pulse is on.
        problem: why the offsets are unknown, a clause.
    """

    offsets_ppm: tuple[float, ...] = ()
    b1_ut: float | None = None
    duration_s: float | None = None
    duty_cycle: float | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class FieldReference:
    """What tells the shift of the water resonance, acquired in addition to the Z-spectra.

    Attributes:
        volume: the shift in ppm (i, j, k), or Z-spectra around water (i, j, k, t).
        offsets_ppm: of the frames; empty for a map of the shift.
    """

    volume: Volume
    offsets_ppm: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class CestSeries:
    """Z-spectra ready to measure, on their own grid.

    Attributes:
        z: signal over that of the reference, (i, j, k, offset), float32; NaN where there is no signal.
        offsets_ppm: of its frames, ascending; none is a reference.
        tissue: voxels of the brain that have signal, bool (i, j, k).
        b0_ppm: shift of the water resonance on the same grid, NaN where unknown.
        b0_source: where the shift comes from, a clause for the reader.
        saturation: as acquired.
        cest_from_prepared: transform, world of the prepared grid to that of the series (RAS mm).
    """

    z: Volume
    offsets_ppm: tuple[float, ...]
    tissue: NDArray[np.bool_]
    b0_ppm: Volume
    b0_source: str
    saturation: Saturation
    cest_from_prepared: Matrix


@dataclass(frozen=True, eq=False)
class CestMaps:
    """What was measured of the Z-spectra of a tumour.

    Attributes:
        maps: ``mtrasym_3p0`` and ``mtrasym_3p5`` in percent, and ``b0`` in ppm, float32 on the grid of the series, NaN
            where nothing was measured.
        offsets_ppm: of the spectra.
        spectra: by region, the median of the Z-spectra after correction of the shift; NaN where too few voxels have
            a value.
        b0_source: where the shift of the water resonance comes from.
        saturation: as acquired.
    """

    maps: Mapping[str, Volume]
    offsets_ppm: tuple[float, ...]
    spectra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    b0_source: str = ""
    saturation: Saturation = field(default_factory=Saturation)
