from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.dsc import Perfusion, Region
from gliotype.explain.phases import Phase
from gliotype.findings import Finding, NotApplicable
from gliotype.predictors.curves import CHANNELS, POINTS, curves_of
from gliotype.predictors.perfusion import (
    PerfusionPredictor,
    bolus_phases,
    load_model,
    occlude_phases,
    read_curves,
)
from gliotype.simulate.dsc.protocols import find_dsc_site
from gliotype.simulate.dsc.voxels import draw_perfusion_patient
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import Measurements, Subject
from support.factory import make_perfusion, make_result


@pytest.fixture(scope="module")
def perfusion() -> Perfusion:
    return make_perfusion()[1]


def answer(measurements: Measurements, prevalence: float = 0.3) -> Finding | NotApplicable:
    result = make_result()
    return PerfusionPredictor(prevalence).predict(result.prepared, result.tumour, measurements, Subject("a"))


def found(perfusion: Perfusion, prevalence: float = 0.3) -> Finding:
    finding = answer(Measurements(dsc=perfusion), prevalence)
    assert isinstance(finding, Finding)
    return finding


def test_the_finding_says_when_in_the_bolus_it_looked(perfusion: Perfusion) -> None:
    finding = found(perfusion)
    assert finding.probability is not None
    assert finding.interval is not None
    assert finding.interval[0] <= finding.probability <= finding.interval[1]
    assert finding.attention is not None
    assert finding.attention.weight.sum() == pytest.approx(1, abs=1e-4)
    assert not finding.attention.weight[finding.attention.times_s > 43.5].any()  # after the last frame
    assert "enhancing tumour, oedema" in finding.summary
    fractions = [reason.value for reason in finding.reasons if reason.unit == "% of attention"]
    assert sum(fraction or 0 for fraction in fractions) == pytest.approx(100, abs=0.1)


def test_prevalence_shifts_the_log_odds(perfusion: Perfusion) -> None:
    low, high = (found(perfusion, prevalence).probability for prevalence in (0.1, 0.5))
    assert low is not None
    assert high is not None
    assert high / (1 - high) == pytest.approx(9 * low / (1 - low))


def test_a_series_that_was_not_measured_is_not_applicable(perfusion: Perfusion) -> None:
    nothing = answer(Measurements())
    assert nothing == NotApplicable("perfusion", "it needs a DSC perfusion series")
    rest = {region: curve for region, curve in perfusion.curves.items() if region is not Region.WHITE_MATTER}
    blind = answer(Measurements(dsc=replace(perfusion, curves=rest)))
    assert isinstance(blind, NotApplicable)
    assert "white matter" in blind.reason


def test_an_average_patient_loses_nothing_by_occlusion(perfusion: Perfusion) -> None:
    average = load_model().parameters.average.copy()
    average[6:] = 1
    phases = bolus_phases(perfusion.bolus, perfusion.times_s)
    assert np.array_equal(
        occlude_phases(average, phases, average), np.repeat(average[None], len(Phase), axis=0)
    )
    falls = read_curves(average, phases).occlusion
    assert max(abs(fall) for fall in falls.values()) < 1e-4
    assert average.shape == (len(CHANNELS), POINTS)


@pytest.mark.slow
def test_glioblastomas_look_less_mutant_than_oligodendrogliomas() -> None:
    from gliotype.measure.dsc import VoxelPerfusion
    from gliotype.train.perfusion.examples import measure_voxels

    pytest.importorskip("torch")

    def mean_log_odds(glioma: GliomaType) -> float:
        values = []
        for seed in range(6):
            voxels = draw_perfusion_patient(np.random.default_rng([9, seed]), glioma, find_dsc_site("snuh"))
            measured = measure_voxels(voxels)
            assert isinstance(measured, VoxelPerfusion)
            phases = bolus_phases(measured.bolus, measured.times_s)
            values.append(read_curves(curves_of(measured), phases).log_odds.mean())
        return float(np.mean(values))

    assert mean_log_odds(GliomaType.OLIGODENDROGLIOMA) > 2 + mean_log_odds(GliomaType.GLIOBLASTOMA)
