"""A study with a DSC series, from raw files to the report."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import gliotype
from gliotype import pipeline
from gliotype.errors import InputError
from gliotype.findings import Finding
from gliotype.report import write_result
from gliotype.result import Result
from gliotype.simulate.cohort.raw_study import NAMES, raw_images, raw_patient, write_image
from gliotype.simulate.dsc.series import dsc_series, write_dsc
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import Sequence

SEED = 6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T1c and FLAIR of a simulated glioblastoma, and its DSC series, each in its own space."""
    folder = tmp_path_factory.mktemp("raw")
    patient = raw_patient(SEED, GliomaType.GLIOBLASTOMA)
    images = raw_images(patient, SEED, sequences=(Sequence.T1C, Sequence.FLAIR))
    for sequence, image in images.items():
        write_image(image, folder, NAMES[sequence])
    series = dsc_series(patient, SEED, lying=images[Sequence.T1C].image_from_mni)
    write_dsc(series, folder, NAMES[Sequence.DSC])
    return folder


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return gliotype.predict(study, age=61.0)


def perfusion_of(result: Result) -> Finding:
    return next(finding for finding in result.findings if finding.method == "perfusion")


@pytest.mark.slow
def test_the_series_is_found_measured_and_read(result: Result) -> None:
    assert result.study.chosen[Sequence.DSC].source == f"{NAMES[Sequence.DSC]}.nii.gz"
    perfusion = result.measurements.dsc
    assert perfusion is not None
    assert perfusion.arterial.voxels.sum() >= 3
    assert perfusion.arterial.delta_r2.max() > 10
    numbers = result.measurements.perfusion
    assert numbers["tumour_coverage"] == pytest.approx(100, abs=30)
    assert numbers["whole_nrcbv_p95"] is not None
    assert 1 < numbers["whole_nrcbv_p95"] < 15
    finding = perfusion_of(result)
    assert finding.probability is not None
    assert finding.attention is not None
    assert result.prediction.method == "radiomics"


@pytest.mark.slow
def test_the_tumour_has_more_blood_than_white_matter_at_its_place_and_not_at_its_mirror(
    result: Result,
) -> None:
    """The maps lie on the oblique grid of the series: a flip would move the tumour off its blood."""
    perfusion, series = result.measurements.dsc, result.prepared.dsc
    assert perfusion is not None
    assert series is not None
    rcbv = perfusion.maps["rcbv"].resample(
        result.prepared.grid, series.dsc_from_prepared, order=0, outside=float("nan")
    )
    values = np.asarray(rcbv.array)
    enhancing = np.asarray(result.tumour.labels.array) == 3
    here = float(np.nanmean(values[enhancing]))
    turned = (
        np.linalg.inv(result.prepared.mni_from_prepared)
        @ np.diag([-1.0, 1, 1, 1])
        @ result.prepared.mni_from_prepared
    )
    mirror = result.tumour.labels.with_array(enhancing.astype(np.uint8)).resample(
        result.prepared.grid, turned, order=0
    )
    there = float(np.nanmean(values[np.asarray(mirror.array) > 0]))
    assert here > 1.3 * there


@pytest.mark.slow
def test_without_the_series_another_run_gives_the_other_answers_to_the_last_bit(
    result: Result, study: Path
) -> None:
    files = {s: study / f"{NAMES[s]}.nii.gz" for s in (Sequence.T1C, Sequence.FLAIR)}
    without = gliotype.predict(files=files, age=61.0)
    assert {n.method for n in without.not_applicable} >= {"perfusion"}
    assert without.measurements.dsc is None
    with_ = {finding.method: finding.probability for finding in result.findings}
    assert {finding.method: finding.probability for finding in without.findings} == {
        method: probability for method, probability in with_.items() if method != "perfusion"
    }
    np.testing.assert_array_equal(without.tumour.labels.array, result.tumour.labels.array)
    for sequence, image in without.prepared.images.items():
        np.testing.assert_array_equal(image.array, result.prepared.images[sequence].array)


@pytest.mark.slow
def test_files_hold_the_maps_on_the_grid_of_the_series(result: Result, study: Path, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    series = nib.load(study / f"{NAMES[Sequence.DSC]}.nii.gz")
    rcbv = nib.load(tmp_path / "perfusion_rcbv.nii.gz")
    assert rcbv.shape == series.shape[:3]
    assert np.allclose(rcbv.affine, series.affine, atol=1e-4)
    document = json.loads((tmp_path / "prediction.json").read_text())
    assert set(document["perfusion"]["curves"]) >= {"whole", "white_matter"}
    assert "<h2>Perfusion</h2>" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_arteries_that_the_caller_names_are_used(
    result: Result, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not depend on the arteries is taken from the other run."""
    perfusion = result.measurements.dsc
    assert perfusion is not None
    series = nib.load(study / f"{NAMES[Sequence.DSC]}.nii.gz")
    found = np.argwhere(perfusion.arterial.voxels)
    mask = np.zeros(series.shape[:3], np.uint8)
    mask[tuple(found[:4].T)] = 1
    nib.Nifti1Image(mask, series.affine).to_filename(tmp_path / "aif.nii.gz")
    monkeypatch.setattr(pipeline, "prepare", lambda study, find_brain: result.prepared)
    monkeypatch.setattr(pipeline, "segment", lambda prepared: result.tumour)
    monkeypatch.setattr(pipeline, "answer", lambda *values: result.prediction)
    named = gliotype.predict(study, aif=tmp_path / "aif.nii.gz").measurements.dsc
    assert named is not None
    assert named.arterial.given
    assert named.arterial.voxels.sum() == 4
    with pytest.raises(InputError, match="does not exist"):
        gliotype.predict(study, aif=tmp_path / "nothing.nii.gz")
