"""The values of single-voxel MR spectroscopy: as acquired, processed, and fitted.

    MrsSeries -> Spectrum -> SpectrumFit

Everywhere here a positive frequency is a higher chemical shift, and the frequency 0 of an FID lies at `WATER_PPM`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gliotype.volume import Grid

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

WATER_PPM = 4.65
"""Chemical shift of water at body temperature, at which the scanner's frequency is set."""

PROTON_MHZ_PER_T = 42.577
"""Gyromagnetic ratio of the proton."""


class MrsSequence(StrEnum):
    """Localisation sequences of single-voxel spectroscopy."""

    PRESS = "PRESS"
    SLASER = "sLASER"
    MEGA = "MEGA-PRESS"
    STEAM = "STEAM"


@dataclass(frozen=True)
class Timing:
    """A sequence with its echo time; the key of a basis.

    Attributes:
        sequence: of the localisation.
        te_ms: echo time.
        te1_ms: first echo time of a sequence with two refocusing pulses.

    Example:
        >>> str(Timing(MrsSequence.PRESS, 97.0, 32.0)), str(Timing(MrsSequence.SLASER, 110.0))
        ('PRESS, TE 97 ms (32 + 65)', 'sLASER, TE 110 ms')
    """

    sequence: MrsSequence
    te_ms: float
    te1_ms: float | None = None

    def __str__(self) -> str:
        """Put it into words."""
        parts = "" if self.te1_ms is None else f" ({self.te1_ms:g} + {self.te_ms - self.te1_ms:g})"
        return f"{self.sequence}, TE {self.te_ms:g} ms{parts}"


DEDICATED: tuple[tuple[MrsSequence, float], ...] = (
    (MrsSequence.PRESS, 97.0),
    (MrsSequence.SLASER, 110.0),
    (MrsSequence.MEGA, 68.0),
)
"""Sequences and echo times (ms) that were optimised for 2HG."""

NEAR_MS = 1.5
"""An echo time this near counts as that of the protocol."""


def is_dedicated(timing: Timing) -> bool:
    """Whether a sequence is one of those that were optimised for 2HG.

    Example:
        >>> is_dedicated(Timing(MrsSequence.PRESS, 97.0)), is_dedicated(Timing(MrsSequence.PRESS, 30.0))
        (True, False)
    """
    return any(timing.sequence is kind and abs(timing.te_ms - te) <= NEAR_MS for kind, te in DEDICATED)


@dataclass(frozen=True, eq=False)
class MrsSeries:
    """A single-voxel measurement as acquired.

    Attributes:
        fids: (points, coils, transients, edits), complex; averages that the scanner made are one transient.
        dwell_s: time between two points.
        frequency_mhz: of the scanner.
        timing: sequence and echo time, as identified or as the caller says; None where the echo time is unknown.
        assumed: whether nothing says which sequence it is, so that PRESS was assumed.
        nucleus: such as ``"1H"``.
        tr_ms: repetition time, or None.
        averages: scanner's averages within each transient.
        voxel: the measured box as a grid of one voxel, or None where the file does not say where it lies.
        water: (points, coils) of the same voxel without water suppression, or None.
        water_dwell_s: time between two of its points.
    """

    fids: Complexes
    dwell_s: float
    frequency_mhz: float
    timing: Timing | None
    assumed: bool = False
    nucleus: str = "1H"
    tr_ms: float | None = None
    averages: int = 1
    voxel: Grid | None = None
    water: Complexes | None = None
    water_dwell_s: float | None = None

    @property
    def field_t(self) -> float:
        """Field strength in tesla."""
        return self.frequency_mhz / PROTON_MHZ_PER_T


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A processed measurement, ready to fit.

    Attributes:
        fid: (points,); of MEGA-PRESS the edit-off condition.
        difference: (points,), edit-on minus edit-off; None for other sequences.
        dwell_s: time between two points.
        frequency_mhz: of the scanner.
        timing: sequence and echo time.
        assumed: whether nothing says which sequence it is, so that PRESS was assumed.
        tr_ms: repetition time, or None.
        transients: how many were averaged, the scanner's own averages included.
        rejected: how many transients were left out.
        drift_hz: largest minus smallest frequency over the transients; None where there is only one.
        water: signal of unsuppressed water at the time of the echo, in the units of `fid`; None without a reference.
        eddy_corrected: whether eddy currents were corrected with the water reference.
        voxel: the measured box, or None where it is unknown where it lies.
        warnings: one sentence each.
    """

    fid: Complexes
    difference: Complexes | None
    dwell_s: float
    frequency_mhz: float
    timing: Timing
    assumed: bool = False
    tr_ms: float | None = None
    transients: int = 1
    rejected: int = 0
    drift_hz: float | None = None
    water: float | None = None
    eddy_corrected: bool = False
    voxel: Grid | None = None
    warnings: tuple[str, ...] = ()

    @property
    def field_t(self) -> float:
        """Field strength in tesla."""
        return self.frequency_mhz / PROTON_MHZ_PER_T


@dataclass(frozen=True, eq=False)
class Curves:
    """A fitted spectrum as it is drawn, all phased.

    Attributes:
        ppm: chemical shift of each point, decreasing.
        measured: real part of the spectrum.
        fitted: of metabolites, macromolecules, lipids and baseline together.
        baseline: the smooth part.
        two_hg: the part of 2HG.
    """

    ppm: Floats
    measured: Floats
    fitted: Floats
    baseline: Floats
    two_hg: Floats


@dataclass(frozen=True, eq=False)
class SpectrumFit:
    """What was fitted to a spectrum.

    Attributes:
        timing: sequence and echo time.
        frequency_mhz: of the scanner.
        amplitudes: by metabolite, in the units of the FID for one proton.
        bounds: by metabolite, Cramer-Rao lower bound of the standard deviation of its amplitude.
        curves: of the spectrum from which 2HG was read.
        edited: whether `curves` is a difference spectrum.
        fwhm_ppm: full width at half maximum of a singlet.
        snr: height of the tallest of tNAA, tCr and tCho over the standard deviation of the noise.
        numbers: the measurements.
        warnings: one sentence each.
    """

    timing: Timing
    frequency_mhz: float
    amplitudes: Mapping[str, float]
    bounds: Mapping[str, float]
    curves: Curves
    edited: bool
    fwhm_ppm: float
    snr: float
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
