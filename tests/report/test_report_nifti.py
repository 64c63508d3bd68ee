from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from conftest import oblique_affine
from gliotype.prepare import to_acquired
from gliotype.report.nifti import save_nifti, volumes_as_acquired
from gliotype.result import Result
from gliotype.study import Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Volume
from support.factory import PREPARED, make_no_tumour, make_result

MOVED = oblique_affine((1, 1, 1), (3.0, -2.0, 4.0))
MOVED[:3, 3] = (6.0, -9.0, 4.0)


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


@pytest.fixture(scope="module")
def prepared(result: Result) -> PreparedStudy:
    """As of a reference that was acquired elsewhere than the prepared space, so that transforms matter."""
    transforms = {**result.prepared.acquired_from_prepared, result.prepared.reference: MOVED}
    return replace(result.prepared, acquired_from_prepared=transforms)


def given(mask: np.ndarray, label: Label) -> Tumour:
    return Tumour(Volume(mask.astype(np.uint8) * np.uint8(label), PREPARED.affine), source="given")


def world_centre(volume: Volume, mask: np.ndarray) -> np.ndarray:
    return nib.affines.apply_affine(volume.affine, ndimage.center_of_mass(mask))


def test_masks_lie_on_the_reference_image_as_it_was_read(result: Result) -> None:
    reference = result.study.chosen[Sequence.T1C].volume
    volumes = volumes_as_acquired(result)
    assert set(volumes) == {"tumour", "brain"}
    for volume in volumes.values():
        assert volume.array.shape == reference.array.shape
        assert volume.array.dtype == np.uint8
        np.testing.assert_array_equal(volume.affine, reference.affine)
    brain_ml = float(volumes["brain"].array.sum()) * volumes["brain"].grid.voxel_ml
    assert brain_ml == pytest.approx(float(result.prepared.brain.array.sum()) / 1000, rel=0.02)


@pytest.mark.parametrize("label", list(Label))
def test_every_region_keeps_its_place_and_volume(
    result: Result, prepared: PreparedStudy, label: Label
) -> None:
    acquired = to_acquired(result.tumour.labels, prepared)
    there, here = acquired.array == label, result.tumour.labels.array == label
    expected = nib.affines.apply_affine(MOVED, world_centre(result.tumour.labels, here))
    np.testing.assert_allclose(world_centre(acquired, there), expected, atol=1.0)
    assert there.sum() * acquired.grid.voxel_ml == pytest.approx(
        result.tumour.regions_ml[label.name.lower()], 0.01
    )


@pytest.mark.parametrize("level", range(62, 68))
def test_a_sheet_thinner_than_a_slice_is_not_lost(prepared: PreparedStudy, level: int) -> None:
    sheet = np.zeros(PREPARED.shape, np.bool_)
    sheet[80:110, 90:120, level : level + 2] = True
    acquired = to_acquired(given(sheet, Label.ENHANCING).labels, prepared)
    volume_ml = np.count_nonzero(acquired.array == Label.ENHANCING) * acquired.grid.voxel_ml
    assert volume_ml == pytest.approx(1.8, rel=0.01)


def test_thin_enhancement_within_oedema_is_not_outvoted(prepared: PreparedStudy) -> None:
    labels = np.zeros(PREPARED.shape, np.uint8)
    labels[70:120, 80:130, 50:80] = Label.OEDEMA
    labels[85:105, 95:115, 64:66] = Label.ENHANCING
    acquired = to_acquired(Volume(labels, PREPARED.affine), prepared)
    volume_ml = np.count_nonzero(acquired.array == Label.ENHANCING) * acquired.grid.voxel_ml
    assert volume_ml == pytest.approx(0.8, rel=0.01)
    whole_ml = np.count_nonzero(acquired.array) * acquired.grid.voxel_ml
    assert whole_ml == pytest.approx(75.0, rel=0.01)


def test_no_tumour_is_an_empty_mask() -> None:
    assert not volumes_as_acquired(make_no_tumour())["tumour"].array.any()


@pytest.mark.slow
def test_the_map_is_that_of_the_answering_method(result: Result) -> None:
    x = PREPARED.world()[..., 0].astype(np.float32)
    maps = {"age": Volume(np.zeros_like(x), PREPARED.affine), "radiomics": Volume(x, PREPARED.affine)}
    findings = tuple(replace(finding, map=maps.get(finding.method)) for finding in result.findings)
    saliency = volumes_as_acquired(replace(result, findings=findings))["saliency"]
    inside = volumes_as_acquired(result)["brain"].array > 0
    np.testing.assert_allclose(saliency.array[inside], saliency.grid.world()[..., 0][inside], atol=0.5)


def test_a_file_keeps_array_affine_and_units(tmp_path: Path, phantom: Volume) -> None:
    sheared = phantom.affine.copy()
    sheared[1, 2] += 0.8
    for affine in (phantom.affine, sheared):
        save_nifti(Volume(phantom.array.astype(np.uint8), affine), tmp_path / "mask.nii.gz")
        image = nib.load(tmp_path / "mask.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), phantom.array.astype(np.uint8))
        np.testing.assert_allclose(image.affine, affine, atol=1e-4)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert image.get_data_dtype() == np.uint8


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path, phantom: Volume) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        save_nifti(phantom, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
