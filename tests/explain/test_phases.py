from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gliotype.explain.phases import Phase, fractions_by_phase, phases_of


@given(peak=st.floats(0.5, 30), width=st.floats(0, 40))
def test_phases_follow_each_other_in_order(peak: float, width: float) -> None:
    times = np.arange(-12.0, 78.0, 1.5)
    phases = phases_of(times, peak, peak + width)
    assert np.all(np.diff(phases) >= 0)
    assert phases[0] == list(Phase).index(Phase.BASELINE)
    assert list(Phase)[phases[np.abs(times - peak).argmin()]] is Phase.TROUGH


def test_fractions_add_up_to_one_and_nothing_has_none() -> None:
    phases = np.array([0, 1, 2, 3, 4, 5, 5])
    fractions = fractions_by_phase(np.array([1.0, 0, 0, 2, 0, 3, 4]), phases)
    assert sum(fractions.values()) == 1
    assert fractions[Phase.PLATEAU] == 0.7
    assert sum(fractions_by_phase(np.zeros(7), phases).values()) == 0
