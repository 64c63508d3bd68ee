from __future__ import annotations

import numpy as np
import pytest

from gliotype.evaluate.decisions import proportion
from gliotype.evaluate.risk import risk_at, risk_by_stratum

MUTANT = np.array([True, True, True, False, False, False, False])
PROBABILITY = np.array([0.8, 0.79, 0.2, 0.21, 0.05, 0.95, np.nan])


def test_thresholds_belong_to_the_calls_and_a_no_call_is_none() -> None:
    found = risk_at(MUTANT, PROBABILITY)
    assert (found.called_mutant, found.wrong_mutant) == (2, 1)
    assert (found.called_wildtype, found.wrong_wildtype) == (2, 1)
    assert found.coverage == proportion(4, 7)
    assert found.error == proportion(2, 4)


def test_without_a_definite_call_there_is_no_error() -> None:
    found = risk_at(MUTANT, np.full(7, 0.5))
    assert found.error is None
    assert found.coverage.value == 0


def test_strata_are_counted_apart_and_empty_ones_left_out() -> None:
    lower = np.array([True, True, False, True, False, False, False])
    found = risk_by_stratum(
        MUTANT, PROBABILITY, {"lower": lower, "none": np.full(7, False)}, low=0.1, high=0.9
    )
    assert [(each.stratum, each.n, each.mutants) for each in found] == [("all", 7, 3), ("lower", 3, 2)]
    assert found[0].error is not None
    assert found[0].error.value == pytest.approx(1 / 2)
