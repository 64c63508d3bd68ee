"""The segmentation, read back by SimpleITK and pydicom alone, against the masks as they lie in the patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from conftest import oblique_affine
from gliotype.errors import InputError
from gliotype.volume import Grid, Volume, volume_from_sitk
from support.dicom_results import centred, make_case, no_tumour

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


@pytest.mark.slow
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


def test_a_tilted_series_gets_the_nearest_voxels_of_the_rectangular_mask(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", tilted())
    mask = case.outputs.masks["tumour"]
    assert mask.array.shape != (64, 80, 22), "the image was resampled onto a rectangular grid"
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    positions = {
        tuple(np.round(pydicom.dcmread(file).ImagePositionPatient, 3)): pydicom.dcmread(file)
        for file in (tmp_path / "study" / "t1c").iterdir()
    }
    world_to_index = np.linalg.inv(mask.affine) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    for frame, affine in planes(dataset, numbers(dataset)["Enhancing tumour"]):
        assert tuple(np.round(affine[:3, 3], 3)) in positions, "each frame lies on a slice of the source"
        rows, columns = np.indices(frame.shape)
        at = world_to_index @ affine @ np.stack([columns, rows, 0 * rows, 0 * rows + 1]).reshape(4, -1)
        i, j, k = np.floor(at[:3] + 0.5).astype(int)
        inside = np.all(
            [(n >= 0) & (n < size) for n, size in zip((i, j, k), mask.array.shape, strict=True)], 0
        )
        expected = np.zeros(frame.size, bool)
        expected[inside] = mask.array[i[inside], j[inside], k[inside]] == 3
        assert (frame.ravel() == expected).all()


def test_dropped_slices_have_no_frame_and_the_others_keep_theirs(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(OBLIQUE), leave_out=(9, 14))
    assert case.outputs.labels.array.shape[2] == 22
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    expected = mask_points(case.outputs.masks["brain"], None)
    found = points(dataset, numbers(dataset)["Brain"])
    missing = {tuple(p) for p in expected.tolist()} - {tuple(p) for p in found.tolist()}
    lost = sum(int((case.outputs.masks["brain"].array[:, :, k] > 0).sum()) for k in (9, 14))
    assert len(expected) - len(found) == lost
    assert len(missing) <= lost + 0.02 * len(expected)  # positions are rounded to 0.01 mm


def test_every_frame_refers_to_its_slice_of_the_source(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(DESCENDING))
    places = {
        file.SOPInstanceUID: file.ImagePositionPatient
        for file in map(pydicom.dcmread, (tmp_path / "study" / "t1c").iterdir())
    }
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    for group in dataset.PerFrameFunctionalGroupsSequence:
        (item,) = group.DerivationImageSequence[0].SourceImageSequence
        assert item.SpatialLocationsPreserved == "YES"
        assert np.allclose(
            places[item.ReferencedSOPInstanceUID], group.PlanePositionSequence[0].ImagePositionPatient
        )
    (series,) = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3.4"
    assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} <= set(places)


def test_frames_refer_to_the_frames_of_an_enhanced_source(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(OBLIQUE), enhanced=True)
    (file,) = (tmp_path / "study" / "t1c").iterdir()
    source = pydicom.dcmread(file)
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    for group in dataset.PerFrameFunctionalGroupsSequence:
        (item,) = group.DerivationImageSequence[0].SourceImageSequence
        assert item.ReferencedSOPClassUID == source.SOPClassUID
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        frame = source.PerFrameFunctionalGroupsSequence[item.ReferencedFrameNumber - 1]
        assert np.allclose(
            frame.PlanePositionSequence[0].ImagePositionPatient,
            group.PlanePositionSequence[0].ImagePositionPatient,
        )
    (series,) = dataset.ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == [
        source.SOPInstanceUID
    ]


def test_label_maps_hold_the_same_voxels_and_the_whole_tumour_apart(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(OBLIQUE))
    out = case.save(tmp_path / "out", labelmap=True)
    regions, whole = (pydicom.dcmread(out / name) for name in ("tumour_seg.dcm", "whole_tumour_seg.dcm"))
    for dataset in (regions, whole):
        assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
        pixels = np.frombuffer(dataset.PixelData, np.uint8).reshape(-1, dataset.Rows, dataset.Columns)
        for label, number in numbers(dataset).items():
            mask, value = LABELS.get(label, ("brain", None))
            array = case.outputs.masks[mask].array
            chosen = array == value if value is not None else array > 0
            if label == "Brain":
                chosen &= case.outputs.labels.array == 0
            if label != "Background":
                assert (pixels == number).sum() == chosen.sum() > 0


def test_itk_reads_the_segments_in_their_place(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(OBLIQUE))
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "tumour_seg.dcm")
    frames = planes(dataset, numbers(dataset)["Whole tumour"])
    reader = sitk.ImageSeriesReader()
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "study" / "t1c"))
    reader.SetFileNames(files)
    image = reader.Execute()  # where ITK, which knows nothing of Gliotype, sees the source
    drawn = np.zeros(sitk.GetArrayFromImage(image).shape, np.uint8)
    for frame, affine in frames:
        row, column = np.nonzero(frame)
        for r, c in zip(row, column, strict=True):
            i, j, k = image.TransformPhysicalPointToIndex((affine @ [c, r, 0, 1])[:3].tolist())
            drawn[k, j, i] = 1
    overlaid = sitk.GetImageFromArray(drawn)
    overlaid.CopyInformation(image)
    found = volume_from_sitk(overlaid)
    expected = case.outputs.labels.resample(found.grid, order=0)
    assert (found.array == (expected.array > 0)).all()
    assert found.array.sum() == (case.outputs.labels.array > 0).sum()


def test_a_given_outline_of_one_value_is_one_segment_drawn_by_a_person(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    tumour = {
        **case.outputs.document["tumour"],
        "source": "given",
        "regions_ml": dict.fromkeys(("core", "oedema", "enhancing")),
    }
    outline = case.outputs.labels.with_array((case.outputs.labels.array > 0).astype(np.uint8))
    outputs = replace(
        case.outputs,
        document={**case.outputs.document, "tumour": tumour},
        masks={**case.outputs.masks, "tumour": outline},
    )
    dataset = replace(case, outputs=outputs).objects()["tumour_seg.dcm"]
    assert [(s.SegmentLabel, s.SegmentAlgorithmType) for s in dataset.SegmentSequence] == [
        ("Whole tumour", "MANUAL"),
        ("Brain", "AUTOMATIC"),
    ]


def test_without_a_tumour_the_brain_alone_is_a_segment(tmp_path: Path) -> None:
    dataset = no_tumour(tmp_path / "study", centred(AXIAL)).objects()["tumour_seg.dcm"]
    assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == ["Brain"]


def test_segments_are_coded_as_brain_lesions(tmp_path: Path) -> None:
    dataset = make_case(tmp_path / "study", centred(AXIAL)).objects()["tumour_seg.dcm"]
    found = {
        segment.SegmentLabel: (
            segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue,
            segment.SegmentedPropertyTypeCodeSequence[0].CodeValue,
        )
        for segment in dataset.SegmentSequence
    }
    assert found == {
        "Whole tumour": ("49755003", "108369006"),
        "Enhancing tumour": ("49755003", "C113842"),
        "Non-enhancing or necrotic core": ("49755003", "C81175"),
        "Oedema and infiltrated tissue": ("49755003", "79654002"),
        "Brain": ("91723000", "12738006"),
    }
    algorithm = dataset.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmFamilyCodeSequence[0].CodeValue) == (
        "Gliotype",
        "123110",
    )


def test_a_tumour_outside_the_series_is_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    away = case.outputs.labels.affine.copy()
    away[2, 3] += 500
    moved = {name: Volume(mask.array, away) for name, mask in case.outputs.masks.items()}
    with pytest.raises(InputError, match="lies on no slice"):
        replace(case, outputs=replace(case.outputs, masks=moved)).objects()
