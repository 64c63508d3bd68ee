"""Where a saliency map lies: in the tumour, close around it, or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import within_mm
from gliotype.study import Label, Tumour
from gliotype.volume import Volume

AROUND_MM = 5.0
"""Distance that counts as immediately adjacent: the width that Choi 2021's editorial discusses."""


@dataclass(frozen=True)
class SaliencyFractions:
    """Fractions of a map's absolute values; they add up to 1, or are all 0 for an empty map.

    Attributes:
        enhancing: in enhancing tumour; None where the tumour's sub-regions are not known.
        non_enhancing: in the rest of the tumour.
        around: outside the tumour, within `AROUND_MM`.
        elsewhere: farther away.
    """

    enhancing: float | None
    non_enhancing: float
    around: float
    elsewhere: float


def saliency_fractions(saliency: Volume, tumour: Tumour) -> SaliencyFractions:
    """Measure how much of a saliency map lies in each region.

    Args:
        saliency: on the grid of the tumour.
        tumour: label map.

    Example:
        >>> labels = np.zeros((20, 20, 20), np.uint8); labels[5:10, 5:10, 5:10] = Label.ENHANCING
        >>> tumour = Tumour(Volume(labels, np.eye(4)), "model1")
        >>> saliency_fractions(Volume((labels > 0).astype(np.float32), np.eye(4)), tumour).enhancing
        1.0
    """
    strength = np.abs(np.asarray(saliency.array, dtype=np.float64))
    total = float(strength.sum())
    if total == 0:
        return SaliencyFractions(0.0 if tumour.regions_known else None, 0.0, 0.0, 0.0)
    near = within_mm(tumour.mask, AROUND_MM, tumour.labels.grid.spacing)
    enhancing = (np.asarray(tumour.labels.array) == Label.ENHANCING) & tumour.regions_known

    def fraction(where: NDArray[np.bool_]) -> float:
        return float(strength[where].sum()) / total

    return SaliencyFractions(
        fraction(enhancing) if tumour.regions_known else None,
        fraction(tumour.mask & ~enhancing),
        fraction(near & ~tumour.mask),
        fraction(~near),
    )
