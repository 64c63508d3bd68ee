"""Where a map of reasons lies: in the tumour, close around it, or elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.measure.region import box_around
from gliotype.study import Label, Tumour
from gliotype.volume import Volume

AROUND_MM = 5.0
"""What is taken for immediately adjacent: the width that Choi 2021's editorial discusses."""


@dataclass(frozen=True)
class SaliencyShares:
    """Shares of a map's absolute values; they add up to 1, or are all 0 for an empty map.

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


def saliency_shares(saliency: Volume, tumour: Tumour) -> SaliencyShares:
    """Part a map of reasons by where it lies.

    Args:
        saliency: on the grid of the tumour.
        tumour: label map.

    Example:
        >>> labels = np.zeros((20, 20, 20), np.uint8); labels[5:10, 5:10, 5:10] = Label.ENHANCING
        >>> tumour = Tumour(Volume(labels, np.eye(4)), "model1")
        >>> saliency_shares(Volume((labels > 0).astype(np.float32), np.eye(4)), tumour).enhancing
        1.0
    """
    strength = np.abs(np.asarray(saliency.array, dtype=np.float64))
    total = float(strength.sum())
    if total == 0:
        return SaliencyShares(0.0 if tumour.regions_known else None, 0.0, 0.0, 0.0)
    near = _within(tumour.mask, AROUND_MM, tumour.labels.grid.spacing)
    enhancing = (np.asarray(tumour.labels.array) == Label.ENHANCING) & tumour.regions_known

    def share(where: NDArray[np.bool_]) -> float:
        return float(strength[where].sum()) / total

    return SaliencyShares(
        share(enhancing) if tumour.regions_known else None,
        share(tumour.mask & ~enhancing),
        share(near & ~tumour.mask),
        share(~near),
    )


def _within(
    mask: NDArray[np.bool_], distance_mm: float, spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Mask what lies in a mask (not empty) or within a distance of it; only its surroundings are searched."""
    box = box_around(mask, math.ceil(distance_mm / min(spacing)))
    near = np.zeros_like(mask)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= distance_mm
    return near
