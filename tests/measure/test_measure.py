from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from gliotype.measure import LOCI_UNITS, MISMATCH_UNITS, SHAPE_UNITS, SIGNAL_UNITS, measure, shape_features
from gliotype.study import Tumour
from gliotype.volume import Volume
from support.head_phantom import head


def test_every_number_has_a_unit_and_a_place():
    measurements = measure(*head())
    names = [*SHAPE_UNITS, *LOCI_UNITS, *SIGNAL_UNITS, *MISMATCH_UNITS]
    assert set(names) == set(measurements.units)
    assert len(names) == len(set(names))
    assert all(measurements[name] is not None for name in SHAPE_UNITS)
    assert measurements["VoxelVolume"] == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.02)


def test_no_tumour_has_no_numbers():
    prepared, tumour = head()
    nothing = Tumour(tumour.labels.with_array(np.zeros_like(tumour.labels.array)), "model1")
    measurements = measure(prepared, nothing)
    assert {measurements[name] for name in measurements.units} == {None}


def test_flipped_patient_has_the_same_size_but_another_place():
    prepared, tumour = head()
    to_right_frontal = np.eye(4)
    to_right_frontal[:3, 3] = (20.0, 35.0, 10.0)
    front_to_back = np.diag([1.0, -1.0, 1.0, 1.0])
    facing = measure(replace(prepared, mni_from_prepared=to_right_frontal), tumour)
    turned = measure(replace(prepared, mni_from_prepared=front_to_back @ to_right_frontal), tumour)
    assert facing["VoxelVolume"] == turned["VoxelVolume"]
    assert facing["Frontal"] > 90
    assert turned["Frontal"] < 10


def test_real_expert_mask(shared_data):
    image = nib.load(shared_data / "brats" / "BraTS2021_01476" / "BraTS2021_01476_seg.nii.gz")

    features = shape_features(Volume(np.asarray(image.dataobj), image.affine))
    assert features["VoxelVolume"] == 51173
    # PyRadiomics 3.0.1 on the same mask, stored in another voxel order.
    assert features["MeshVolume"] == pytest.approx(51068.4, rel=0.005)
    assert features["SurfaceArea"] == pytest.approx(10008.3, rel=0.005)
    assert features["Sphericity"] == pytest.approx(0.665, abs=0.005)
    assert features["Flatness"] == pytest.approx(0.505, abs=0.001)
