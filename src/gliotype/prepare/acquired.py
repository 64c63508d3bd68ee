"""From the prepared grid back to the grids of the images as they were acquired."""

from __future__ import annotations

import numpy as np

from gliotype.masks import read_whole
from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Volume


def to_acquired(volume: Volume, prepared: PreparedStudy, sequence: Sequence | None = None) -> Volume:
    """Bring a mask, label map or map to the grid of an image as it was acquired (see `read_whole`).

    Args:
        volume: on the prepared grid; boolean and integer arrays are labels (0 is nothing), others are maps.
        prepared: gives the transforms between the grids.
        sequence: whose grid is wanted; None for the reference.

    Returns:
        A volume of the same type on ``prepared.acquired_grids[sequence]``; maps are read linearly, as float32.
    """
    sequence = sequence or prepared.reference
    grid = prepared.acquired_grids[sequence]
    prepared_from_acquired = np.asarray(np.linalg.inv(prepared.acquired_from_prepared[sequence]))
    array = np.asarray(volume.array)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        return volume.resample(grid, prepared_from_acquired)
    return read_whole(volume, grid, prepared_from_acquired)
