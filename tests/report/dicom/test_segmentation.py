"""The segmentation, read back by SimpleITK and pydicom alone, against the masks as they lie in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from conftest import oblique_affine
from gliotype.volume import Grid, Volume
from support.dicom_results import centred, make_case

AXIAL = np.diag([-1.0, -1.0, 1.0])
OBLIQUE = oblique_affine((1, 1, 1), (14.0, -9.0, 21.0))[:3, :3] @ AXIAL
SAGITTAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
CORONAL = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
DESCENDING = np.diag([-1.0, -1.0, -1.0])
DIRECTIONS = {
    "axial": AXIAL,
    "oblique": OBLIQUE,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "descending": DESCENDING,
}


def tilted() -> Grid:
    """Slices that are shifted against each other, as with a tilted gantry."""
    affine = centred(AXIAL).affine.copy()
    affine[1, 2] = 2.2
    return Grid((64, 80, 22), affine)


def planes(dataset: Dataset, number: int) -> list[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Each frame of a segment (rows, columns) with its affine, LPS mm, read from the attributes alone."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    rows, columns = dataset.Rows, dataset.Columns
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    frames = bits[: dataset.NumberOfFrames * rows * columns].reshape(-1, rows, columns).astype(bool)
    along = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    found = []
    for frame, own in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        if own.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            affine = np.eye(4)
            affine[:3, 0], affine[:3, 1] = along[0] * spacing[1], along[1] * spacing[0]
            affine[:3, 3] = own.PlanePositionSequence[0].ImagePositionPatient
            found.append((frame, affine))
    return found


def points(dataset: Dataset, number: int) -> NDArray[np.float64]:
    """Every voxel of a segment in the patient, LPS mm, sorted."""
    found = []
    for frame, affine in planes(dataset, number):
        row, column = np.nonzero(frame)
        found.append((affine @ np.stack([column, row, 0 * row, 1 + 0 * row]))[:3].T)
    return np.array(sorted(np.concatenate(found).round(2).tolist()))


def mask_points(mask: Volume, value: int | None) -> NDArray[np.float64]:
    """Every voxel of a mask in the patient, LPS mm, sorted."""
    index = np.argwhere(mask.array == value if value is not None else mask.array > 0)
    ras = index @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    return np.array(sorted((ras * [-1, -1, 1]).round(2).tolist()))


def numbers(dataset: Dataset) -> dict[str, int]:
    return {segment.SegmentLabel: int(segment.SegmentNumber) for segment in dataset.SegmentSequence}


LABELS = {
    "Whole tumour": ("tumour", None),
    "Enhancing tumour": ("tumour", 3),
    "Non-enhancing or necrotic core": ("tumour", 1),
    "Oedema and infiltrated tissue": ("tumour", 2),
    "Brain": ("brain", None),
}


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_every_segment_holds_the_voxels_of_its_mask(name: str, enhanced: bool, tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(DIRECTIONS[name]), enhanced=enhanced)
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    assert set(numbers(dataset)) == set(LABELS)
    for label, number in numbers(dataset).items():
        mask, value = LABELS[label]
        expected = mask_points(case.outputs.masks[mask], value)
        found = points(dataset, number)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 0.02
