from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.dsc import TUMOUR_REGIONS, ArterialInput, Perfusion, Region, RegionCurve
from gliotype.predictors.curves import BEFORE_S, CHANNELS, STEP_S, TIMES_S, curves_of, lacking
from support.factory import make_perfusion


@pytest.fixture
def perfusion() -> Perfusion:
    return make_perfusion()[1]


def channel(name: str) -> int:
    return CHANNELS.index(name)


def test_curves_are_aligned_to_the_bolus_and_in_units_of_white_matter(perfusion: Perfusion) -> None:
    curves = curves_of(perfusion)
    assert curves.shape == (11, 60)
    arrival = round(BEFORE_S / STEP_S)
    assert TIMES_S[arrival] == 0
    whole, white = curves[channel("whole")], curves[channel("white_matter")]
    assert np.allclose(whole, 2 * white, atol=1e-5)  # depths of 0.5 and 0.25 in the logarithm
    assert np.abs(white[: arrival - 1]).max() < 1e-6
    assert white[arrival : arrival + 11].mean() == pytest.approx(1, abs=0.01)
    assert curves[channel("arterial")].max() == pytest.approx(1)


def test_a_missing_region_is_zero_and_said_to_be_missing(perfusion: Perfusion) -> None:
    curves = curves_of(perfusion)
    assert Region.NON_ENHANCING not in perfusion.curves
    assert not curves[channel("non_enhancing")].any()
    assert not curves[channel("has non_enhancing")].any()
    assert curves[channel("has whole")].max() == 1


def test_times_that_were_not_measured_are_zero_in_every_channel(perfusion: Perfusion) -> None:
    curves = curves_of(perfusion)
    measured = curves[channel("measured")] > 0
    last = perfusion.times_s[-1] - perfusion.times_s[perfusion.bolus.arrival]
    assert np.array_equal(measured, last >= TIMES_S)
    assert not curves[:, ~measured].any()


def test_echo_time_and_amount_of_contrast_agent_cancel(perfusion: Perfusion) -> None:
    twice = {
        region: RegionCurve(curve.relative_signal**2, curve.voxels)
        for region, curve in perfusion.curves.items()
    }
    arterial = ArterialInput(2 * perfusion.arterial.delta_r2, perfusion.arterial.voxels)
    doubled = replace(perfusion, te_ms=60.0, curves=twice, arterial=arterial)
    assert np.allclose(curves_of(doubled), curves_of(perfusion), atol=1e-4)


def test_a_slower_series_gives_nearly_the_same_input(perfusion: Perfusion) -> None:
    times = perfusion.times_s[::2]
    curves = {r: RegionCurve(c.relative_signal[::2], c.voxels) for r, c in perfusion.curves.items()}
    bolus = replace(perfusion.bolus, start=0, arrival=5, peak=7, end=10)
    arterial = ArterialInput(perfusion.arterial.delta_r2[::2], perfusion.arterial.voxels)
    slow = replace(perfusion, times_s=times, curves=curves, bolus=bolus, arterial=arterial)
    whole = channel("whole")
    assert np.corrcoef(curves_of(slow)[whole], curves_of(perfusion)[whole])[0, 1] > 0.97


@pytest.mark.parametrize(
    ("without", "reason"), [(Region.WHOLE, "does not cover"), (Region.WHITE_MATTER, "white matter")]
)
def test_what_is_lacking_is_said(perfusion: Perfusion, without: Region, reason: str) -> None:
    rest = {region: curve for region, curve in perfusion.curves.items() if region is not without}
    poorer = replace(perfusion, curves=rest)
    assert reason in lacking(poorer)
    with pytest.raises(ValueError, match=reason):
        curves_of(poorer)


def test_no_bolus_and_no_arteries_are_lacking(perfusion: Perfusion) -> None:
    flat = RegionCurve(np.ones_like(perfusion.times_s), 120)
    still = replace(perfusion, curves={**perfusion.curves, Region.WHITE_MATTER: flat})
    assert "no bolus" in lacking(still)
    silent = replace(perfusion, arterial=ArterialInput(np.zeros(40), perfusion.arterial.voxels))
    assert "arterial" in lacking(silent)
    assert lacking(perfusion) == ""
    assert len(TUMOUR_REGIONS) == 4
