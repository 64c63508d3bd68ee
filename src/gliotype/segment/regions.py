"""Enhancing tumour within the outline, voxel by voxel from T1 before and after contrast agent.

Model 1 looks at a grid of 2 mm and misses small or thin enhancement. Where a study has both T1 and T1c, both scaled
to normal-appearing white matter, the difference shows at 1 mm what took up contrast agent: enhancing tumour, and
vessels within the outline, which it cannot tell apart. The outline of the whole tumour stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.study import Label, Sequence

MIN_RISE = 0.2
"""Difference of T1c and T1 above which a voxel enhances, both in units of normal-appearing white matter."""

MIN_T1C = 1.0
"""An enhancing voxel is brighter on T1c than normal-appearing white matter."""

SMOOTH_MM = 0.7
"""Standard deviation of the smoothing of both images before they are compared."""


def refine_regions(
    labels: NDArray[np.uint8], images: Mapping[Sequence, NDArray[np.float32]], spacing_mm: float
) -> NDArray[np.uint8]:
    """Draw enhancing tumour again within a tumour's outline.

    Args:
        labels: Model 1's label map (`Label`).
        images: on the same grid, normal-appearing white matter being 1.
        spacing_mm: isotropic voxel size.

    Returns:
        Labels within the same outline. With T1 and T1c, tumour enhances where T1c exceeds both T1 by `MIN_RISE` and
        `MIN_T1C`, and what Model 1 alone takes for enhancing becomes core. With T1c but no T1 the labels stay, and
        without T1c what Model 1 takes for enhancing becomes core.

    Example:
        >>> labels = np.full((3, 4, 5), Label.OEDEMA, np.uint8)
        >>> t1, t1c = np.ones((3, 4, 5), np.float32), np.full((3, 4, 5), 1.5, np.float32)
        >>> np.unique(refine_regions(labels, {Sequence.T1: t1, Sequence.T1C: t1c}, 1.0)).tolist()
        [3]
    """
    if Sequence.T1C in images and Sequence.T1 not in images:
        return labels
    refined = np.where(labels == Label.ENHANCING, np.uint8(Label.CORE), labels)
    if Sequence.T1C in images and labels.any():
        before, after = (
            ndimage.gaussian_filter(images[s], SMOOTH_MM / spacing_mm) for s in (Sequence.T1, Sequence.T1C)
        )
        enhances = (labels > 0) & (after - before > MIN_RISE) & (after > MIN_T1C)
        refined[enhances] = Label.ENHANCING
    return refined
