"""A DICOM study of a phantom and the outputs of a prediction on it, for the tests of DICOM results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.dicom_source import DicomSource
from gliotype.read import read_study
from gliotype.report.dicom.objects import make_objects
from gliotype.report.dicom.outputs import Outputs
from gliotype.report.json import prediction_json
from gliotype.result import Result
from gliotype.study import Label, Sequence, Subject
from gliotype.volume import Grid, Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.factory import (
    PREPARED,
    make_no_tumour,
    make_perhaps_missed,
    make_result,
    make_result_with_perfusion,
)

MADE = datetime(2026, 11, 2, 9, 30, 15)  # noqa: DTZ001 - DICOM wants local time
SHAPE = (64, 80, 22)
SPACING = (3.0, 2.6, 7.0)


@dataclass(frozen=True, eq=False)
class Case:
    """A study in DICOM, and what a prediction on it gave.

    Attributes:
        folder: with the DICOM files.
        outputs: of the prediction.
        source: the reference series.
    """

    folder: Path
    outputs: Outputs
    source: DicomSource

    def objects(self, *, labelmap: bool = False) -> Mapping[str, Any]:
        """Make the DICOM objects."""
        return make_objects(self.outputs, {self.outputs.reference: self.source}, labelmap=labelmap).objects

    def save(self, folder: Path, *, labelmap: bool = False) -> Path:
        """Write the DICOM objects into a folder."""
        made = make_objects(self.outputs, {self.outputs.reference: self.source}, labelmap=labelmap)
        made.save(folder)
        return folder


def centred(directions: NDArray[np.float64], spacing: tuple[float, float, float] = SPACING) -> Grid:
    """A grid around the origin whose axes run along the columns of `directions`."""
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2) + [4.0, -7.0, 11.0]
    return Grid(SHAPE, affine)


def head(grid: Grid) -> Volume:
    """An asymmetric head: an ellipsoid with two unequal balls and a nose."""
    x, y, z = np.moveaxis(grid.world() - grid.centre, -1, 0)
    inside = (x / 65) ** 2 + (y / 82) ** 2 + (z / 62) ** 2 < 1
    right = (x - 30) ** 2 + (y - 20) ** 2 + (z - 10) ** 2 < 16**2
    left = (x + 35) ** 2 + (y + 30) ** 2 + (z + 5) ** 2 < 9**2
    nose = (np.abs(x) < 9) & (y > 60) & (y < 92) & (np.abs(z + 20) < 12)
    return Volume((100.0 * inside + 80.0 * right + 40.0 * left + 60.0 * nose).astype(np.float32), grid.affine)


def masks(grid: Grid) -> dict[str, Volume]:
    """Brain, and a tumour of three unlike parts that no flip or exchange of axes leaves as it is."""
    x, y, z = np.moveaxis(grid.world() - np.array([4.0, -7.0, 11.0]), -1, 0)
    labels = np.zeros(grid.shape, np.uint8)
    labels[((x - 26) / 24) ** 2 + ((y - 18) / 18) ** 2 + ((z - 9) / 20) ** 2 < 1] = Label.OEDEMA
    labels[((x - 32) / 12) ** 2 + ((y - 22) / 10) ** 2 + ((z - 12) / 11) ** 2 < 1] = Label.ENHANCING
    labels[((x - 35) / 7) ** 2 + ((y - 24) / 6) ** 2 + ((z - 13) / 8) ** 2 < 1] = Label.CORE
    brain = ((x / 58) ** 2 + (y / 72) ** 2 + ((z - 3) / 52) ** 2 < 1).astype(np.uint8)
    return {"tumour": Volume(labels, grid.affine), "brain": Volume(brain, grid.affine)}


def make_case(folder: Path, grid: Grid, *, result: Result | None = None, **options: Any) -> Case:
    """Write a T1c series as DICOM, read it, and lay the phantom's masks on the grid as it was read.

    Args:
        folder: for the files.
        grid: of the series.
        result: whose numbers are taken; those of a tumour with perfusion if None.
        **options: of `write_dicom_series`.
    """
    write_dicom_series(
        head(grid), folder / "t1c", **{**PROTOCOLS["T1C"], "SeriesInstanceUID": "1.2.3.4", **options}
    )
    image = read_study(folder, subject=Subject("case-7")).chosen[Sequence.T1C]
    assert image.dicom is not None
    return Case(folder, make_outputs(image.volume, result), image.dicom)


def make_outputs(volume: Volume, result: Result | None = None) -> Outputs:
    """The outputs of a prediction whose masks lie on the grid of an image."""
    result = result or make_result_with_perfusion()
    laid = masks(volume.grid)
    if not result.tumour.found:
        laid["tumour"] = Volume(np.zeros(volume.grid.shape, np.uint8), volume.affine)
    x, y, z = np.moveaxis(volume.grid.world(), -1, 0)
    pattern = np.sin(x / 11 + y / 7 + z / 13)
    saliency = np.where(laid["tumour"].array > 0, pattern, np.nan).astype(np.float32)
    return Outputs(
        document=json.loads(prediction_json(result, report_seconds=0.5)),
        masks=laid,
        maps={"saliency": Volume(saliency, volume.affine)},
        pdf=_pdf(),
        made=MADE,
    )


@cache
def _pdf() -> bytes:
    return b"%PDF-1.4 one page\n%%EOF\n"


def no_tumour(folder: Path, grid: Grid) -> Case:
    """A study in which no tumour was found."""
    return make_case(folder, grid, result=make_no_tumour())


def perhaps_missed(folder: Path, grid: Grid) -> Case:
    """A study in which no tumour was found and none could be excluded."""
    return make_case(folder, grid, result=make_perhaps_missed())


def write_series(folder: Path, kind: str = "T1C", **headers: Any) -> Path:
    """Write a DICOM series of a head in the place of the made result's."""
    write_dicom_series(head(result_grid()), folder, **{**PROTOCOLS[kind], **headers})
    return folder


def result_grid() -> Grid:
    """Thick slices around the head of the made result."""
    affine = centred(np.diag([-1.0, -1.0, 1.0])).affine.copy()
    affine[:3, 3] += PREPARED.centre - [4.0, -7.0, 11.0]
    return Grid((64, 80, 22), affine)


def result_of(study: Path) -> Result:
    """A made result whose reference image is that of a study on disk."""
    image = read_study(study, subject=Subject("case-7")).chosen[Sequence.T1C]
    made = make_result((Sequence.T1C,))
    images = (image, *(each for each in made.study.images if each.sequence is not Sequence.T1C))
    return replace(
        made,
        study=replace(made.study, images=images),
        prepared=replace(made.prepared, acquired_grids={Sequence.T1C: image.volume.grid}),
    )
