"""Find the DICOM series to which images belong that were read earlier, or were converted to NIfTI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from gliotype.dicom_source import DicomSource
from gliotype.errors import UsageError
from gliotype.read.dicom.series import read_dicom
from gliotype.read.files import Format, open_source
from gliotype.read.geometry import rectangular_grid
from gliotype.read.identify.by_header import identify
from gliotype.read.identify.choose import Candidate, ranked
from gliotype.read.series import Series
from gliotype.study import Sequence
from gliotype.volume import Grid, Volume

SAME_PLACE_MM = 0.1
"""Converters keep positions in single precision."""


@dataclass(frozen=True, eq=False)
class WantedImage:
    """An image whose series is looked for.

    Attributes:
        grid: its voxels; axes may be flipped and exchanged against those of the series.
        source: path inside the study of its first file, as it was when the image was read, or empty.
        voxels: whether to load them.
    """

    grid: Grid
    source: str = ""
    voxels: bool = False


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """The series of an image, and its voxels if they were wanted."""

    source: DicomSource
    volume: Volume | None


def find_dicom_series(study: Path, images: Mapping[Sequence, WantedImage]) -> dict[Sequence, FoundSeries]:
    """Find the series that have the voxels of images: by path, else by sequence, else the only one.

    Args:
        study: folder or zip of DICOM, or one file.
        images: what is looked for.

    Returns:
        The series of those that were found.

    Raises:
        InputError: if there is nothing to read, or a series cannot be read.
        UsageError: if several series have the voxels of an image, and nothing says which is the one.
    """
    sources: dict[Sequence, FoundSeries] = {}
    with open_source(study) as found:
        series, _ = read_dicom(file for file in found if file.format is Format.DICOM)
        for sequence, image in images.items():
            chosen = _choose(series, sequence, image)
            if chosen is not None and chosen.dicom is not None:
                volume = chosen.load().volume if image.voxels else None
                sources[sequence] = FoundSeries(chosen.dicom(), volume)
    return sources


def _choose(series: list[Series], sequence: Sequence, image: WantedImage) -> Series | None:
    fitting = [one for one in series if one.problem is None and one.grid and _fits(one.grid, image.grid)]
    if same := [one for one in fitting if one.source == image.source]:
        return same[0]
    candidates = [Candidate(one, identify(one.info)) for one in fitting]
    if alike := ranked([c for c in candidates if c.identity.sequence is sequence]):
        return alike[0].series
    if len(fitting) > 1:
        raise UsageError(
            f"{len(fitting)} series have the voxels of the {sequence.word}, and none is named as one: "
            "give the folder of its series alone"
        )
    return fitting[0] if fitting else None


def _fits(grid: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels, in whatever order; a tilted one as it is read, or as it is stored."""
    return any(
        _ordered(one).same_as(_ordered(other), SAME_PLACE_MM) for one in (grid, rectangular_grid(grid))
    )


def _ordered(grid: Grid) -> Grid:
    """Return the grid with its axes in the order and direction closest to RAS+."""
    orientation = nib.orientations.io_orientation(grid.affine)
    affine = grid.affine @ nib.orientations.inv_ornt_aff(orientation, grid.shape)
    i, j, k = (grid.shape[int(axis)] for axis in np.argsort(orientation[:, 0]))
    return Grid((i, j, k), affine)
