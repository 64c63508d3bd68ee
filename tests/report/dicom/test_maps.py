"""Parametric maps, the encapsulated PDF and the key picture, read back with pydicom alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from conftest import oblique_affine
from gliotype.report.dicom.objects import make_objects
from gliotype.study import Sequence
from gliotype.volume import Volume
from support.dicom_results import Case, centred, head, make_case

AXIAL = np.diag([-1.0, -1.0, 1.0])
SAGITTAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
OBLIQUE = oblique_affine((1, 1, 1), (14.0, -9.0, 21.0))[:3, :3] @ AXIAL


def value_at(dataset: pydicom.Dataset, lps: np.ndarray) -> float:
    """Value of the voxel of a map that is nearest to a place, LPS mm."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    along = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    positions = np.array(
        [g.PlanePositionSequence[0].ImagePositionPatient for g in dataset.PerFrameFunctionalGroupsSequence],
        float,
    )
    normal = np.cross(*along)
    frame = int(np.abs((positions - lps) @ normal).argmin())
    column, row = (along @ (lps - positions[frame])) / spacing[::-1]
    pixels = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, dataset.Rows, dataset.Columns)
    return float(pixels[frame, round(row), round(column)])


@pytest.mark.slow
@pytest.mark.parametrize("directions", [AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_a_map_has_its_values_in_their_place(directions: np.ndarray, tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(directions))
    saliency = case.outputs.maps["saliency"]
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "saliency_map.dcm")
    assert np.unique(saliency.array[np.isfinite(saliency.array)]).size > 10, "the map is no constant"
    for index in np.argwhere(case.outputs.labels.array == 3)[::23]:
        place = (saliency.affine @ [*index, 1])[:3] * [-1, -1, 1]
        assert value_at(dataset, place) == saliency.array[tuple(index)]


def test_slices_without_a_value_are_left_out_and_other_gaps_declared_as_padding(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    dataset = case.objects()["saliency_map.dcm"]
    saliency = case.outputs.maps["saliency"].array
    assert dataset.NumberOfFrames == int(np.isfinite(saliency).any(axis=(0, 1)).sum()) < saliency.shape[2]
    stored = np.frombuffer(dataset.FloatPixelData, "<f4")
    measured = stored != np.float32(dataset.FloatPixelPaddingValue)
    assert np.array_equal(np.sort(stored[measured]), np.sort(saliency[np.isfinite(saliency)]))


def test_maps_state_quantity_and_unit_in_real_values(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    like = case.outputs.labels
    adc = np.where(like.array > 0, np.float32(0.9), np.float32("nan")).astype(np.float32)
    k2 = np.linspace(-0.01, 0.02, like.array.size, dtype=np.float32).reshape(like.array.shape)
    maps = {
        "adc": like.with_array(adc),
        "perfusion_k2": like.with_array(k2),
        "perfusion_rcbv": like.with_array(1 + k2),
    }
    sources = {Sequence.T1C: case.source, Sequence.DSC: case.source, Sequence.ADC: case.source}
    made = make_objects(replace(case.outputs, maps=maps), sources).objects
    expected = {
        "adc_map.dcm": ("113041", "um2/s"),
        "k2_map.dcm": ("k2", "/s"),
        "rcbv_map.dcm": ("126398", "1"),
    }
    for name, (quantity, unit) in expected.items():
        shared = made[name].SharedFunctionalGroupsSequence[0]
        (mapping,) = shared.RealWorldValueMappingSequence
        assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)
        assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == unit
        (defined,) = mapping.QuantityDefinitionSequence
        assert defined.ConceptCodeSequence[0].CodeValue == quantity
    stored = np.frombuffer(made["adc_map.dcm"].FloatPixelData, "<f4")
    assert np.isclose(stored[stored > 0], 900.0).all()


def test_a_map_without_its_series_is_left_out_with_a_remark(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    like = case.outputs.labels
    outputs = replace(
        case.outputs, maps={"perfusion_rcbv": like.with_array(np.ones(like.array.shape, np.float32))}
    )
    made = make_objects(outputs, {Sequence.T1C: case.source})
    assert "rcbv_map.dcm" not in made.objects
    assert made.remarks == ("No DICOM series of the DSC was found, so rcbv_map.dcm was not written.",)


def test_the_pdf_is_the_report_itself(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    dataset = pydicom.dcmread(case.save(tmp_path / "out") / "report_pdf.dcm")
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == case.outputs.pdf
    assert dataset.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert len(dataset.SourceInstanceSequence) == len(case.source.frames)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case with the reference image, from which the key picture is drawn."""
    case = make_case(tmp_path_factory.mktemp("study"), centred(AXIAL))
    return replace(case, outputs=replace(case.outputs, image=head(case.outputs.labels.grid)))


def test_the_key_picture_shows_the_largest_section_outlined(pictured: Case) -> None:
    dataset = pictured.objects()["key_picture.dcm"]
    (reference,) = dataset.SourceImageSequence
    uids = [frame.uid for frame in pictured.source.frames]
    sections = (pictured.outputs.labels.array > 0).sum(axis=(0, 1))
    assert uids.index(reference.ReferencedSOPInstanceUID) == int(sections.argmax())
    pixels = np.frombuffer(dataset.PixelData, np.uint8).reshape(dataset.Rows, dataset.Columns, 3)
    coloured = np.argwhere(np.ptp(pixels.astype(int), axis=2) > 60)
    middle = np.argwhere(pictured.outputs.labels.array[:, :, int(sections.argmax())] > 0).mean(axis=0)
    spacing = np.array(pictured.outputs.labels.grid.spacing[:2])
    assert np.abs(coloured.mean(axis=0)[::-1] - 3 * (middle + 0.5) * spacing).max() < 25
    assert list(dataset.PatientOrientation) == ["L", "P"]
    assert dataset.BurnedInAnnotation == "YES"


def test_the_key_picture_is_the_same_for_a_mirrored_grid(pictured: Case) -> None:
    """The masks' voxel order is no property of the picture: geometry goes through affines alone."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = pictured.outputs.labels.array.shape[0] - 1

    def flipped(volume: Volume) -> Volume:
        return Volume(volume.array[::-1], volume.affine @ flip)

    outputs = pictured.outputs
    assert outputs.image is not None
    mirrored = replace(
        outputs,
        masks={name: flipped(mask) for name, mask in outputs.masks.items()},
        image=flipped(outputs.image),
    )
    one, other = (each.objects() for each in (pictured, replace(pictured, outputs=mirrored)))
    assert one["key_picture.dcm"].PixelData == other["key_picture.dcm"].PixelData
    assert one["tumour_seg.dcm"].PixelData == other["tumour_seg.dcm"].PixelData
