from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.simulate.cohort.raw_study import raw_images, write_raw_study
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols, same_session
from gliotype.simulate.tissue import Tissue, draw_parameters
from gliotype.study import Sequence


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
    affines = [image.affine for file, image in zip(files, images, strict=True) if "post" not in file.name]
    for image in images:
        spacing = image.header.get_zooms()
        assert spacing[2] > 2.5 * spacing[0]
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        turned = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
        assert np.abs(turned - np.round(turned)).max() > 1e-3
    assert all(not np.allclose(affines[0], other) for other in affines[1:])


@pytest.mark.slow
def test_a_raw_study_is_the_same_for_the_same_seed(patient: DigitalPatient, tmp_path: Path) -> None:
    first, second = (write_raw_study(patient, tmp_path / name, seed=5) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(nib.load(one).get_fdata(), nib.load(other).get_fdata())


def test_the_tumour_lies_in_the_brain(patient: DigitalPatient) -> None:
    assert patient.tumour is not None
    assert (patient.tumour.labels > 0).sum() > 50
    assert patient.brain[patient.tumour.labels > 0].all()


@pytest.mark.slow
def test_t1c_of_the_same_session_has_the_slices_of_t1(patient: DigitalPatient) -> None:
    shared = []
    for seed in range(6):
        images = raw_images(patient, seed, sequences=(Sequence.T1, Sequence.T1C, Sequence.T2))
        before, after, other = (images[s] for s in (Sequence.T1, Sequence.T1C, Sequence.T2))
        paired = same_session(before.protocol, after.protocol)
        shared.append(paired)
        assert before.volume.grid.same_as(after.volume.grid) is paired
        moved = after.image_from_mni @ np.linalg.inv(before.image_from_mni)
        assert not np.allclose(moved, np.eye(4), atol=1e-6)
        assert not before.volume.grid.same_as(other.volume.grid)
    assert 0 < sum(shared) <= len(shared)


def test_subtracting_t1_from_t1c_leaves_what_enhances(patient: DigitalPatient) -> None:
    assert patient.tumour is not None
    enhancing = patient.tumour.compartment == Tissue.ENHANCING
    white = (patient.healthy == Tissue.WHITE_MATTER) & (patient.tumour.infiltration < 0.01)
    spread = {True: [], False: []}  # of T1c over T1 in white matter, by whether they are of one session
    for seed in range(12):
        rng = np.random.default_rng(seed)
        protocols = draw_protocols(rng, (Sequence.T1, Sequence.T1C), (2.0, 4.0))
        quiet = {s: replace(p, noise=0.0) for s, p in protocols.items()}
        images = acquire(rng, patient, draw_parameters(rng), quiet)
        ratio = images[Sequence.T1C] / np.maximum(images[Sequence.T1], 1e-6)
        paired = same_session(protocols[Sequence.T1], protocols[Sequence.T1C])
        low, high = np.quantile(ratio[white], [0.1, 0.9])
        spread[paired].append(float(high / low))
        if paired:
            assert np.median(ratio[enhancing]) > 1.1 * np.median(ratio[white])
            assert 1.0 <= np.median(ratio[white]) < 1.1
    assert np.median(spread[True]) < 1.15 < np.median(spread[False])
    assert len(spread[True]) > len(spread[False]) > 0
