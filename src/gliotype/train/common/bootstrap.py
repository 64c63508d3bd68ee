"""Bootstrap samples of patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def bootstrap(mutant: Sequence[bool], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw patients with replacement, as many as there are, again until both classes are among them.

    Args:
        mutant: whether each patient is IDH-mutant; both must occur.
        rng: source of randomness.

    Returns:
        Indices into `mutant`.

    Example:
        >>> mutant = [True, False, False, False]
        >>> samples = [bootstrap(mutant, np.random.default_rng(seed)) for seed in range(100)]
        >>> {sum(mutant[i] for i in sample) for sample in samples}
        {1, 2, 3}
    """
    classes = np.asarray(mutant, dtype=np.bool_)
    while True:
        drawn = rng.integers(classes.size, size=classes.size)
        if 0 < classes[drawn].sum() < classes.size:
            return np.asarray(drawn, dtype=np.intp)
