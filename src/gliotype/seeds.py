"""The seeds that all random generators here take."""

from __future__ import annotations

from gliotype.errors import UsageError

MAX_SEED = 2**32 - 1


def check_seed(seed: int) -> None:
    """Refuse a seed that one of the generators (numpy, torch, scikit-learn) could not take.

    Raises:
        UsageError: if it is not a whole number from 0 to `MAX_SEED`.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"the seed is {str(seed)[:40]}: give a whole number from 0 to {MAX_SEED}")
