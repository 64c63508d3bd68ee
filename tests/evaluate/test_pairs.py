"""Every pair of methods: paired DeLong and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.evaluate.pairs import adjust_holm, compare_every_pair
from gliotype.evaluate.roc import compare_aurocs


def test_holm_gives_the_values_of_his_procedure_in_the_order_asked() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and p.adjust(c(0.5, 0.001, 0.2), "holm")
    assert adjust_holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx((0.05, 0.08, 0.09, 0.09, 0.09))
    assert adjust_holm([0.5, 0.001, 0.2]) == pytest.approx((0.5, 0.003, 0.4))
    assert adjust_holm([0.9, 0.8]) == (1.0, 1.0)
    assert adjust_holm([]) == ()


def test_holm_keeps_the_error_of_the_family() -> None:
    rng = np.random.default_rng(3)
    families = rng.uniform(size=(4000, 6))
    naive = (families.min(axis=1) < 0.05).mean()
    held = np.mean([min(adjust_holm(family)) < 0.05 for family in families])
    assert naive > 0.2
    assert held == pytest.approx(0.05, abs=0.012)


def test_a_pair_is_compared_on_the_patients_who_have_both_scores() -> None:
    rng = np.random.default_rng(1)
    mutant = np.arange(60) % 3 == 0
    first, second = mutant + rng.normal(size=60), mutant + rng.normal(size=60)
    second[40:] = np.nan
    (pair,) = compare_every_pair(mutant, {"first": first, "second": second})
    assert (pair.n, pair.mutants) == (40, 14)
    assert pair.comparison == compare_aurocs(mutant[:40], first[:40], second[:40])
    assert pair.adjusted_p == pair.comparison.p_value


def test_a_pair_without_two_patients_of_a_class_is_left_out() -> None:
    mutant = np.array([True, True, True, False, False, False])
    scores = {"a": np.arange(6.0), "b": np.arange(6.0)[::-1], "c": np.array([1, 2, 3, 4, np.nan, np.nan])}
    assert [(pair.first, pair.second) for pair in compare_every_pair(mutant, scores)] == [("a", "b")]
