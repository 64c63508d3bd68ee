"""The density-matrix simulation against what is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.measure.mrs.basis import events
from gliotype.measure.mrs.evolve import Delay, Edit, Lines, Refocus, diagonalise, evolve, lines_of
from gliotype.measure.mrs.spins import METABOLITES, SpinSystem
from gliotype.mrs import WATER_PPM, MrsSequence, Timing

MHZ = 123.25
PRESS = Timing(MrsSequence.PRESS, 97.0, 32.0)
SLASER = Timing(MrsSequence.SLASER, 110.0)
MEGA = Timing(MrsSequence.MEGA, 68.0)
WEAK = SpinSystem((1.3, 21.3), ((0, 1, 7.0),))
"""Shifts 2,465 Hz apart, farther than in any molecule, so that the coupling is weak."""


def near(lines: Lines, ppm: float, within_hz: float = 12.0) -> complex:
    """Sum of the lines near a shift."""
    away = np.abs(lines.hertz - (ppm - WATER_PPM) * MHZ)
    return complex(lines.signal[away < within_hz].sum())


@pytest.mark.parametrize("timing", [PRESS, SLASER, MEGA])
def test_an_uncoupled_proton_is_refocused_completely_by_every_sequence(timing: Timing) -> None:
    lines = lines_of((SpinSystem((3.03,), (), 3),), events(timing), MHZ)
    assert lines.hertz == pytest.approx([(3.03 - WATER_PPM) * MHZ])
    assert lines.signal == pytest.approx([3.0 + 0j])


@pytest.mark.parametrize("te_ms", [20.0, 71.4, 97.0, 142.9, 285.7])
def test_a_weakly_coupled_pair_is_modulated_by_the_cosine_of_pi_j_te(te_ms: float) -> None:
    timing = Timing(MrsSequence.PRESS, te_ms, te_ms / 3)
    lines = lines_of((WEAK,), events(timing), MHZ)
    expected = np.cos(np.pi * 7.0 * te_ms / 1000)
    for ppm in WEAK.shifts:
        assert near(lines, ppm).real == pytest.approx(expected, abs=0.02)


def test_in_sequences_of_equal_length_the_places_of_the_pulses_do_not_matter_for_weak_coupling() -> None:
    one, other = (
        lines_of((WEAK,), events(Timing(MrsSequence.PRESS, 97.0, te1)), MHZ).fid(64, 0.0005)
        for te1 in (20.0, 60.0)
    )
    assert one == pytest.approx(other, abs=0.05)


def test_a_strongly_coupled_pair_gives_the_textbook_quartet() -> None:
    coupling, ppm = 10.0, (2.00, 2.12)
    lines = lines_of((SpinSystem(ppm, ((0, 1, coupling),)),), (), MHZ)
    apart = (ppm[1] - ppm[0]) * MHZ
    distance = np.hypot(apart, coupling)
    middle = (np.mean(ppm) - WATER_PPM) * MHZ
    places = (
        middle
        + np.array([-distance - coupling, -distance + coupling, distance - coupling, distance + coupling]) / 2
    )
    outer, inner = (1 - coupling / distance) / 2, (1 + coupling / distance) / 2
    assert lines.hertz == pytest.approx(places, abs=0.02)
    assert lines.signal.real == pytest.approx([outer, inner, inner, outer], abs=1e-6)


def test_two_protons_of_the_same_shift_give_one_line_whatever_their_coupling() -> None:
    lines = lines_of((SpinSystem((2.5, 2.5), ((0, 1, -14.0),)),), events(PRESS), MHZ)
    assert near(lines, 2.5) == pytest.approx(2.0, abs=1e-6)
    assert lines.hertz == pytest.approx(np.full(len(lines.hertz), (2.5 - WATER_PPM) * MHZ), abs=0.02)


@pytest.mark.parametrize("name", ["2HG", "Glu", "GABA", "Ins", "Lac"])
def test_states_are_orthonormal_and_give_back_the_hamiltonian(name: str) -> None:
    system = METABOLITES[name][0]
    energies, states = diagonalise(system, MHZ)
    assert states.T @ states == pytest.approx(np.eye(len(energies)), abs=1e-10)
    hamiltonian = states @ np.diag(energies) @ states.T
    assert hamiltonian == pytest.approx(hamiltonian.T, abs=1e-8)
    # The trace is that of a traceless operator, and the most aligned state has the energy of half of every coupling.
    assert np.trace(hamiltonian) == pytest.approx(0.0, abs=1e-6)
    offsets = 2 * np.pi * MHZ * (np.array(system.shifts) - WATER_PPM)
    aligned = offsets.sum() / 2 + 2 * np.pi * sum(j for _, _, j in system.couplings) / 4
    assert hamiltonian[0, 0] == pytest.approx(aligned)


@pytest.mark.parametrize("name", sorted(METABOLITES))
def test_refocusing_keeps_all_coherence_and_no_signal_exceeds_the_protons(name: str) -> None:
    for system in METABOLITES[name]:
        energies, states = diagonalise(system, MHZ)
        start, end = (evolve(system, sequence, energies, states) for sequence in ((), events(PRESS)))
        assert np.linalg.norm(end) == pytest.approx(np.linalg.norm(start))
        assert np.trace(end) == pytest.approx(0.0, abs=1e-10)
        # What is kept is of one order; with its adjoint it is a hermitian density matrix.
        whole = end + end.conj().T
        assert whole == pytest.approx(whole.conj().T)
    protons = sum(system.protons for system in METABOLITES[name])
    at_once = lines_of(METABOLITES[name], (), MHZ)
    assert at_once.signal.sum() == pytest.approx(protons, rel=1e-4)
    assert abs(lines_of(METABOLITES[name], events(PRESS), MHZ).fid(2048, 0.0005)).max() <= protons + 1e-6


def test_an_edited_partner_is_refocused_and_an_edited_proton_itself_is_lost() -> None:
    on, off = (lines_of((WEAK,), events(MEGA, edit_ppm=ppm), MHZ) for ppm in (1.3, 7.5))
    assert near(on, 21.3).real == pytest.approx(1.0, abs=0.02)
    assert near(off, 21.3).real == pytest.approx(np.cos(np.pi * 7.0 * 0.068), abs=0.02)
    assert abs(near(on, 1.3)) < 0.02
    singlet = (SpinSystem((1.9,), (), 3),)
    assert abs(lines_of(singlet, events(MEGA, edit_ppm=1.9), MHZ).signal).sum() < 1e-6


def test_a_pulse_that_turns_nothing_changes_nothing() -> None:
    sequence = (Delay(0.01), Refocus(), Delay(0.02), Refocus(), Delay(0.01))
    idle = (Delay(0.01), Refocus(), Delay(0.02), Edit(9.0, 0.1), Refocus(), Delay(0.01))
    one, other = (lines_of((WEAK,), each, MHZ).fid(128, 0.0005) for each in (sequence, idle))
    assert one == pytest.approx(other)


def test_the_signal_over_time_is_the_sum_of_the_lines() -> None:
    rng = np.random.default_rng(0)
    lines = Lines(rng.uniform(-900, 900, 7), rng.standard_normal(7) + 1j * rng.standard_normal(7))
    time = 0.0004 * np.arange(301)
    direct = (lines.signal[:, None] * np.exp(2j * np.pi * lines.hertz[:, None] * time)).sum(axis=0)
    assert lines.fid(301, 0.0004) == pytest.approx(direct)
