"""Small pictures of patients, from the slices that are cached of each."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gliotype.predictors.slices import IMAGES
from gliotype.text import data_uri
from gliotype.train.common.explanation import Explanation
from gliotype.train.data.examples import Example

OUTLINE = (255, 214, 0)
POSITIVE, NEGATIVE = (0, 114, 178), (213, 94, 0)
MAP_OPACITY = 0.7
_ZOOM = 2


def draw_patient(example: Example) -> str | None:
    """Draw T1c, T2 and FLAIR through the tumour's largest section, with the outline that was found.

    The patient's right is on the left. A missing sequence is black.

    Returns:
        A JPEG as data address; None where no tumour was found or there is no image.
    """
    middle = example.slices[len(example.slices) // 2].astype(np.float32)
    images = middle[: len(IMAGES)]
    if not example.found or not images.any():
        return None
    parts = [_part(image, middle[-1] > 0) for image in images]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(parts, axis=1)).save(buffer, "jpeg", quality=88, subsampling=0)
    return data_uri(buffer.getvalue(), "image/jpeg")


def draw_explanation(explanation: Explanation) -> str | None:
    """Draw a map on its slice: blue speaks for the positive class, orange for the other, stronger where it says more.

    Returns:
        A JPEG as data address; None of an explanation without a map.
    """
    if not explanation.map.any() or not explanation.image.any():
        return None
    grey = _part(explanation.image, np.zeros(explanation.image.shape, bool)).astype(np.float32)
    strength = explanation.map / np.abs(explanation.map).max()
    large = ndimage.zoom(_upright(strength), _ZOOM, order=1)[..., None]
    colour = np.where(large > 0, np.array(POSITIVE), np.array(NEGATIVE))
    mixed = grey + MAP_OPACITY * np.abs(large) * (colour - grey)
    buffer = io.BytesIO()
    Image.fromarray(mixed.astype(np.uint8)).save(buffer, "jpeg", quality=85, subsampling=0)
    return data_uri(buffer.getvalue(), "image/jpeg")


def _part(image: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if not image.any():
        return np.zeros((_ZOOM * image.shape[1], _ZOOM * image.shape[0], 3), np.uint8)
    low, high = np.percentile(image[image != 0], (1, 99.5))
    grey = np.where(image == 0, 0.0, np.clip((image - low) / max(high - low, 1e-6), 0.02, 1))
    large = ndimage.zoom(_upright(255 * grey), _ZOOM, order=1)
    outline = ndimage.zoom(_upright(inside).astype(np.uint8), _ZOOM, order=0) > 0
    coloured = np.repeat(np.clip(large, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    coloured[outline & ~ndimage.binary_erosion(outline)] = OUTLINE
    return coloured


def _upright(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn a slice (x to the right, y to anterior) so that anterior is up and the patient's right is on the left."""
    return array[::-1].T[::-1]
