"""Occlusion: how much an answer changes when a patch of the input is covered; for any network and input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def occlusion_map(answer: Callable[[Floats], float], image: Floats, patch: tuple[int, ...]) -> Floats:
    """Cover one patch after the other with zeros and note how far the answer falls (Zeiler & Fergus 2014).

    Args:
        answer: maps one input to a number, such as the log-odds of IDH mutation.
        image: (channels, ...): all channels of a patch are covered together.
        patch: size of a patch along each axis but the first, in voxels.

    Returns:
        Array of the shape of one channel: answer of the whole image minus answer without the patch at each
        voxel; positive where the patch raises the answer.

    Raises:
        ValueError: if the patch does not have one size for each axis.

    Example:
        >>> image = np.zeros((1, 4, 4), np.float32); image[0, 0, 0] = 2.0
        >>> occlusion_map(lambda x: float(x.sum()), image, (2, 2))[0]
        array([2., 2., 0., 0.], dtype=float32)
    """
    if len(patch) != image.ndim - 1:
        raise ValueError(f"a patch of {len(patch)} sizes does not fit an image of {image.ndim - 1} axes")
    whole = answer(image)
    result = np.zeros(image.shape[1:], np.float32)
    starts = [range(0, size, step) for size, step in zip(image.shape[1:], patch, strict=True)]
    for corner in product(*starts):
        box = tuple(slice(c, c + step) for c, step in zip(corner, patch, strict=True))
        covered = image.copy()
        covered[(slice(None), *box)] = 0.0
        result[box] = whole - answer(covered)
    return result
