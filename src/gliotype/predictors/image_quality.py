"""Two numbers of an image's quality inside the brain: how even its edges are, and how fine its detail is.

Ghosts of motion, and noise, spread the gradient over the whole brain. Thick slices and large voxels leave little that
changes from one voxel to the next. Neither number needs the background, which many studies have lost, or the voxels as
they were acquired, which an interpolated image does not tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RIM = 3
"""Voxels at the brain's edge that are left out: the edge has a gradient of its own."""

FAR = 6
"""Voxels of 2 mm over which the change from voxel to voxel is compared."""

MIN_DETAIL = 0.212
"""Finest detail below which an image is not used: T2-net calls most simulated images below it wrongly, and no real
image that is at hand lies below it (``benchmarks/voxelwise_quality.py``)."""

Image = NDArray[np.float32]


def edge_evenness(image: Image, brain: NDArray[np.bool_]) -> float:
    """Return the entropy of the in-plane gradient's size in the inner brain (McGee 2000), 1 where it is even.

    Args:
        image: (i, j, k), with k through the axial slices.
        brain: mask.

    Returns:
        0 to 1; 0 where there is no inner brain or no gradient.

    Example:
        >>> brain = np.ones((24, 24, 24), bool)
        >>> edge = np.zeros(brain.shape, np.float32)
        >>> edge[12:] = 1
        >>> noise = np.random.default_rng(1).normal(size=brain.shape).astype(np.float32)
        >>> edge_evenness(edge, brain) < 0.8 < 0.98 < edge_evenness(noise, brain)
        True
    """
    inner = inner_brain(brain)
    x, y = (np.roll(image, -1, axis) - np.roll(image, 1, axis) for axis in (0, 1))
    size = np.hypot(x, y)[inner].astype(np.float64)
    total = float(size.sum())
    if size.size < 2 or total == 0:
        return 0.0
    fraction = size[size > 0] / total
    return float(-(fraction * np.log(fraction)).sum() / np.log(size.size))


def finest_detail(image: Image, brain: NDArray[np.bool_]) -> float:
    """Return how much an image changes from voxel to voxel against over `FAR` voxels, along the axis with least.

    Thick slices and large voxels, interpolated or not, change little from voxel to voxel.

    Args:
        image: (i, j, k).
        brain: mask.

    Returns:
        1 in noise, a sixth in a ramp; NaN where there is no inner brain, or no change along an axis.

    Example:
        >>> brain = np.ones((24, 24, 24), bool)
        >>> noise = np.random.default_rng(1).normal(size=brain.shape)
        >>> thick = ndimage.uniform_filter1d(noise, 5, axis=2)
        >>> finest_detail(thick.astype(np.float32), brain) < 0.5 < finest_detail(noise.astype(np.float32), brain)
        True
    """
    inner = inner_brain(brain)
    found = []
    for axis in range(3):
        near, far = (_mean_change(image, inner, axis, step) for step in (1, FAR))
        found.append(near / far if far > 0 else float("nan"))
    return float(np.min(found))


def _mean_change(image: Image, inside: NDArray[np.bool_], axis: int, step: int) -> float:
    """Return the mean size of the change over some voxels along an axis, both ends inside; 0 where there are none."""
    both = inside & np.roll(inside, -step, axis)
    both[(slice(None),) * axis + (slice(-step, None),)] = False
    return float(np.abs(np.roll(image, -step, axis) - image)[both].mean()) if both.any() else 0.0


def image_fault(evenness: float, detail: float, max_evenness: float) -> str | None:
    """Say why an image is not used; None where it is.

    Args:
        evenness: as `edge_evenness` returns it.
        detail: as `finest_detail` returns it.
        max_evenness: above which a network does not use an image.

    Example:
        >>> image_fault(0.97, 0.3, 0.981) is None
        True
    """
    if evenness > max_evenness:
        return f"its edges are spread as by strong motion or noise ({evenness:.4f}, more than {max_evenness})"
    if detail < MIN_DETAIL:
        return f"its resolution is too coarse (finest detail {detail:.4f}, less than {MIN_DETAIL})"
    return None


def inner_brain(brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the brain without its outer `RIM` voxels."""
    return np.asarray(ndimage.binary_erosion(brain, iterations=RIM))
