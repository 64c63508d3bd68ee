"""The basis against published spectra and their modulation with the echo time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.measure.mrs.basis import BROAD, basis, events, first_echo_ms, metabolite_lines
from gliotype.measure.mrs.fit import spectrum_of
from gliotype.measure.mrs.spins import METABOLITES
from gliotype.mrs import MrsSequence, Timing

MHZ, DWELL = 127.73, 0.0005
PRESS_97 = Timing(MrsSequence.PRESS, 97.0, 32.0)
MEGA = Timing(MrsSequence.MEGA, 68.0)
MARSS = Path(__file__).with_name("marss_2hg_press30.csv")
"""First 192 points of 2HG, GE PRESS TE 30 ms, 127.73 MHz, 0.4 ms, from https://github.com/mr-science-lab/mrs-basis-sets
(BSD-2-Clause, Landheer, Swanberg and Juchem 2019), rounded. That basis was made with shaped pulses in 128^3 places."""


def spectrum(
    name: str, timing: Timing, *, difference: bool = False, hertz: float = 5.0
) -> tuple[np.ndarray, np.ndarray]:
    """Real part of a basis spectrum with a Lorentzian width."""
    made = basis(timing, MHZ, 2048, DWELL, difference=difference)
    decay = np.exp(-np.pi * hertz * DWELL * np.arange(2048))
    ppm, found = spectrum_of(made.fids[made.index(name)] * decay, DWELL, MHZ)
    return ppm, found.real


def tallest(
    name: str, timing: Timing, low: float, high: float, *, difference: bool = False, hertz: float = 5.0
) -> tuple[float, float]:
    """Shift and height of the point that is farthest from 0 within a range."""
    ppm, found = spectrum(name, timing, difference=difference, hertz=hertz)
    inside = (ppm >= low) & (ppm <= high)
    best = np.abs(found[inside]).argmax()
    return float(ppm[inside][best]), float(found[inside][best])


def test_2hg_agrees_with_the_published_basis_of_shaped_pulses() -> None:
    pairs = np.loadtxt(MARSS, delimiter=",").reshape(-1, 2)
    published = pairs[:, 0] - 1j * pairs[:, 1]
    timing = Timing(MrsSequence.PRESS, 30.0)
    ours = metabolite_lines("2HG", timing, MHZ).fid(len(published), 0.0004)
    ours = ours * np.exp(-np.pi * 5.0 * 0.0004 * np.arange(len(published)))
    other = published * np.exp(-np.pi * 5.0 * 0.0004 * np.arange(len(published)))
    correlation = abs(np.vdot(ours, other)) / np.linalg.norm(ours) / np.linalg.norm(other)
    assert correlation >= 0.96
    # Another molecule, or the mirrored spectrum, does not agree.
    for wrong in (ours.conj(), metabolite_lines("Glu", timing, MHZ).fid(len(published), 0.0004)):
        assert abs(np.vdot(wrong, other)) / np.linalg.norm(wrong) / np.linalg.norm(other) < 0.8


def test_2hg_has_its_published_peak_at_2_25_ppm_at_te_97() -> None:
    shift, height = tallest("2HG", PRESS_97, 1.7, 2.6)
    assert shift == pytest.approx(2.25, abs=0.01)
    assert height > 0
    # The other multiplets are weak there: that is why the protocol reads this one.
    _, others = tallest("2HG", PRESS_97, 1.7, 2.1)
    assert abs(others) < 0.6 * height


def test_at_te_97_the_peak_of_2hg_is_taller_against_glutamate_than_at_te_30() -> None:
    short = Timing(MrsSequence.PRESS, 30.0)
    ratios = []
    for timing in (short, PRESS_97):
        ppm, two_hg = spectrum("2HG", timing)
        _, glutamate = spectrum("Glu", timing)
        at = int(np.abs(ppm - 2.25).argmin())
        ratios.append(two_hg[at] / np.abs(glutamate[(ppm > 2.2) & (ppm < 2.3)]).max())
    assert ratios[1] > 1.2 * ratios[0]


@pytest.mark.parametrize(("te_ms", "sign"), [(30.0, 1), (144.0, -1), (288.0, 1)])
def test_the_doublet_of_lactate_is_inverted_at_te_144_and_upright_at_288(te_ms: float, sign: int) -> None:
    shift, height = tallest("Lac", Timing(MrsSequence.PRESS, te_ms, te_ms / 2), 1.2, 1.4)
    assert shift == pytest.approx(1.31, abs=0.04)
    assert sign * height > 0


def test_the_difference_spectrum_shows_2hg_at_4_02_and_glutamate_at_3_75_upright_and_naa_inverted() -> None:
    shift, height = tallest("2HG", MEGA, 3.9, 4.2, difference=True, hertz=12.0)
    assert 4.0 <= shift <= 4.06
    assert height > 0
    assert tallest("Glu", MEGA, 3.6, 3.9, difference=True)[1] > 0
    assert tallest("GABA", MEGA, 2.9, 3.1, difference=True)[1] > 0
    assert tallest("NAA", MEGA, 1.9, 2.1, difference=True)[1] < 0
    for untouched in ("Cr", "Gly"):
        _, height = tallest(untouched, MEGA, 2.9, 4.0, difference=True)
        assert abs(height) < 1e-6


def test_a_basis_is_made_once_and_cannot_be_written_to() -> None:
    one, other = (basis(PRESS_97, MHZ, 1024, DWELL) for _ in range(2))
    assert one is other
    assert one.names == (*METABOLITES, *BROAD)
    assert not one.fids.flags.writeable


def test_first_echo_times_are_the_files_else_those_of_the_protocol() -> None:
    assert first_echo_ms(Timing(MrsSequence.PRESS, 97.0)) == 32.0
    assert first_echo_ms(Timing(MrsSequence.PRESS, 97.0, 40.0)) == 40.0
    assert first_echo_ms(Timing(MrsSequence.PRESS, 30.0)) == pytest.approx(12.0)
    total = sum(event.seconds for event in events(MEGA) if hasattr(event, "seconds"))
    assert total == pytest.approx(0.068)


def test_a_sequence_that_is_not_simulated_and_an_impossible_echo_time_are_refused() -> None:
    with pytest.raises(InputError, match="STEAM is not simulated"):
        events(Timing(MrsSequence.STEAM, 20.0))
    with pytest.raises(InputError, match="does not fit into 30 ms"):
        events(Timing(MrsSequence.PRESS, 30.0, 32.0))
