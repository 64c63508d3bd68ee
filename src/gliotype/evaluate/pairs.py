"""Every pair of methods compared on the same patients, with a correction for the number of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gliotype.evaluate.decisions import Bools, Floats
from gliotype.evaluate.roc import Comparison, compare_aurocs


@dataclass(frozen=True)
class Pair:
    """Two methods on the same patients.

    Attributes:
        first: name of a method.
        second: name of the other.
        n: patients with a score of both.
        mutants: those IDH-mutant.
        comparison: AUROC of the first minus that of the second (paired DeLong).
        adjusted_p: p value after Holm's correction for all pairs compared together.
    """

    first: str
    second: str
    n: int
    mutants: int
    comparison: Comparison
    adjusted_p: float


def compare_every_pair(mutant: Bools, scores: Mapping[str, Floats]) -> tuple[Pair, ...]:
    """Compare the AUROC of every pair of methods (paired DeLong, Holm's correction).

    Args:
        mutant: whether each patient is IDH-mutant, (n,); two of each class at least.
        scores: by method, higher for mutant, (n,); NaN where a patient has none. A pair is compared on the patients
            who have both, and left out where these are fewer than two of a class.

    Example:
        >>> mutant = np.arange(40) % 2 == 0
        >>> noise = np.random.default_rng(0).normal(size=(3, 40))
        >>> pairs = compare_every_pair(mutant, {"a": 2 * mutant + noise[0], "b": noise[1], "c": noise[2]})
        >>> [(each.first, each.second, each.adjusted_p < 0.05) for each in pairs]
        [('a', 'b', True), ('a', 'c', True), ('b', 'c', False)]
    """
    compared: list[tuple[str, str, Bools, Comparison]] = []
    for first, second in combinations(scores, 2):
        both = np.isfinite(scores[first]) & np.isfinite(scores[second])
        status = mutant[both]
        if min(int(status.sum()), int((~status).sum())) >= 2:
            comparison = compare_aurocs(status, scores[first][both], scores[second][both])
            compared.append((first, second, status, comparison))
    adjusted = adjust_holm([comparison.p_value for *_, comparison in compared])
    return tuple(
        Pair(first, second, len(status), int(status.sum()), comparison, p_value)
        for (first, second, status, comparison), p_value in zip(compared, adjusted, strict=True)
    )


def adjust_holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values for their number (Holm, Scand J Stat 1979;6:65).

    Args:
        p_values: of tests of one family, in any order.

    Returns:
        Adjusted p values in the same order: each may be compared with the level of the whole family.

    Example:
        >>> adjust_holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(adjusted.tolist())
