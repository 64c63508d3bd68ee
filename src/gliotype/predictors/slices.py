"""What Model 2 sees: five axial slices about the tumour's largest section, and twenty numbers.

The same input is built here for training and for use. After Choi 2021's published code: T1c, T2 and the
predicted mask, whole slices of 128 x 128, standardised by the brain outside the tumour. FLAIR is added, slices
are taken in MNI152 orientation at 1.5 mm, and a missing sequence is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import box_around
from gliotype.measure import LOCI_UNITS, SHAPE_UNITS
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour
from gliotype.volume import Box, Grid, Volume

IMAGES: tuple[Sequence, ...] = (Sequence.T1C, Sequence.T2, Sequence.FLAIR)
"""Order of the image channels; the mask of the whole tumour follows."""

NUMBERS: tuple[str, ...] = (*SHAPE_UNITS, *LOCI_UNITS, "age")
"""Order of the numbers: 13 of shape, 6 of location, age in years."""

SPACING_MM = 1.5
SIZE = 128
OFFSETS_MM = (-6.0, -3.0, 0.0, 3.0, 6.0)
"""Slices, above the one with the largest section."""

_CORNER = (-95.25, -113.25)
"""x and y of the first voxel of a slice in MNI152, mm; x is symmetric about the midline."""

_HEIGHTS = Grid(
    (SIZE, SIZE, 108),
    np.array(
        [
            [SPACING_MM, 0, 0, _CORNER[0]],
            [0, SPACING_MM, 0, _CORNER[1]],
            [0, 0, SPACING_MM, -76.0],
            [0, 0, 0, 1],
        ]
    ),
)

CLIP = 5.0
"""Standardised intensities are clipped to this, and then divided by it."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Model 2's image input.

    Attributes:
        array: float32 (5, 4, 128, 128): slices; `IMAGES` and mask; x to the right, y to anterior.
        grid: of the slices in MNI152 (RAS mm), (128, 128, 5).
    """

    array: NDArray[np.float32]
    grid: Grid


def slices_of(prepared: PreparedStudy, tumour: Tumour) -> Slices:
    """Extract the slices of a patient; asked again about the same tumour, return the same ones.

    Args:
        prepared: with any of `IMAGES`.
        tumour: found or given, not empty.

    Returns:
        Slices whose images are standardised over the brain outside the tumour (or, for another outline, outside the
        drawn one), clipped to 5 standard deviations and divided by 5; 0 outside the brain and for a missing sequence.
    """
    of, extracted = _EXTRACTED.get(tumour, (None, None))
    if of is not None and extracted is not None and of() is prepared:
        return extracted
    slices = _extract(prepared, tumour)
    _EXTRACTED[tumour] = ref(prepared), slices
    return slices


_EXTRACTED: WeakKeyDictionary[Tumour, tuple[ref[PreparedStudy], Slices]] = WeakKeyDictionary()
"""What was extracted, as long as somebody holds the tumour."""


def _extract(prepared: PreparedStudy, tumour: Tumour) -> Slices:
    world_from_mni = np.linalg.inv(prepared.mni_from_prepared)
    mask = tumour.labels.with_array(tumour.mask).cropped(box_around(tumour.mask, margin=1))
    whole = mask.resample(_HEIGHTS, world_from_mni, order=0)
    height = int(np.asarray(whole.array).sum(axis=(0, 1)).argmax())
    affine = _HEIGHTS.affine.copy()
    affine[2, 2] = OFFSETS_MM[1] - OFFSETS_MM[0]
    affine[2, 3] += SPACING_MM * height + OFFSETS_MM[0]
    grid = Grid((SIZE, SIZE, len(OFFSETS_MM)), affine)
    stack = np.zeros((len(OFFSETS_MM), len(IMAGES) + 1, SIZE, SIZE), np.float32)
    stack[:, :-1] = _image_slices(prepared, tumour.drawn or tumour, grid, height)
    stack[:, -1] = np.moveaxis(mask.resample(grid, world_from_mni, order=0).array, -1, 0)
    return Slices(stack, grid)


def _image_slices(prepared: PreparedStudy, tumour: Tumour, grid: Grid, height: int) -> NDArray[np.float32]:
    """Standardise the images outside a tumour and read them at slices; other outlines of it ask for the same ones.

    Returns:
        (5, 3, 128, 128).
    """
    of, by_height = _READ.get(tumour, (None, {}))
    if of is not prepared.images:
        by_height = {}
        _READ[tumour] = prepared.images, by_height
    if height not in by_height:
        brain = np.asarray(prepared.brain.array, dtype=np.bool_)
        healthy, box = ~tumour.mask[brain], _box_shown(prepared, grid)
        read = np.zeros((len(OFFSETS_MM), len(IMAGES), SIZE, SIZE), np.float32)
        for channel, sequence in enumerate(IMAGES):
            if sequence in prepared.images:
                values = prepared.brain_values[sequence][healthy]
                even = _standardise(prepared.images[sequence].cropped(box), brain[box], values)
                array = even.resample(grid, np.linalg.inv(prepared.mni_from_prepared)).array
                read[:, channel] = np.moveaxis(array, -1, 0)
        by_height[height] = read
    return by_height[height]


_READ: WeakKeyDictionary[Tumour, tuple[Mapping[Sequence, Volume] | None, dict[int, NDArray[np.float32]]]] = (
    WeakKeyDictionary()
)
"""Images of which slices were read, and these by height on `_HEIGHTS`, as long as somebody holds the tumour."""


def _box_shown(prepared: PreparedStudy, grid: Grid) -> Box:
    """Box of the brain's voxels that count when images are read at a grid of MNI152."""
    box = prepared.brain.box_for(grid, np.linalg.inv(prepared.mni_from_prepared))
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)[box]
    if not brain.any():
        return box
    i, j, k = (
        slice(part.start + along.start, part.start + along.stop)
        for part, along in zip(box, box_around(brain, margin=1), strict=True)
    )
    return i, j, k


def _standardise(image: Volume, brain: NDArray[np.bool_], healthy: NDArray[np.float32]) -> Volume:
    """Standardise an image over the values of healthy brain; 0 outside the brain and where there was no signal."""
    array = np.asarray(image.array, dtype=np.float32)
    values = healthy[healthy > 0]
    if values.size == 0:
        return image.with_array(np.zeros_like(array))
    scores = array - values.mean()
    scores /= CLIP * max(float(values.std()), 1e-6)
    np.clip(scores, -1, 1, out=scores)
    scores *= brain & (array > 0)
    return image.with_array(scores)


def numbers_of(measurements: Measurements, subject: Subject) -> NDArray[np.float64]:
    """Line up the numbers of a patient in the order of `NUMBERS`, NaN where one is missing.

    Example:
        >>> numbers_of(Measurements(shape={"Flatness": 0.5}), Subject("a", 44.0))[[1, 19]]
        array([ 0.5, 44. ])
    """
    named = {**measurements.shape, **measurements.loci, "age": subject.age}
    found = [named.get(name) for name in NUMBERS]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)
