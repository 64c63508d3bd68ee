"""Basis spectra of metabolites, macromolecules and lipids for a sequence, a field and a sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from gliotype.errors import InputError
from gliotype.measure.mrs.evolve import Delay, Edit, Event, Lines, Refocus, lines_of
from gliotype.measure.mrs.relaxation import t2_s
from gliotype.measure.mrs.spins import METABOLITES
from gliotype.mrs import PROTON_MHZ_PER_T, WATER_PPM, Complexes, Floats, MrsSequence, Timing

DEFAULT_TE1_MS: Mapping[float, float] = MappingProxyType({97.0: 32.0})
"""First echo time of PRESS, where the file does not say it, by echo time: that of the published 2HG protocol."""

SHORT_TE1_MS = 14.0
"""First echo time of any other sequence with two refocusing pulses: about the shortest that scanners do."""

EDIT_PPM = 1.9
"""Where the editing pulses of MEGA-PRESS act: on H3 of 2HG, to which the observed H2 is coupled."""

EDIT_WIDTH_PPM = 0.47
"""Full width of the editing pulses; 60 Hz at 3 T."""

EDIT_OFF_PPM = 7.5
"""Where the editing pulses act in the other condition; nothing that is fitted is near."""


def events(timing: Timing, *, edit_ppm: float | None = None) -> tuple[Event, ...]:
    """List pulses and delays from the excitation to the start of the acquisition.

    Args:
        timing: sequence and echo time.
        edit_ppm: where the editing pulses of MEGA-PRESS act; `EDIT_OFF_PPM` if None.

    Raises:
        InputError: for a sequence that is not simulated, or a first echo time that does not fit.

    Example:
        >>> events(Timing(MrsSequence.PRESS, 97.0, 32.0))[0]
        Delay(seconds=0.016)
    """
    te = timing.te_ms / 1000
    if timing.sequence is MrsSequence.SLASER:
        quarter = Delay(te / 4)
        return (Delay(te / 8), *(Refocus(), quarter) * 3, Refocus(), Delay(te / 8))
    if timing.sequence not in (MrsSequence.PRESS, MrsSequence.MEGA):
        raise InputError(
            f"{timing.sequence} is not simulated: give a spectrum of PRESS, sLASER or MEGA-PRESS"
        )
    te1 = first_echo_ms(timing) / 1000
    if not 0 < te1 < te:
        raise InputError(
            f"the first echo time of {1000 * te1:g} ms does not fit into {timing.te_ms:g} ms: check it"
        )
    if timing.sequence is MrsSequence.PRESS:
        return (Delay(te1 / 2), Refocus(), Delay(te / 2), Refocus(), Delay((te - te1) / 2))
    edit = Edit(EDIT_OFF_PPM if edit_ppm is None else edit_ppm, EDIT_WIDTH_PPM)
    quarter = Delay(te / 4)
    return (
        Delay(te1 / 2),
        Refocus(),
        quarter,
        edit,
        quarter,
        Refocus(),
        quarter,
        edit,
        Delay(te / 4 - te1 / 2),
    )


def first_echo_ms(timing: Timing) -> float:
    """Return the first echo time: as the file says, else as the protocol of this echo time has it."""
    if timing.te1_ms is not None:
        return timing.te1_ms
    known = DEFAULT_TE1_MS.get(timing.te_ms) if timing.sequence is MrsSequence.PRESS else None
    return known or min(SHORT_TE1_MS, 0.4 * timing.te_ms)


@lru_cache(maxsize=64)
def metabolite_lines(name: str, timing: Timing, frequency_mhz: float, edit_ppm: float | None = None) -> Lines:
    """Simulate the lines of one metabolite at the start of the acquisition."""
    return lines_of(METABOLITES[name], events(timing, edit_ppm=edit_ppm), frequency_mhz)


@dataclass(frozen=True)
class BroadLine:
    """One line of macromolecules or lipids, Gaussian.

    Attributes:
        ppm: chemical shift.
        width_ppm: full width at half maximum.
        protons: its part of the signal.
    """

    ppm: float
    width_ppm: float
    protons: float


BROAD: Mapping[str, tuple[BroadLine, ...]] = MappingProxyType(
    {
        "MM09": (BroadLine(0.91, 0.14, 3.0),),
        "MM12": (BroadLine(1.21, 0.15, 2.0),),
        "MM14": (BroadLine(1.43, 0.17, 2.0),),
        "MM17": (BroadLine(1.67, 0.15, 2.0),),
        "MM20": (
            BroadLine(2.08, 0.15, 1.33),
            BroadLine(2.25, 0.20, 0.33),
            BroadLine(1.95, 0.15, 0.33),
            BroadLine(3.00, 0.20, 0.40),
        ),
        "Lip09": (BroadLine(0.89, 0.14, 3.0),),
        "Lip13": (BroadLine(1.28, 0.12, 2.0),),
        "Lip20": (BroadLine(2.04, 0.15, 1.33), BroadLine(2.25, 0.15, 0.67), BroadLine(2.80, 0.20, 0.87)),
    }
)
"""Macromolecules and lipids as lines: shifts and widths as Provencher's LCModel manual lists them."""

EDITED_BROAD: Mapping[str, tuple[BroadLine, ...]] = MappingProxyType({"MM30": (BroadLine(3.00, 0.20, 2.0),)})
"""What of macromolecules a difference spectrum with editing at 1.9 ppm holds: lysine, coupled to 1.7 ppm."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Basis signals.

    Attributes:
        names: of metabolites, then of macromolecules and lipids.
        fids: (names, points), in protons; metabolites decay from the echo on with their own T2.
        metabolites: how many of the names are metabolites.
    """

    names: tuple[str, ...]
    fids: Complexes
    metabolites: int

    def index(self, name: str) -> int:
        """Return the place of a name."""
        return self.names.index(name)


@lru_cache(maxsize=16)
def basis(
    timing: Timing, frequency_mhz: float, points: int, dwell_s: float, *, difference: bool = False
) -> Basis:
    """Simulate, or take from the cache, the basis of a measurement.

    Args:
        timing: sequence and echo time.
        frequency_mhz: of the scanner.
        points: of the FID.
        dwell_s: time between two of them.
        difference: of MEGA-PRESS, edit-on minus edit-off instead of edit-off.

    Raises:
        InputError: for a sequence that is not simulated.
    """
    fids = []
    time = np.asarray(dwell_s * np.arange(points), dtype=np.float64)
    for name in METABOLITES:
        fid = metabolite_lines(name, timing, frequency_mhz).fid(points, dwell_s)
        if difference:
            fid = metabolite_lines(name, timing, frequency_mhz, EDIT_PPM).fid(points, dwell_s) - fid
        fids.append(fid * np.exp(-time / t2_s(name, frequency_mhz / PROTON_MHZ_PER_T)))
    broad = EDITED_BROAD if difference else BROAD
    fids += [broad_fid(lines, time, frequency_mhz) for lines in broad.values()]
    stacked = np.array(fids)
    stacked.flags.writeable = False
    return Basis((*METABOLITES, *broad), stacked, len(METABOLITES))


def broad_fid(lines: tuple[BroadLine, ...], time_s: Floats, frequency_mhz: float) -> Complexes:
    """Return the signal of macromolecules or lipids over time."""
    total = np.zeros(len(time_s), np.complex128)
    for line in lines:
        decay = np.exp(-((np.pi * line.width_ppm * frequency_mhz * time_s) ** 2) / (4 * np.log(2)))
        total += line.protons * decay * np.exp(2j * np.pi * frequency_mhz * (line.ppm - WATER_PPM) * time_s)
    return total
