"""Remove the slow brightness changes that coils leave (N4, Tustison 2010), fitted small and applied large."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from gliotype.volume import Volume, volume_from_sitk

FIT_SPACING_MM = 4.0
ITERATIONS = (30, 20, 10)
"""Most iterations at each fitting level; the control points double from level to level."""


def inhomogeneity(image: Volume, brain: Volume) -> Volume:
    """Estimate the multiplicative inhomogeneity of an image within the brain.

    Args:
        image: non-negative intensities.
        brain: boolean mask on the same grid.

    Returns:
        Smooth positive field on the image's grid with a median of 1 in the brain; 1 everywhere where the brain
        holds no signal.
    """
    coarse = image.grid.bounding(FIT_SPACING_MM)
    small = image.resample(coarse)
    share = brain.with_array(np.asarray(brain.array, dtype=np.float32)).resample(coarse)
    inside = (np.asarray(share.array) > 0.5) & (np.asarray(small.array) > 0)
    if inside.sum() < 500:
        return image.with_array(np.ones(image.array.shape, np.float32))
    positive = np.maximum(small.array, 1e-3 * float(np.median(small.array[inside])))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    mask = small.with_array(inside).to_sitk()
    source = small.with_array(positive).to_sitk(np.float32)
    n4.Execute(source, mask)
    log_field = volume_from_sitk(n4.GetLogBiasFieldAsImage(source))
    centred = np.asarray(log_field.array) - float(np.median(log_field.array[inside]))
    field = small.with_array(np.exp(np.clip(centred, -1.5, 1.5)).astype(np.float32))
    return field.resample(image.grid, outside=1.0)


def corrected(image: Volume, brain: Volume) -> Volume:
    """Divide an image by its inhomogeneity; see `inhomogeneity`."""
    return image.with_array((image.array / inhomogeneity(image, brain).array).astype(np.float32))
