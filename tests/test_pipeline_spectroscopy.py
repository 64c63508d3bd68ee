"""A study with a spectrum, from raw files to the report; and bad spectra, which cost it nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import gliotype
from gliotype.answer.answer import Settings, answer
from gliotype.findings import Finding
from gliotype.measure import measure
from gliotype.report import write_result
from gliotype.result import Result
from gliotype.simulate.cohort.raw_study import NAMES, raw_images, raw_patient, write_image
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.mrs.series import SimulatedMrs, mrs_series, write_mrs
from gliotype.study import Sequence

SEED = 1


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulatedMrs]:
    """T1c and FLAIR of a simulated astrocytoma, and a spectrum of it."""
    folder = tmp_path_factory.mktemp("raw")
    patient = raw_patient(SEED, GliomaType.ASTROCYTOMA)
    images = raw_images(patient, SEED, sequences=(Sequence.T1C, Sequence.FLAIR))
    for sequence, image in images.items():
        write_image(image, folder, NAMES[sequence])
    spectrum = mrs_series(patient, SEED, lying=images[Sequence.T1C].image_from_mni)
    write_mrs(spectrum, folder, NAMES[Sequence.MRS])
    return folder, spectrum


@pytest.fixture(scope="module")
def result(simulated: tuple[Path, SimulatedMrs]) -> Result:
    return gliotype.predict(simulated[0], age=41.0)


def finding_of(result: Result) -> Finding:
    return next(finding for finding in result.findings if finding.method == "mrs")


@pytest.mark.slow
def test_2hg_is_found_measured_and_counted(result: Result, simulated: tuple[Path, SimulatedMrs]) -> None:
    _, truth = simulated
    assert result.study.chosen[Sequence.MRS].source == f"{NAMES[Sequence.MRS]}.nii.gz"
    numbers = result.measurements.spectroscopy
    assert numbers["2HG"] is not None
    assert numbers["2HG_sd"] is not None
    assert abs(numbers["2HG"] - truth.two_hg_mm) < 3 * numbers["2HG_sd"] + 0.3
    # The box is where it was put: the found tumour fills about as much of it as the true one.
    assert numbers["box_tumour"] == pytest.approx(100 * truth.tumour_fraction, abs=25)
    assert numbers["box_brain"] == pytest.approx(100, abs=5)
    assert finding_of(result).sequences == (Sequence.MRS,)


@pytest.mark.slow
def test_without_the_spectrum_everything_else_is_the_same(result: Result) -> None:
    bare = replace(result.prepared, mrs=None)
    measured = measure(bare, result.tumour)
    kept = {name: getattr(measured, name) for name in ("shape", "loci", "signal", "mismatch")}
    assert kept == {name: getattr(result.measurements, name) for name in kept}
    assert measured.spectroscopy == {}
    alone = answer(result.study, bare, result.tumour, measured, Settings())
    assert {each.method for each in alone.evidence} == {
        each.method for each in result.prediction.evidence if each.method != "mrs"
    }


@pytest.mark.slow
def test_the_report_shows_the_fit_and_the_box(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>2HG spectroscopy</h2>" in page
    assert 'class="box"' in page
    document = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    assert document["spectroscopy"]["sequence"] in ("PRESS", "MEGA-PRESS")
    assert document["measurements"]["spectroscopy"]["2HG"] == result.measurements.spectroscopy["2HG"]
    assert document["sequences"]["MRS"]["spacing_mm"] == [20.0, 20.0, 20.0]
