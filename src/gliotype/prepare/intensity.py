"""One scale of intensity for all patients: normal-appearing white matter is 1, no signal is 0."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gliotype.prepare import atlas
from gliotype.volume import Matrix, Volume

SURE_WHITE = 0.8
"""White-matter fraction of the atlas from which a voxel is taken for white matter."""

FEWEST = 1000
"""Voxels of white matter below which the whole brain is used instead."""


def white_matter_level(image: Volume, brain: Volume, mni_from_world: Matrix) -> float:
    """Find the most frequent intensity of white matter.

    The atlas's sure white matter is brought to the patient; the mode of the intensities there (of a histogram of 200
    bins between the 1st and 99th percentile, smoothed over 4 bins) is that of normal-appearing white matter
    as long as less than about half of the white matter is diseased.

    Args:
        image: non-negative intensities.
        brain: boolean mask on the same grid.
        mni_from_world: affine transform to MNI152, RAS mm.

    Returns:
        The mode, in the image's units; 0 where the image has no signal in the brain.
    """
    prior = atlas.tissue(atlas.Tissue.WHITE).resample(image.grid, mni_from_world)
    inside = np.asarray(brain.array, dtype=np.bool_) & (np.asarray(image.array) > 0)
    white = inside & (np.asarray(prior.array) >= SURE_WHITE)
    values = np.asarray(image.array)[white if white.sum() >= FEWEST else inside]
    if values.size == 0:
        return 0.0
    low, high = np.quantile(values, [0.01, 0.99])
    if high <= low:
        return float(low)
    counts, edges = np.histogram(values, bins=200, range=(float(low), float(high)))
    top = int(ndimage.gaussian_filter1d(counts.astype(float), 4.0).argmax())
    return float((edges[top] + edges[top + 1]) / 2)
