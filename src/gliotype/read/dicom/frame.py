"""One slice of a DICOM series, known by its header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.read.cest.offsets import Offsets
from gliotype.read.files import Found


@dataclass(frozen=True)
class Frame:
    """One slice of a DICOM series: a classic instance, or one frame of an enhanced one.

    Attributes:
        found: the file.
        index: number of the frame in its file, from 0.
        size: rows and columns.
        position: LPS mm of the centre of the first voxel.
        orientation: unit vectors (LPS) along which the column index and the row index increase.
        spacing: mm between rows, mm between columns.
        te_ms: echo time, or None.
        image_type: ImageType values.
        b_value: diffusion b-value in s/mm2, or None where the header does not say.
        temporal: temporal position, or None.
        time_s: clock time of acquisition in s, or None.
        trigger_ms: trigger time, or None.
        number: acquisition and instance number.
        offset: saturation offset that a comment states, or None.
        thickness_mm: of the slice, or None.
        slope: of the stored values.
        intercept: of the stored values.
    """

    found: Found
    index: int
    size: tuple[int, int]
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    te_ms: float | None = None
    image_type: tuple[str, ...] = ()
    b_value: float | None = None
    temporal: int | None = None
    time_s: float | None = None
    trigger_ms: float | None = None
    number: tuple[int, int] = (0, 0)
    offset: Offsets | None = None
    thickness_mm: float | None = None
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector (LPS) through the slice."""
        return np.cross(self.orientation[:3], self.orientation[3:])
