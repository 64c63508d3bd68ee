"""How bright the tumour is: against the ring around it, and against normal-appearing white matter.

The ring is the one of the public UCSF-PDGM tumour-and-ring table, so that coefficients fitted there hold
here: voxels outside the tumour within a city-block distance of 3 on the 1 mm grid, the skull-stripped image
being zero outside the brain, and zeros counted. The denominator is the *median* of the ring, which a fraction
of background moves less than the mean (docs/reference/measurements.md).

The *inner* ratios are the same but for what a found outline takes in by mistake: they leave out the surface of the
brain, where vessels, dural sinuses and the orbits are, and a ring of tissue alone, without CSF, is their
denominator.
"""

from __future__ import annotations

from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.masks import box_around, within_city_block
from gliotype.study import STRUCTURAL, PreparedStudy, Sequence

RING_VOXELS = 3
"""Width of the ring, as a city-block distance in voxels of the 1 mm grid."""

RING_PERCENTILES = (5, 25, 50, 95)

INNER_MM = 3.0
"""Tumour nearer than this to the brain's surface is left out of the inner ratios."""

TISSUE_MM = 2.0
"""Ring nearer than this to the brain's surface is left out of the ring of tissue."""

MIN_SIGNAL, MIN_FLAIR = 0.3, 0.5
"""Signal over white matter below which a voxel of the ring is not tissue: on the image itself, and on FLAIR (CSF)."""

_MIN_INNER, _MIN_TISSUE = 200, 50
_OVER_RING = ("mean_over_ring", *(f"p{p}_over_ring" for p in RING_PERCENTILES))
_OVER_TISSUE = ("inner_mean_over_tissue", *(f"inner_p{p}_over_tissue" for p in RING_PERCENTILES))
_NAMES = (*_OVER_RING, "cv", "mean_over_white_matter", *_OVER_TISSUE)

SIGNAL_UNITS = MappingProxyType({f"{s}_{name}": "1" for s, name in product(STRUCTURAL, _NAMES)})
"""Names of all signal ratios, and the unit of each."""


def signal_ratios(prepared: PreparedStudy, tumour: NDArray[np.bool_]) -> dict[str, float | None]:
    """Measure every structural sequence in the tumour.

    Args:
        prepared: images on the 1 mm grid.
        tumour: whole tumour on the same grid.

    Returns:
        For each sequence S: ``S_mean_over_ring`` and ``S_p5_over_ring`` ... ``S_p95_over_ring``, the tumour's
        mean and percentiles over the ring's median; ``S_inner_mean_over_tissue`` and ``S_inner_p5_over_tissue`` ...
        ``S_inner_p95_over_tissue``, the same away from the brain's surface; ``S_cv``, SD over mean in the tumour;
        ``S_mean_over_white_matter``. None where the sequence is missing, the tumour empty, or the
        denominator zero.
    """
    ratios: dict[str, float | None] = dict.fromkeys(SIGNAL_UNITS)
    if not tumour.any():
        return ratios
    box = box_around(tumour, RING_VOXELS + 2)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)[box]
    inside, around = tumour[box], ring(tumour)[box]
    depth = ndimage.distance_transform_edt(brain, sampling=prepared.grid.spacing)
    images = {s: np.where(brain, image.array[box], 0) for s, image in prepared.images.items()}
    inner = _enough(inside & (depth > INNER_MM), _MIN_INNER, inside)
    tissue = around & (depth > TISSUE_MM)
    if Sequence.FLAIR in images:
        tissue &= images[Sequence.FLAIR] > MIN_FLAIR
    for sequence in STRUCTURAL:
        if sequence in images:
            image = images[sequence]
            own = _enough(tissue & (image > MIN_SIGNAL), _MIN_TISSUE, around & brain)
            ratios |= _over(f"{sequence}_{{}}_over_ring", image[inside], image[around])
            ratios |= _over(f"{sequence}_inner_{{}}_over_tissue", image[inner], image[own])
            ratios |= _without_ring(sequence, image[inside])
    return ratios


def _enough(mask: NDArray[np.bool_], voxels: int, otherwise: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask, or another one where it holds too few voxels."""
    return mask if mask.sum() >= voxels else otherwise


def ring(tumour: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels outside a tumour within a city-block distance of `RING_VOXELS`.

    Example:
        >>> point = np.zeros((9, 9, 9), bool); point[4, 4, 4] = True
        >>> int(ring(point).sum())
        62
    """
    return within_city_block(tumour, RING_VOXELS) & ~tumour


def _over(name: str, inside: NDArray[np.floating], around: NDArray[np.floating]) -> dict[str, float | None]:
    """Return mean and percentiles over the median of what is around, under names made from a pattern."""
    values = (float(inside.mean()), *(float(p) for p in np.percentile(inside, RING_PERCENTILES)))
    denominator = float(np.median(around)) if around.size else 0.0
    return {
        name.format(statistic): value / denominator if denominator > 0 else None
        for statistic, value in zip(("mean", *(f"p{p}" for p in RING_PERCENTILES)), values, strict=True)
    }


def _without_ring(sequence: Sequence, inside: NDArray[np.floating]) -> dict[str, float | None]:
    mean = float(inside.mean())
    return {
        f"{sequence}_cv": float(inside.std()) / mean if mean > 0 else None,
        f"{sequence}_mean_over_white_matter": mean,
    }
