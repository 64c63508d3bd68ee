from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.segment.model1 import GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.distractors import Distractor, draw_distractor
from gliotype.simulate.patient import draw_patient
from gliotype.simulate.tissue import Tissue


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return draw_patient(np.random.default_rng(0), template_anatomy(), GRID, None).healthy


@pytest.mark.parametrize("kind", Distractor)
@pytest.mark.parametrize("seed", range(3))
def test_a_distractor_changes_the_brain_and_is_no_glioma(
    head: np.ndarray, kind: Distractor, seed: int
) -> None:
    lesion = draw_distractor(np.random.default_rng(seed), head, 2.0, kind)
    assert not lesion.labels.any()
    assert 0 < lesion.infiltration.max() <= 1
    assert (lesion.compartment[lesion.infiltration > 0.01] > 0).all()
    outside = np.isin(head, [Tissue.AIR, Tissue.BONE, Tissue.SCALP, Tissue.MUSCLE, Tissue.EYE])
    assert not lesion.infiltration[outside].any()


def test_metastases_are_round_and_enhance(head: np.ndarray) -> None:
    lesion = draw_distractor(np.random.default_rng(1), head, 2.0, Distractor.METASTASES)
    assert (lesion.compartment == Tissue.ENHANCING).any()
    parts, _ = ndimage.label(lesion.infiltration > 0.5)  # sulci may cut a small piece off
    assert 1 <= (np.bincount(parts.ravel())[1:] > 20).sum() <= 6


def test_plaques_lie_near_the_ventricles(head: np.ndarray) -> None:
    away = 2.0 * ndimage.distance_transform_edt(head != Tissue.VENTRICLE)
    lesions = [draw_distractor(np.random.default_rng(s), head, 2.0, Distractor.PLAQUES) for s in range(5)]
    plaque = np.concatenate([away[lesion.infiltration > 0.5] for lesion in lesions])
    white = away[head == Tissue.WHITE_MATTER]
    assert np.median(plaque) < 0.7 * np.median(white)


def test_a_patient_with_a_distractor_has_no_plan() -> None:
    patient = draw_patient(np.random.default_rng(3), template_anatomy(), GRID, Distractor.INFARCT)
    assert patient.plan is None
    assert patient.tumour is not None
    assert not patient.tumour.labels.any()
