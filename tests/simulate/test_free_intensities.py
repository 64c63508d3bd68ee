"""The second generator of images, and lesions that are hardly visible."""

import numpy as np
import pytest
from scipy import ndimage

from gliotype.segment.model1 import GRID
from gliotype.simulate.free_intensities import paint
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import Tissue, draw_parameters
from gliotype.study import STRUCTURAL, Sequence


@pytest.fixture(scope="module")
def patient() -> DigitalPatient:
    return draw_patient(np.random.default_rng(3), template_anatomy(), GRID, GliomaType.GLIOBLASTOMA)


def painted(patient: DigitalPatient, seed: int) -> dict[Sequence, np.ndarray]:
    rng = np.random.default_rng(seed)
    return paint(rng, patient, draw_protocols(rng, STRUCTURAL, (1.0, 2.0)))


def test_the_same_seed_paints_the_same_images(patient: DigitalPatient) -> None:
    for sequence, image in painted(patient, 1).items():
        np.testing.assert_array_equal(image, painted(patient, 1)[sequence])


def test_tissues_have_no_fixed_order_of_brightness(patient: DigitalPatient) -> None:
    """Physical signals always show fluid brighter than white matter on T2; free intensities do not."""
    white, fluid = (
        ndimage.binary_erosion(patient.healthy == tissue) & (patient.tumour.infiltration < 0.01)
        for tissue in (Tissue.WHITE_MATTER, Tissue.VENTRICLE)
    )
    brighter = {
        bool(t2[fluid].mean() > t2[white].mean()) for t2 in (painted(patient, s)["T2"] for s in range(5))
    }
    assert brighter == {True, False}


def test_a_lesion_is_painted_where_it_is_and_air_stays_dark(patient: DigitalPatient) -> None:
    rng = np.random.default_rng(5)
    protocols = draw_protocols(rng, [Sequence.FLAIR], (1.0, 1.0))
    healthy = DigitalPatient(GRID, patient.healthy, None, None, 50.0)
    with_lesion = paint(np.random.default_rng(7), patient, protocols)[Sequence.FLAIR]
    without = paint(np.random.default_rng(7), healthy, protocols)[Sequence.FLAIR]
    changed = ndimage.gaussian_filter(np.abs(with_lesion - without), 2) > 0.1 * without.mean()
    near = ndimage.binary_dilation(patient.tumour.infiltration > 0.01, iterations=4)
    assert changed.any()
    assert changed[~near].mean() < 0.3 * changed[near].mean()
    air = ndimage.binary_erosion(patient.healthy == Tissue.AIR, iterations=4)
    assert np.median(with_lesion[air]) < 0.2 * np.median(with_lesion[patient.brain])


def test_less_visibility_leaves_a_lesion_with_less_contrast(patient: DigitalPatient) -> None:
    whole = patient.tumour.labels > 0
    around = ndimage.binary_dilation(whole, iterations=2) & ~whole & patient.brain

    def contrast(visibility: dict[Sequence, float] | None) -> float:
        rng = np.random.default_rng(2)
        protocols = draw_protocols(rng, [Sequence.FLAIR], (1.0, 2.0))
        image = acquire(rng, patient, draw_parameters(rng), protocols, visibility=visibility)[Sequence.FLAIR]
        return float(image[whole].mean() / image[around].mean())

    assert contrast({Sequence.FLAIR: 1.0}) == contrast(None)
    assert contrast({Sequence.FLAIR: 0.3}) < 1 + 0.6 * (contrast(None) - 1)
