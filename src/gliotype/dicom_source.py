"""Where an image comes from in DICOM: its instances, where each of its slices lies, and whose it is.

Results are written as DICOM objects that refer to these instances and belong to the same patient and study.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gliotype.volume import LPS_FROM_RAS, Matrix

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class SourceFrame:
    """One slice of an image, and the DICOM instance that holds it.

    Attributes:
        uid: SOPInstanceUID.
        number: of the frame in a multi-frame instance, from 1; None for a classic one.
        size: rows and columns.
        position: LPS mm of the centre of the first voxel.
        orientation: unit vectors (LPS) along which the column index and the row index increase.
        spacing: mm between rows, mm between columns.
    """

    uid: str
    number: int | None
    size: tuple[int, int]
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]

    @property
    def affine(self) -> Matrix:
        """4 x 4, (column, row, steps through the slice of 1 mm, 1) to RAS+ millimetres.

        Example:
            >>> frame = SourceFrame("1.2", None, (4, 4), (-9.0, 7.0, 5.0), (1, 0, 0, 0, 1, 0), (2.0, 3.0))
            >>> (frame.affine @ [1, 1, 0, 1]).tolist()
            [6.0, -9.0, 5.0, 1.0]
        """
        lps = np.eye(4)
        lps[:3, 0] = np.array(self.orientation[:3]) * self.spacing[1]
        lps[:3, 1] = np.array(self.orientation[3:]) * self.spacing[0]
        lps[:3, 2] = np.cross(self.orientation[:3], self.orientation[3:])
        lps[:3, 3] = self.position
        return np.asarray(LPS_FROM_RAS @ lps)


@dataclass(frozen=True, eq=False)
class DicomSource:
    """The DICOM series of an image.

    Attributes:
        header: what an instance says of patient, study and series. It names the patient: it goes into DICOM objects
            of the same patient, and nowhere else.
        frames: the slices, ascending along their normal; of a series in time, those of the first time.
    """

    header: Dataset = field(repr=False)
    frames: tuple[SourceFrame, ...]

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return str(self.header.SeriesInstanceUID)

    @property
    def slice_distance_mm(self) -> float:
        """Usual distance between the centres of adjacent slices; 1 for a single slice."""
        positions = np.array([frame.position for frame in self.frames])
        gaps = np.abs(np.diff(positions @ np.cross(*np.reshape(self.frames[0].orientation, (2, 3)))))
        return float(np.median(gaps)) if len(gaps) else 1.0
