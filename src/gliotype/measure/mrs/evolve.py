"""Density matrices of coupled protons under ideal pulses, and the lines of the signal that they give.

The Hamiltonian holds the full scalar coupling, so that strongly coupled protons are exact; relaxation is left out.
Pulses act at once and everywhere in the voxel. After each pulse only the coherences are kept that the crusher gradients
keep: of order -1 and +1 in turn, so that what a selective pulse turns in part is lost as on the scanner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gliotype.measure.mrs.spins import SpinSystem
from gliotype.mrs import WATER_PPM, Complexes, Floats

MERGE_HZ = 0.01
"""Lines nearer to each other than this are one."""

FAINTEST = 1e-6
"""Lines with less signal than this, in protons, are left out."""


@dataclass(frozen=True)
class Delay:
    """Free evolution.

    Attributes:
        seconds: how long.
    """

    seconds: float


@dataclass(frozen=True)
class Refocus:
    """A pulse that turns every proton by 180 degrees."""


@dataclass(frozen=True)
class Edit:
    """A selective pulse that turns protons near a chemical shift by 180 degrees.

    Attributes:
        centre_ppm: where it turns by 180 degrees.
        width_ppm: full width at half of the angle; the angle falls off like exp(-x^4).
    """

    centre_ppm: float
    width_ppm: float

    def angle(self, shift_ppm: float) -> float:
        """Return the angle in radians by which a proton is turned.

        Example:
            >>> pulse = Edit(1.9, 0.5)
            >>> [round(float(np.degrees(pulse.angle(shift))), 1) for shift in (1.9, 2.15, 3.0)]
            [180.0, 90.0, 0.0]
        """
        away = 2 * abs(shift_ppm - self.centre_ppm) / self.width_ppm
        return float(np.pi * np.exp(-np.log(2) * away**4))


Event = Delay | Refocus | Edit


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of a spectrum.

    Attributes:
        hertz: frequency of each from water.
        signal: complex amplitude of each at the start of the acquisition, in protons.
    """

    hertz: Floats
    signal: Complexes

    def fid(self, points: int, dwell_s: float) -> Complexes:
        """Return the signal over time, without relaxation.

        Example:
            >>> Lines(np.array([0.0, 250.0]), np.array([2.0 + 0j, 1.0])).fid(3, 0.001).round(3)
            array([3.+0.j, 2.+1.j, 1.+0.j])
        """
        step = np.exp(2j * np.pi * self.hertz * dwell_s)
        # Powers of the step by doubling cost far fewer exponentials than one for each point.
        powers = np.ones((len(step), points), np.complex128)
        filled = 1
        while filled < points:
            take = min(filled, points - filled)
            powers[:, filled : filled + take] = powers[:, :take] * (step**filled)[:, None]
            filled += take
        return np.asarray(self.signal @ powers)


def lines_of(systems: Sequence[SpinSystem], events: Sequence[Event], frequency_mhz: float) -> Lines:
    """Evolve each spin system of a molecule through a sequence and collect the lines that it gives.

    Args:
        systems: of one molecule.
        events: pulses and delays after the excitation.
        frequency_mhz: of the scanner.
    """
    found = [_system_lines(system, tuple(events), frequency_mhz) for system in systems]
    hertz = np.concatenate([lines.hertz for lines in found])
    signal = np.concatenate([lines.signal for lines in found])
    return Lines(hertz, signal)


def _system_lines(system: SpinSystem, events: tuple[Event, ...], frequency_mhz: float) -> Lines:
    energies, states = diagonalise(system, frequency_mhz)
    spins = _operators(len(system.shifts))
    density = evolve(system, events, energies, states)
    received = states.conj().T @ (spins.plus @ states)
    density = states.conj().T @ density @ states
    signal = density * received.T * (4 * system.copies / len(energies))
    hertz = (energies[None, :] - energies[:, None]) / (2 * np.pi)
    kept = np.abs(signal) > FAINTEST
    return _merged(hertz[kept], signal[kept])


def _merged(hertz: Floats, signal: Complexes) -> Lines:
    _, group = np.unique(np.round(hertz / MERGE_HZ).astype(np.int64), return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    total = np.zeros(count, np.complex128)
    np.add.at(total, group, signal)
    middle = np.bincount(group, hertz, count) / np.bincount(group, minlength=count)
    strong = np.abs(total) > FAINTEST
    return Lines(middle[strong], total[strong])


def diagonalise(system: SpinSystem, frequency_mhz: float) -> tuple[Floats, Floats]:
    """Return energies (rad/s, in the frame that rotates with water) and states, as columns, of a spin system.

    States of different total spin along the field do not mix; each of these blocks is diagonalised by itself.
    """
    spins = _operators(len(system.shifts))
    offsets = 2 * np.pi * frequency_mhz * (np.array(system.shifts) - WATER_PPM)
    hamiltonian = np.diag(spins.z.T @ offsets)
    for one, other, coupling in system.couplings:
        hamiltonian = hamiltonian + 2 * np.pi * coupling * spins.scalar(one, other)
    energies, states = np.empty(len(hamiltonian)), np.zeros_like(hamiltonian)
    for total in np.unique(spins.total):
        block = np.flatnonzero(spins.total == total)
        energies[block], states[np.ix_(block, block)] = np.linalg.eigh(hamiltonian[np.ix_(block, block)])
    return energies, states


def evolve(
    system: SpinSystem,
    events: tuple[Event, ...],
    energies: Floats,
    states: Floats,
    start: Complexes | None = None,
) -> Complexes:
    """Return the density matrix, in the product basis, at the start of the acquisition.

    Args:
        system: of protons.
        events: pulses and delays.
        energies: as `diagonalise` returns them.
        states: likewise.
        start: density matrix after the excitation; magnetisation along x by default.
    """
    spins = _operators(len(system.shifts))
    order = -1 if sum(isinstance(event, Refocus) for event in events) % 2 == 0 else 1
    density = spins.x.astype(np.complex128) if start is None else start
    density = np.where(spins.order == order, density, 0)
    for event in events:
        if isinstance(event, Delay):
            propagator = (states * np.exp(-1j * energies * event.seconds)) @ states.T
        elif isinstance(event, Refocus):
            order = -order
            propagator = spins.rotation((np.pi,) * len(system.shifts))
        else:
            propagator = spins.rotation(tuple(event.angle(shift) for shift in system.shifts))
        density = propagator @ density @ propagator.conj().T
        if not isinstance(event, Delay):
            density = np.where(spins.order == order, density, 0)
    return density


@dataclass(frozen=True, eq=False)
class _Operators:
    """Spin operators of some protons in the product basis.

    Attributes:
        z: (protons, states): spin of each proton along the field.
        x: of all protons together, across the field.
        plus: raising operator of all protons together.
        total: of each state, spin along the field.
        order: of each element of a density matrix, order of coherence.
    """

    z: Floats
    x: Floats
    plus: Floats
    total: Floats
    order: Floats

    def scalar(self, one: int, other: int) -> Floats:
        """Return the scalar product of the spins of two protons."""
        states = self.z.shape[1]
        product = np.diag(self.z[one] * self.z[other])
        index = np.arange(states)
        opposite = np.flatnonzero(self.z[one] != self.z[other])
        protons = len(self.z)
        swapped = index[opposite] ^ (1 << (protons - 1 - one)) ^ (1 << (protons - 1 - other))
        product[opposite, swapped] += 0.5
        return np.asarray(product)

    def rotation(self, angles: tuple[float, ...]) -> Complexes:
        """Return the rotation of each proton by its angle about x."""
        rotation: Complexes = np.ones((1, 1), np.complex128)
        for angle in angles:
            c, s = np.cos(angle / 2), np.sin(angle / 2)
            rotation = np.kron(rotation, np.array([[c, -1j * s], [-1j * s, c]]))
        return rotation


@lru_cache(maxsize=8)
def _operators(protons: int) -> _Operators:
    states = np.arange(2**protons)
    bits = (states[None, :] >> np.arange(protons - 1, -1, -1)[:, None]) & 1
    z: Floats = np.asarray(0.5 - bits, dtype=np.float64)
    plus = np.zeros((len(states), len(states)))
    for proton in range(protons):
        down = np.flatnonzero(bits[proton] == 1)
        plus[down ^ (1 << (protons - 1 - proton)), down] = 1.0
    total: Floats = np.asarray(z.sum(axis=0), dtype=np.float64)
    return _Operators(z, (plus + plus.T) / 2, plus, total, total[:, None] - total[None, :])
