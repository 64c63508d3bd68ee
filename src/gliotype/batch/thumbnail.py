"""A small picture of a study with its outline, to check many of them within minutes."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gliotype.report.figures import CORONAL, Plane, Scene, look_at, section
from gliotype.result import Result
from gliotype.study import Sequence

SIZE = 168
"""Width and height of each part, in pixels."""

OUTLINE = (255, 214, 0)

_FIRST = (Sequence.T1C, Sequence.T1)
_SECOND = (Sequence.FLAIR, Sequence.T2)


def draw_thumbnail(result: Result) -> bytes:
    """Draw up to two axial slices (T1c or T1, FLAIR or T2) and a coronal one through the largest section of the tumour.

    Returns:
        A JPEG of height `SIZE` and up to three times that width; the outline is yellow.
    """
    scene = look_at(result)
    sections = dict(scene.largest_sections())
    axial, coronal = next(iter(sections)), CORONAL
    shown = [next((s for s in kinds if s in scene.images), None) for kinds in (_FIRST, _SECOND)]
    parts = [_part(scene, axial, sections[axial], each) for each in shown if each is not None]
    parts.append(_part(scene, coronal, sections[coronal], scene.reference))
    strip = np.concatenate(parts, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(strip).save(buffer, "jpeg", quality=82)
    return buffer.getvalue()


def _part(scene: Scene, plane: Plane, index: int, sequence: Sequence) -> NDArray[np.uint8]:
    """Draw one slice with its outline, centred in a square."""
    grey = section(scene.images[sequence], plane, index)
    inside = section(scene.labels, plane, index) > 0
    scale = SIZE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    slice_ = Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BICUBIC)
    mask = Image.fromarray(np.ascontiguousarray(inside)).resize(size, Image.Resampling.NEAREST)
    filled = np.asarray(mask, dtype=np.bool_)
    coloured = np.repeat(np.asarray(slice_, dtype=np.uint8)[..., None], 3, axis=2)
    coloured[filled & ~ndimage.binary_erosion(filled)] = OUTLINE
    square = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = coloured
    return square
