"""A single-voxel measurement as a scanner makes it: transients of several coils with all that disturbs them.

The spin systems are those of the fit, so a fit of simulated spectra is a test of the software. What the fit does not
know: the couplings of 2HG are those of another published table, there are metabolites that the fit does not have, every
metabolite decays in a time of its own, macromolecules have other shifts, widths and ratios, and there are drift, phase
noise, eddy currents and residual water.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from gliotype.measure.mrs.basis import BROAD, EDIT_PPM, EDITED_BROAD, BroadLine, broad_fid, events
from gliotype.measure.mrs.evolve import Lines, lines_of
from gliotype.measure.mrs.fit import spectrum_of
from gliotype.measure.mrs.relaxation import WATER, shorter, t2_s
from gliotype.measure.mrs.spins import METABOLITES, TWO_HG, SpinSystem
from gliotype.mrs import PROTON_MHZ_PER_T, Complexes, Floats, MrsSequence, MrsSeries, Timing
from gliotype.simulate.mrs.unmodelled import UNMODELLED
from gliotype.volume import Grid

BROAD_T2_MS = 30.0
T2_SPREAD = 0.12
"""Of each metabolite's T2 in one voxel, relative."""

WATER_MM = 43_000.0
"""Of tumour tissue."""

OTHER_TABLE = SpinSystem(
    (4.022, 1.825, 1.977, 2.221, 2.272),
    (
        (0, 1, 7.0),
        (0, 2, 4.1),
        (1, 2, -14.0),
        (1, 3, 5.3),
        (1, 4, 10.6),
        (2, 3, 10.4),
        (2, 4, 6.0),
        (3, 4, -15.0),
    ),
)
"""2HG with the couplings of Choi C 2012 as another implementation assigns them."""


MOLECULES: Mapping[str, tuple[SpinSystem, ...]] = MappingProxyType({**METABOLITES, **UNMODELLED})
"""Everything that gives narrow lines."""

BROAD_SHIFT_PPM, BROAD_RATIO = 0.015, 0.25
"""Spread of the shift of each broad line, and of the logarithm of its part of the signal."""


@dataclass(frozen=True)
class Conditions:
    """How a measurement is disturbed.

    Attributes:
        fwhm_hz: width of singlets.
        snr: height of the tallest singlet over the noise of the average.
        drift_hz: of the frequency, from the first to the last transient.
        phase_noise: of each transient, radians.
        eddy: phase in radians by which eddy currents turn the signal at first; it decays within 30 ms.
        residual_water: its signal over that of one mM of protons.
        spoiled: how many transients motion spoils.
        coils: receiver coils.
        transients: of each condition of editing.
    """

    fwhm_hz: float = 6.0
    snr: float = 25.0
    drift_hz: float = 2.0
    phase_noise: float = 0.1
    eddy: float = 0.4
    residual_water: float = 60.0
    spoiled: int = 0
    coils: int = 1
    transients: int = 16


@lru_cache(maxsize=128)
def _lines(name: str, timing: Timing, frequency_mhz: float, edited: bool) -> Lines:
    systems = (OTHER_TABLE,) if name == TWO_HG else MOLECULES[name]
    return lines_of(systems, events(timing, edit_ppm=EDIT_PPM if edited else None), frequency_mhz)


def acquire(
    rng: np.random.Generator,
    concentrations: Mapping[str, float],
    timing: Timing,
    field_t: float,
    conditions: Conditions,
    *,
    voxel: Grid | None = None,
    points: int = 2048,
    dwell_s: float | None = None,
    water: bool = True,
) -> MrsSeries:
    """Simulate a measurement.

    Args:
        rng: source of randomness.
        concentrations: mM, as `draw_concentrations` returns them.
        timing: sequence and echo time.
        field_t: field strength in tesla.
        conditions: what disturbs it.
        voxel: the measured box.
        points: of each FID.
        dwell_s: time between two of them; by default for a band of 2 kHz at 3 T.
        water: whether a reference without water suppression is acquired.
    """
    mhz = round(PROTON_MHZ_PER_T * field_t, 3)
    dwell = dwell_s or 0.0005 * 3.0 / field_t
    time = np.asarray(dwell * np.arange(points), dtype=np.float64)
    shape = _line_shape(time, conditions.fwhm_hz)
    drawn = _Decays.drawn(rng, field_t)
    edits = (True, False) if timing.sequence is MrsSequence.MEGA else (False,)
    clean = [_clean(concentrations, timing, mhz, time, edited, drawn) * shape for edited in edits]
    height = float(spectrum_of(clean[-1], dwell, mhz)[1].real[_upfield(points, dwell, mhz)].max())
    noise = height / conditions.snr / dwell / np.sqrt(points)
    sensitivity = rng.standard_normal(conditions.coils) + 1j * rng.standard_normal(conditions.coils)
    sensitivity /= np.linalg.norm(sensitivity)
    eddy = conditions.eddy * np.exp(-time / 0.03)
    fids = np.empty((points, conditions.coils, conditions.transients, len(edits)), np.complex128)
    total = conditions.transients * len(edits)
    spoiled = set(rng.choice(total, conditions.spoiled, replace=False).tolist())
    residual = conditions.residual_water * np.exp(1j * rng.uniform(-np.pi, np.pi))
    residual_hz = rng.uniform(-4, 4)
    start = rng.uniform(-3, 3)
    for n in range(total):
        condition, transient = n % len(edits), n // len(edits)
        hertz = start + conditions.drift_hz * (n / max(total - 1, 1) - 0.5) + 0.1 * rng.standard_normal()
        phase = 0.6 + conditions.phase_noise * rng.standard_normal()
        signal = clean[condition] + residual * np.exp(2j * np.pi * residual_hz * time) * shape * np.exp(
            -time / 0.05
        )
        if n in spoiled:
            signal = signal * np.exp(-time / 0.02) * 0.4
            phase += 1.5
        signal = signal * np.exp(1j * (phase + 2 * np.pi * hertz * time + eddy))
        spread = noise * np.sqrt(total / len(edits))
        fids[:, :, transient, condition] = signal[:, None] * sensitivity + spread * _complex_noise(
            rng, (points, conditions.coils)
        )
    reference = None
    if water:
        decay = np.exp(-(timing.te_ms / 1000 + time) / t2_s(WATER, field_t))
        unsuppressed = 2 * WATER_MM * decay * shape * np.exp(1j * (0.6 + eddy + 2 * np.pi * start * time))
        reference = unsuppressed[:, None] * sensitivity + noise * _complex_noise(
            rng, (points, conditions.coils)
        )
    return MrsSeries(
        fids=fids,
        dwell_s=dwell,
        frequency_mhz=mhz,
        timing=timing,
        tr_ms=2500.0,
        voxel=voxel,
        water=reference,
        water_dwell_s=None if reference is None else dwell,
    )


@dataclass(frozen=True)
class _Decays:
    """What one voxel draws about how its signals decay."""

    t2_s: Mapping[str, float]
    broad_t2_s: float
    broad: Mapping[str, tuple[BroadLine, ...]]

    @classmethod
    def drawn(cls, rng: np.random.Generator, field_t: float) -> _Decays:
        t2 = {
            name: t2_s(name, field_t) * float(np.exp(T2_SPREAD * rng.standard_normal())) for name in MOLECULES
        }
        broad = {
            name: tuple(_varied(rng, line) for line in lines)
            for name, lines in {**BROAD, **EDITED_BROAD}.items()
        }
        return cls(t2, shorter(field_t) * BROAD_T2_MS / 1000, broad)


def _clean(
    concentrations: Mapping[str, float],
    timing: Timing,
    mhz: float,
    time: Floats,
    edited: bool,
    drawn: _Decays,
) -> Complexes:
    """Add up the signals of everything in the voxel, with the decay of each."""
    total = np.zeros(len(time), np.complex128)
    dwell = float(time[1])
    for name in MOLECULES:
        fid = _lines(name, timing, mhz, edited).fid(len(time), dwell)
        total += (
            concentrations.get(name, 0.0) * np.exp(-(timing.te_ms / 1000 + time) / drawn.t2_s[name]) * fid
        )
    # In the edited condition the 3 ppm line of macromolecules is refocused, in the other it is not.
    for name, lines in drawn.broad.items():
        if name in EDITED_BROAD and not edited:
            continue
        wide = tuple(_suppressed(line) for line in lines) if edited else lines
        decay = np.exp(-timing.te_ms / 1000 / drawn.broad_t2_s)
        total += concentrations.get(name, 0.0) * decay * broad_fid(wide, time, mhz)
    return total


def _varied(rng: np.random.Generator, line: BroadLine) -> BroadLine:
    """Vary shift, width and strength of a broad line between patients."""
    return BroadLine(
        ppm=line.ppm + BROAD_SHIFT_PPM * rng.standard_normal(),
        width_ppm=line.width_ppm * float(rng.uniform(0.85, 1.25)),
        protons=line.protons * float(np.exp(BROAD_RATIO * rng.standard_normal())),
    )


def _suppressed(line: BroadLine) -> BroadLine:
    """Leave out a broad line that the editing pulse hits."""
    return replace(line, protons=0.0) if abs(line.ppm - EDIT_PPM) < 0.25 else line


def _line_shape(time: Floats, fwhm_hz: float) -> Floats:
    """Return the decay of inhomogeneity: mostly Gaussian, so that a singlet has about the width asked for."""
    lorentz = 0.25 * fwhm_hz
    natural = 2.0
    rest = max(fwhm_hz - 0.5346 * (lorentz + natural), 1.0)
    gauss = np.sqrt(max(rest**2 - 0.2166 * (lorentz + natural) ** 2, 0.25))
    return np.asarray(np.exp(-np.pi * lorentz * time - (np.pi * gauss * time) ** 2 / (4 * np.log(2))))


def _upfield(points: int, dwell: float, mhz: float) -> np.ndarray:
    ppm, _ = spectrum_of(np.zeros(points, np.complex128), dwell, mhz)
    return np.asarray((ppm > 1.9) & (ppm < 3.4))


def _complex_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Complexes:
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
