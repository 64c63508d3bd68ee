"""One scale of intensity for all patients: normal-appearing white matter is 1, no signal is 0."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.volume import Grid, Matrix, Volume

SURE_WHITE = 0.9
"""White-matter fraction of the atlas at or above which a voxel counts as white matter."""

FEWEST = 1000
"""Voxels of white matter below which the whole brain is used instead."""

BINS = 200
SMOOTH_BINS = 6.0
"""Standard deviation of the smoothing of the histogram before its top is read."""


def likely_white(grid: Grid, mni_from_world: Matrix) -> Volume:
    """Bring the atlas's sure white matter to a patient.

    Args:
        grid: where it is wanted.
        mni_from_world: affine transform of its world to MNI152, RAS mm.

    Returns:
        Boolean mask.
    """
    fraction = atlas.tissue(atlas.Tissue.WHITE).resample(grid, mni_from_world)
    return fraction.with_array(np.asarray(fraction.array) >= SURE_WHITE)


def white_matter_level(image: Volume, brain: Volume, white: Volume) -> float:
    """Find the most frequent intensity of white matter.

    It is the mode of the intensities in `white`: the top of a histogram of 200 bins between the 1st and 99th
    percentile, smoothed by a Gaussian of 6 bins. Oedema and tumour spread over other intensities, so
    the mode stays that of normal-appearing white matter as long as a good part of the white matter is healthy.

    Args:
        image: non-negative intensities.
        brain: boolean mask on the same grid.
        white: where white matter is expected, boolean, on the same grid.

    Returns:
        The mode, in the image's units; 0 where the image has no signal in the brain.
    """
    array = np.asarray(image.array)
    inside = np.asarray(brain.array, dtype=np.bool_) & (array > 0)
    expected = inside & np.asarray(white.array, dtype=np.bool_)
    values = array[expected if expected.sum() >= FEWEST else inside]
    if values.size == 0:
        return 0.0
    low, high = (float(q) for q in np.quantile(values, [0.01, 0.99]))
    if high <= low:
        return low
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    top = int(ndimage.gaussian_filter1d(counts.astype(float), SMOOTH_BINS).argmax())
    return float((edges[top] + edges[top + 1]) / 2)
