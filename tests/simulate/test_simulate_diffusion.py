"""The simulated ADC map: its tissues, its place, its spread between patients, and the files."""

from __future__ import annotations

import json
from math import erf
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.predictors.adc import MUTANT_RATIO, SPREAD, WILDTYPE_RATIO
from gliotype.read import read_study
from gliotype.simulate.diffusion import SEEN_AS, SimulatedAdc, adc_series, draw_tissue_adc, write_adc
from gliotype.simulate.head.pose import draw_rigid
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType, draw_plan
from gliotype.simulate.patient import DigitalPatient, draw_patient
from gliotype.simulate.tissue import Tissue
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume

pytestmark = pytest.mark.slow

LYING = draw_rigid(np.random.default_rng(9), 8.0, 10.0)


@pytest.fixture(scope="module")
def patient() -> DigitalPatient:
    anatomy = template_anatomy()
    grid = anatomy.tissue.grid.bounding(3.0)
    return draw_patient(np.random.default_rng(5), anatomy, grid, GliomaType.GLIOBLASTOMA, reshape_scale=0.02)


@pytest.fixture(scope="module")
def series(patient: DigitalPatient) -> SimulatedAdc:
    return adc_series(patient, 5, lying=LYING)


def test_measured_ratios_lie_as_far_apart_as_pooled_studies_say() -> None:
    rng = np.random.default_rng(0)
    mixes = (
        (GliomaType.GLIOBLASTOMA, GliomaType.WILDTYPE_LOWER_GRADE),
        (GliomaType.ASTROCYTOMA, GliomaType.OLIGODENDROGLIOMA),
    )
    true = [
        np.array(
            [draw_tissue_adc(rng, draw_plan(rng, kinds[int(rng.random() > 0.7)]))[1] for _ in range(3000)],
            dtype=np.float64,
        )
        for kinds in mixes
    ]
    seen_as = (SEEN_AS[False], SEEN_AS[True])
    wildtype, mutant = (
        slope * ratio + offset + residual * rng.standard_normal(ratio.size)
        for ratio, (slope, offset, residual) in zip(true, seen_as, strict=True)
    )
    assert wildtype.mean() == pytest.approx(WILDTYPE_RATIO, abs=0.03)
    assert mutant.mean() == pytest.approx(MUTANT_RATIO, abs=0.03)
    assert (wildtype.std(), mutant.std()) == pytest.approx((SPREAD, SPREAD), abs=0.03)
    area = (mutant[:, None] > wildtype[None, :]).mean()
    assert 0.743 < area < 0.804
    assert area == pytest.approx(0.5 * (1 + erf(0.5)), abs=0.02)


def test_oedema_of_a_tumour_that_does_not_enhance_is_infiltrated() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(40):
        plan = draw_plan(rng, GliomaType.WILDTYPE_LOWER_GRADE)
        adc, ratio = draw_tissue_adc(rng, plan)
        solid = ratio * adc[Tissue.WHITE_MATTER]
        infiltrated = bool(np.isclose(adc[Tissue.OEDEMA], solid))
        assert infiltrated == (plan.enhancing_fraction == 0)
        assert infiltrated or 1.3 <= adc[Tissue.OEDEMA] <= 1.6
        seen.add(infiltrated)
    assert seen == {True, False}


def test_the_map_shows_its_tissues_where_they_are(patient: DigitalPatient, series: SimulatedAdc) -> None:
    adc = np.asarray(series.adc.array)
    assert adc.dtype == np.int16
    assert nib.aff2axcodes(series.adc.affine) == ("L", "P", "S")
    mni_from_image = np.linalg.inv(series.image_from_mni)
    assert patient.tumour is not None

    def inside(mask: np.ndarray) -> np.ndarray:
        volume = Volume(mask.astype(np.float32), patient.grid.affine)
        return np.asarray(volume.resample(series.adc.grid, mni_from_image).array) > 0.95

    healthy = patient.tumour.compartment == 0
    white = adc[inside((patient.healthy == Tissue.WHITE_MATTER) & healthy)]
    assert 700 < np.median(white) < 800
    fluid = adc[inside((patient.healthy == Tissue.VENTRICLE) & healthy)]
    assert np.percentile(fluid, 90) > 2200
    air = adc[inside((patient.healthy == Tissue.AIR) & healthy)]
    assert np.mean(air == 0) > 0.9
    assert series.ratio is not None
    solid = adc[inside(patient.tumour.compartment == Tissue.ENHANCING)]
    if solid.size > 20:
        assert np.median(solid) == pytest.approx(950 * series.ratio * 0.75, rel=0.2)


def test_the_same_seed_gives_the_same_map(patient: DigitalPatient, series: SimulatedAdc) -> None:
    again = adc_series(patient, 5, lying=LYING)
    np.testing.assert_array_equal(again.adc.array, series.adc.array)
    assert not np.array_equal(adc_series(patient, 6, lying=LYING).adc.array, series.adc.array)


def test_what_is_written_is_read_as_an_adc_map(series: SimulatedAdc, tmp_path: Path) -> None:
    path = write_adc(series, tmp_path, "AX_DWI_ADC")
    facts = json.loads(path.with_name("AX_DWI_ADC.json").read_text(encoding="utf-8"))
    assert facts["Units"] == "1e-6 mm2/s"
    t1 = tmp_path / "AX_T1.nii.gz"
    nib.Nifti1Image(np.asarray(series.signal.array)[..., 0], series.adc.affine).to_filename(t1)
    image = read_study(tmp_path, subject=Subject("s")).chosen[Sequence.ADC]
    np.testing.assert_array_equal(image.volume.array, series.adc.array)
