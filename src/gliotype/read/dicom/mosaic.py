"""Split Siemens mosaics: one classic instance that holds all slices of a volume as tiles of one picture.

The number of tiles and the direction of their order are recorded only in the private CSA header (nibabel reads it).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gliotype.errors import InputError
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame import Frame
from gliotype.read.files import Found
from gliotype.read.limits import MAX_TILES, MIN_TILE
from gliotype.read.parsing import UNREADABLE
from gliotype.volume import Array

MOSAIC = "MOSAIC"
"""The ImageType value of a mosaic."""

_TAGS: list[int] = [
    0x00180088,  # SpacingBetweenSlices
    *(0x00290010 + block for block in range(4)),
    *(0x00291010 + 0x100 * block for block in range(4)),
]


def tiles_of(picture: Frame) -> tuple[Frame, ...]:
    """Return the slices of a mosaic, each where it lies in the patient; they are mosaics no more.

    The position in the header is that of a picture of the mosaic's size around the middle of the slice
    (Siemens); each tile's is half the difference in size further in.

    Args:
        picture: the whole mosaic, as its header describes it.

    Returns:
        Its tiles, their `Frame.index` counting from the first, or the picture alone, if the file does not say
        what is needed (an anonymiser may have taken the private header out).

    Raises:
        InputError: if it claims more tiles than the limit, or than it can hold.
    """
    found = _private(picture.found)
    if found is None:
        return (picture,)
    count, normal, gap_mm = found
    across = int(np.ceil(np.sqrt(min(count, 2 * MAX_TILES))))
    rows, columns = picture.size[0] // across, picture.size[1] // across
    if count > MAX_TILES or min(rows, columns) < MIN_TILE:
        raise InputError(
            f"{picture.found.relative} claims {count:,} tiles in a mosaic of {picture.size[0]} x {picture.size[1]}, "
            f"where at most {MAX_TILES} tiles of {MIN_TILE} x {MIN_TILE} or more are read: export the series again"
        )
    along_row, along_column = np.reshape(picture.orientation, (2, 3))
    first = (
        np.array(picture.position)
        + along_row * picture.spacing[1] * (picture.size[1] - columns) / 2
        + along_column * picture.spacing[0] * (picture.size[0] - rows) / 2
    )
    through = picture.normal * np.sign(picture.normal @ normal)
    kinds = tuple(kind for kind in picture.image_type if kind != MOSAIC)

    def tiles() -> Iterator[Frame]:
        for index in range(count):
            x, y, z = (first + index * gap_mm * through).tolist()
            yield replace(picture, index=index, size=(rows, columns), position=(x, y, z), image_type=kinds)

    return tuple(tiles())


def untiled(picture: Array, size: tuple[int, int]) -> Array:
    """Split a picture (rows, columns) into tiles of a size (rows, columns), row by row: (tiles, rows, columns).

    Example:
        >>> untiled(np.array([[1, 1, 2, 2], [3, 3, 4, 4]]), (1, 2)).tolist()
        [[[1, 1]], [[2, 2]], [[3, 3]], [[4, 4]]]
    """
    rows, columns = size
    down, across = picture.shape[0] // rows, picture.shape[1] // columns
    parts = picture[: down * rows, : across * columns].reshape(down, rows, across, columns)
    return parts.swapaxes(1, 2).reshape(down * across, rows, columns)


def _private(found: Found) -> tuple[int, list[float], float] | None:
    """Read the number of tiles, the direction in which they follow each other (LPS), and their distance in mm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import csareader  # warns on import that it is experimental

        try:
            dataset = read_dataset(found, stop_before_pixels=True, specific_tags=_TAGS)
            header = csareader.get_csa_header(dataset)
            count = csareader.get_n_mosaic(header) if header else None
            normal = csareader.get_slice_normal(header) if header else None
            gap_mm = float(dataset.get("SpacingBetweenSlices") or 0)
        except UNREADABLE:
            return None
        except csareader.CSAError:
            return None
    if not count or count < 2 or normal is None or not np.isfinite([*normal, gap_mm]).all() or gap_mm <= 0:
        return None
    return int(count), [float(n) for n in normal], gap_mm
