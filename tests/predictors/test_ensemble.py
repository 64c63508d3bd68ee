from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from gliotype.predictors.ensemble import ensemble_answer


@pytest.mark.parametrize("members", [2, 3, 5])
def test_interval_covers_one_more_member_in_95_percent(members: int) -> None:
    rng = np.random.default_rng(members)
    covered = []
    for _ in range(2000):
        *seen, unseen = rng.normal(0.4, 0.7, members + 1)
        _, (low, high) = ensemble_answer(np.array(seen))
        covered.append(logit(max(low, 1e-300)) <= unseen and (high == 1 or unseen <= logit(high)))
    assert 0.935 < np.mean(covered) < 0.965


def test_three_members_are_widened_by_t_with_two_degrees_of_freedom() -> None:
    """4.3027 (the 97.5 % quantile of t with 2 degrees of freedom) times sqrt(4 / 3) standard deviations."""
    probability, (low, high) = ensemble_answer(np.array([-1.1, -0.9, -0.4]))
    assert logit(probability) == pytest.approx(-0.8)
    half = 4.3027 * np.sqrt(4 / 3) * np.std([-1.1, -0.9, -0.4], ddof=1)
    assert (logit(low), logit(high)) == pytest.approx((-0.8 - half, -0.8 + half), abs=1e-3)


def test_a_single_member_has_no_width() -> None:
    probability, interval = ensemble_answer(np.array([0.3]))
    assert interval == (probability, probability)
