from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.simulate.cohort.raw_study import write_raw_study
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, draw_patient
from gliotype.simulate.tissue import Tissue


@pytest.fixture(scope="module")
def patient() -> DigitalPatient:
    anatomy = template_anatomy()
    grid = anatomy.tissue.grid.bounding(3.0)
    return draw_patient(np.random.default_rng(5), anatomy, grid, GliomaType.GLIOBLASTOMA, reshape_scale=0.02)


def test_the_template_is_a_whole_head() -> None:
    anatomy = template_anatomy()
    fraction = {t: float((anatomy.tissue.array == t).sum()) * anatomy.tissue.grid.voxel_ml for t in Tissue}
    assert 300 < fraction[Tissue.WHITE_MATTER] < 800
    assert 600 < fraction[Tissue.GREY_MATTER] < 1300
    assert fraction[Tissue.SCALP] > 50
    assert fraction[Tissue.BONE] > 100
    assert 5 < fraction[Tissue.VENTRICLE] < 60


def test_a_raw_study_has_four_oblique_anisotropic_images_in_their_own_spaces(
    patient: DigitalPatient, tmp_path: Path
) -> None:
    files = write_raw_study(patient, tmp_path / "raw", seed=5)
    images = [nib.load(f) for f in files]
    assert len(images) == 4
    affines = [image.affine for image in images]
    for image in images:
        spacing = image.header.get_zooms()
        assert spacing[2] > 2.5 * spacing[0]
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        turned = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
        assert np.abs(turned - np.round(turned)).max() > 1e-3
    assert all(not np.allclose(affines[0], other) for other in affines[1:])


def test_a_raw_study_is_the_same_for_the_same_seed(patient: DigitalPatient, tmp_path: Path) -> None:
    first, second = (write_raw_study(patient, tmp_path / name, seed=5) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(nib.load(one).get_fdata(), nib.load(other).get_fdata())


def test_the_tumour_lies_in_the_brain(patient: DigitalPatient) -> None:
    assert patient.tumour is not None
    assert (patient.tumour.labels > 0).sum() > 50
    assert patient.brain[patient.tumour.labels > 0].all()
