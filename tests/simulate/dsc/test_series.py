"""The raw DSC series of a digital patient."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.simulate.cohort import raw_study
from gliotype.simulate.cohort.raw_study import NAMES, write_raw_study
from gliotype.simulate.dsc.protocols import DSC_SITES
from gliotype.simulate.dsc.series import SHAPE, SimulatedDsc, dsc_series, write_dsc
from gliotype.simulate.dsc.vessels import vessels_at
from gliotype.simulate.head.pose import draw_rigid
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, draw_patient
from gliotype.simulate.tissue import Tissue
from gliotype.study import STRUCTURAL, Label, Sequence
from gliotype.volume import Volume

pytestmark = pytest.mark.slow

SEED = 10
SHORT = replace(DSC_SITES["snuh"], frames=(40, 40))
SPARSE = replace(SHORT, tr_s=(5.0, 5.0), frames=(11, 11))
"""Of as few frames as last long enough, for what does not look at the bolus."""


@pytest.fixture(scope="module")
def patient() -> DigitalPatient:
    anatomy = template_anatomy()
    grid = anatomy.tissue.grid.bounding(3.0)
    return draw_patient(np.random.default_rng(7), anatomy, grid, GliomaType.GLIOBLASTOMA, reshape_scale=0.02)


@pytest.fixture(scope="module")
def lying() -> np.ndarray:
    return draw_rigid(np.random.default_rng(8), 8.0, 15.0)


@pytest.fixture(scope="module")
def series(patient: DigitalPatient, lying: np.ndarray) -> SimulatedDsc:
    return dsc_series(patient, SEED, site=SHORT, lying=lying)


def on_series(series: SimulatedDsc, patient: DigitalPatient, mask: np.ndarray) -> np.ndarray:
    """Which voxels of the series lie in a mask of the patient."""
    mni_from_image = np.linalg.inv(series.image_from_mni)
    moved = Volume(mask.astype(np.float32), patient.grid.affine).resample(series.volume.grid, mni_from_image)
    return np.asarray(moved.array > 0.6)


def bolus_area(series: SimulatedDsc) -> np.ndarray:
    """Area under -ln(S/S0) of the first pass in every voxel."""
    signal = np.asarray(series.volume.array, np.float32)
    times = series.protocol.times_s
    before = (times > 4) & (times < series.protocol.arrival_s)
    base = np.maximum(signal[..., before].mean(axis=3, keepdims=True), 1.0)
    passing = (times >= series.protocol.arrival_s) & (times < series.protocol.arrival_s + 20)
    return np.asarray(-np.log(np.maximum(signal / base, 0.02))[..., passing].sum(axis=3))


def test_it_is_an_oblique_anisotropic_slab_of_whole_numbers(series: SimulatedDsc) -> None:
    assert series.volume.array.shape == (*SHAPE, series.protocol.frames)
    assert series.volume.array.dtype == np.int16
    assert series.volume.grid.spacing == pytest.approx((1.8, 1.8, 6.0), abs=1e-6)
    assert series.volume.grid.orientation == "LPS"
    turned = series.volume.affine[:3, :3] / np.linalg.norm(series.volume.affine[:3, :3], axis=0)
    assert np.abs(turned - np.round(turned)).max() > 1e-2
    assert series.cbv.grid.same_as(series.volume.grid)


def test_the_same_seed_gives_the_same_series(patient: DigitalPatient, lying: np.ndarray) -> None:
    first, again = (dsc_series(patient, SEED, site=SPARSE, lying=lying) for _ in range(2))
    np.testing.assert_array_equal(again.volume.array, first.volume.array)
    np.testing.assert_array_equal(again.cbv.array, first.cbv.array)


def test_the_tumour_s_blood_volume_is_where_the_tumour_is_and_not_at_its_mirror_image(
    series: SimulatedDsc, patient: DigitalPatient
) -> None:
    assert patient.tumour is not None
    enhancing = patient.tumour.labels == Label.ENHANCING
    sides = patient.grid.world()[enhancing][:, 0]
    assert abs(sides.mean()) > 15, "the phantom must be lateral"
    here = on_series(series, patient, enhancing)
    brain = on_series(series, patient, patient.brain)
    area = bolus_area(series)
    assert here.sum() > 15
    white = on_series(
        series, patient, (patient.healthy == Tissue.WHITE_MATTER) & (patient.tumour.infiltration < 0.01)
    )
    mirrored = on_series(series, patient, enhancing[::-1])
    true = np.asarray(series.cbv.array)
    for perfusion in (true, area):
        assert np.median(perfusion[here]) > 1.3 * np.median(perfusion[mirrored])
        assert np.median(perfusion[here]) > 1.3 * np.median(perfusion[white])
    both = brain & (area < np.quantile(area[brain], 0.99))
    unflipped = np.corrcoef(np.minimum(true[both], 10), area[both])[0, 1]
    flipped = np.corrcoef(np.minimum(true[::-1][both], 10), area[both])[0, 1]
    assert unflipped > 0.5
    assert flipped < unflipped - 0.2


def test_arteries_drop_first_and_deepest(series: SimulatedDsc, patient: DigitalPatient) -> None:
    mni = series.volume.grid.world() @ np.linalg.inv(series.image_from_mni)[:3, :3].T
    mni += np.linalg.inv(series.image_from_mni)[:3, 3]
    found = vessels_at(mni.reshape(-1, 3), 1.8)
    artery = ((found.fraction > 0.3) & ~found.vein).reshape(SHAPE)
    white = on_series(series, patient, patient.healthy == Tissue.WHITE_MATTER)
    assert artery.sum() > 30
    signal = np.asarray(series.volume.array, np.float32)
    first = int(series.protocol.arrival_s / series.protocol.tr_s)

    def relative(mask: np.ndarray) -> np.ndarray:
        curves = signal[mask]
        return np.asarray(
            (curves / np.maximum(curves[:, 3:first].mean(axis=1, keepdims=True), 1)).mean(axis=0)
        )

    arterial, tissue = relative(artery), relative(white)
    assert arterial.min() < tissue.min() - 0.2
    half = [int(np.argmax(1 - c > 0.5 * (1 - c.min()))) for c in (arterial, tissue)]
    assert half[0] <= half[1]


def test_veins_come_later_than_arteries_and_the_beginning_before_the_end() -> None:
    found = vessels_at(np.array([[10.0, 6.0, -16.0], [46.0, -36.0, 18.0], [0.0, 0.0, 74.0]]), 1.8)
    assert found.delay_s[0] < found.delay_s[1] < found.delay_s[2]
    assert found.vein.tolist() == [False, False, True]


def test_fat_is_suppressed_and_air_is_noise(series: SimulatedDsc, patient: DigitalPatient) -> None:
    base = np.asarray(series.volume.array, np.float32)[..., 4:8].mean(axis=3)
    scalp = on_series(series, patient, patient.healthy == Tissue.SCALP)
    brain = on_series(series, patient, patient.brain)
    assert np.median(base[scalp]) < 0.7 * np.median(base[brain])
    assert np.median(base[:4, :4]) < 0.1 * np.median(base[brain])


def test_the_header_and_the_sidecar_tell_the_timing(series: SimulatedDsc, tmp_path: Path) -> None:
    file = write_dsc(series, tmp_path, "AX_PERFUSION_DSC_EPI")
    image = nib.load(file)
    assert image.header.get_zooms()[3] == pytest.approx(series.protocol.tr_s)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    sidecar = json.loads(file.with_name("AX_PERFUSION_DSC_EPI.json").read_text(encoding="utf-8"))
    assert sidecar["RepetitionTime"] == series.protocol.tr_s
    assert sidecar["EchoTime"] == pytest.approx(series.protocol.te_ms / 1000)
    assert sidecar["FlipAngle"] == series.protocol.flip_deg
    assert sidecar["MagneticFieldStrength"] == 3.0
    assert sidecar["ScanningSequence"] == ["EP", "GR"]


def test_a_healthy_head_has_perfusion_too(patient: DigitalPatient) -> None:
    healthy = replace(patient, tumour=None, plan=None)
    found = dsc_series(healthy, SEED, site=SPARSE)
    brain = on_series(found, healthy, healthy.brain)
    assert 1.5 < np.median(np.asarray(found.cbv.array)[brain]) < 6


def test_a_raw_study_has_the_series_on_demand_and_the_other_images_do_not_change(
    patient: DigitalPatient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_study, "dsc_series", partial(dsc_series, site=SPARSE))
    sequences = (*STRUCTURAL, Sequence.DSC)
    with_ = write_raw_study(patient, tmp_path / "with", SEED, sequences=sequences)
    without = write_raw_study(patient, tmp_path / "without", SEED)
    assert [f.name for f in with_] == [f"{NAMES[s]}.nii.gz" for s in sequences]
    assert [f.read_bytes() for f in without] == [f.read_bytes() for f in with_[:4]]
