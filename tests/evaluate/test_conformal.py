from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gliotype.evaluate.conformal import conformal_thresholds, cross_validated_coverage, thresholds_by_stratum
from gliotype.predictors.conformal import ConformalThresholds


def cohort(
    rng: np.random.Generator, wildtypes: int, mutants: int, separation: float
) -> tuple[np.ndarray, np.ndarray]:
    mutant = np.repeat([False, True], [wildtypes, mutants])
    return mutant, rng.normal(size=len(mutant)) * (1 + mutant) + separation * mutant


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(("wildtypes", "mutants"), [(60, 19), (23, 41)])
def test_each_class_is_covered_as_often_as_stated(level: float, wildtypes: int, mutants: int) -> None:
    """Exchangeable patients: the mean coverage lies between the level and the level plus 1 / (n + 1)."""
    rng = np.random.default_rng(8)
    covered = np.zeros((1500, 2))
    for row in covered:
        found = conformal_thresholds(*cohort(rng, wildtypes, mutants, 1.0), level=level)
        _, (of_wildtype, of_mutant) = cohort(rng, 1, 1, 1.0)
        row[:] = "wildtype" in found.prediction_set(of_wildtype), "mutant" in found.prediction_set(of_mutant)
    for fraction, n in zip(covered.mean(axis=0), (wildtypes, mutants), strict=True):
        assert level - 0.03 < fraction < level + 1 / (n + 1) + 0.03


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-20, 20), min_size=10, max_size=60),
    st.lists(st.floats(-20, 20), min_size=10, max_size=60),
    st.floats(0.5, 0.89),
)
def test_a_set_holds_the_stated_share_of_its_own_calibration_patients(
    wildtype: list[float], mutant: list[float], level: float
) -> None:
    log_odds = np.array([*wildtype, *mutant])
    found = conformal_thresholds(
        np.repeat([False, True], [len(wildtype), len(mutant)]), log_odds, level=level
    )
    for values, name in ((wildtype, "wildtype"), (mutant, "mutant")):
        assert np.mean([name in found.prediction_set(value) for value in values]) >= level


@pytest.mark.parametrize(
    ("mutants", "level", "enough"),
    [(9, 0.9, False), (10, 0.9, True), (18, 0.95, False), (19, 0.95, True), (9, 0.5, False)],
)
def test_too_few_patients_exclude_nothing(mutants: int, level: float, enough: bool) -> None:
    """1 / alpha - 1 patients are needed (9 at 90 %, 19 at 95 %), and 10 in any case."""
    labels, log_odds = cohort(np.random.default_rng(1), 40, mutants, 2.0)
    found = conformal_thresholds(labels, log_odds, level=level)
    assert (found.mutant_least is not None) == enough
    assert ("mutant" in found.too_few) != enough
    assert ("mutant" in found.prediction_set(-1e9)) != enough


def test_threshold_by_hand() -> None:
    """39 patients at 90 %: 4 of 40 may lie beyond, so the 36th smallest of 39 is the threshold."""
    log_odds = np.random.default_rng(2).permutation(np.arange(39.0))
    assert conformal_thresholds(np.full(39, False), log_odds).wildtype_most == 35.0
    assert conformal_thresholds(np.full(39, True), log_odds).mutant_least == 3.0


def test_strata_with_another_spread_are_each_covered_where_pooling_fails() -> None:
    """Wildtypes without enhancement look like mutants: pooled thresholds cover few of them."""
    rng = np.random.default_rng(5)
    mutant = np.repeat([False, True, False, True], [300, 60, 40, 60])
    flat = np.repeat([False, True], [360, 100])
    rows = rng.normal(size=(5, 460)) + np.where(mutant, 2.0, np.where(flat, 1.5, -2.0))
    pooled = cross_validated_coverage(mutant, rows, {"all": np.full(460, True)})
    assert all(each.covered.value > 0.87 for each in pooled)
    pooled_sets = conformal_thresholds(mutant, rows[0])
    of_flat_wildtypes = ["wildtype" in pooled_sets.prediction_set(value) for value in rows[0][flat & ~mutant]]
    assert np.mean(of_flat_wildtypes) < 0.6
    strata = {"enhancing": ~flat, "not enhancing": flat}
    found = cross_validated_coverage(mutant, rows, strata)
    assert [(each.stratum, each.mutant, each.n) for each in found] == [
        ("enhancing", False, 300),
        ("enhancing", True, 60),
        ("not enhancing", False, 40),
        ("not enhancing", True, 60),
    ]
    assert all(each.covered.value > 0.85 and not each.too_few for each in found)
    assert set(thresholds_by_stratum(mutant, rows[0], strata)) == set(strata)


def test_thresholds_survive_json_and_nonsense_is_refused() -> None:
    found = ConformalThresholds(0.9, 40, 6, 1.2345, None)
    assert ConformalThresholds.from_json(found.to_json()) == found
    for wrong in (
        {},
        {**found.to_json(), "level": 1.5},
        {**found.to_json(), "wildtype_most": float("nan")},
        {**found.to_json(), "mutants": -1},
    ):
        with pytest.raises(ValueError, match="conformal thresholds"):
            ConformalThresholds.from_json(wrong)
