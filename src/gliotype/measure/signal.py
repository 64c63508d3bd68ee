"""How bright the tumour is: against the ring around it, and against normal-appearing white matter.

The ring is the one of the public UCSF-PDGM tumour-and-ring table, so that coefficients fitted there hold
here: voxels outside the tumour within a city-block distance of 3 on the 1 mm grid, the skull-stripped image
being zero outside the brain, and zeros counted. The denominator is the *median* of the ring, which a share
of background moves less than the mean (docs/reference/measurements.md).
"""

from __future__ import annotations

from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import within_city_block
from gliotype.study import STRUCTURAL, PreparedStudy, Sequence

RING_VOXELS = 3
"""Width of the ring, as a city-block distance in voxels of the 1 mm grid."""

RING_PERCENTILES = (5, 25, 50, 95)

_OVER_RING = ("mean_over_ring", *(f"p{p}_over_ring" for p in RING_PERCENTILES))
_NAMES = (*_OVER_RING, "cv", "mean_over_white_matter")

SIGNAL_UNITS = MappingProxyType({f"{s}_{name}": "1" for s, name in product(STRUCTURAL, _NAMES)})
"""Names of all signal ratios, and the unit of each."""


def signal_ratios(prepared: PreparedStudy, tumour: NDArray[np.bool_]) -> dict[str, float | None]:
    """Measure every structural sequence in the tumour.

    Args:
        prepared: images on the 1 mm grid.
        tumour: whole tumour on the same grid.

    Returns:
        For each sequence S: ``S_mean_over_ring`` and ``S_p5_over_ring`` ... ``S_p95_over_ring``, the tumour's
        mean and percentiles over the ring's median; ``S_cv``, SD over mean in the tumour;
        ``S_mean_over_white_matter``. None where the sequence is missing, the tumour empty, or the
        denominator zero.
    """
    ratios: dict[str, float | None] = dict.fromkeys(SIGNAL_UNITS)
    if not tumour.any():
        return ratios
    around = ring(tumour)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    for sequence in STRUCTURAL:
        if sequence in prepared.images:
            image = np.where(brain, prepared.images[sequence].array, 0)
            ratios |= _ratios(sequence, image[tumour], image[around])
    return ratios


def ring(tumour: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels outside a tumour within a city-block distance of `RING_VOXELS`.

    Example:
        >>> point = np.zeros((9, 9, 9), bool); point[4, 4, 4] = True
        >>> int(ring(point).sum())
        62
    """
    return within_city_block(tumour, RING_VOXELS) & ~tumour


def _ratios(
    sequence: Sequence, inside: NDArray[np.floating], around: NDArray[np.floating]
) -> dict[str, float | None]:
    mean, deviation = float(inside.mean()), float(inside.std())
    numerators = (mean, *(float(p) for p in np.percentile(inside, RING_PERCENTILES)))
    denominator = float(np.median(around)) if around.size else 0.0
    return {
        **{
            f"{sequence}_{name}": value / denominator if denominator > 0 else None
            for name, value in zip(_OVER_RING, numerators, strict=True)
        },
        f"{sequence}_cv": deviation / mean if mean > 0 else None,
        f"{sequence}_mean_over_white_matter": mean,
    }
