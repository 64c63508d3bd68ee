"""Leakage, deconvolution and what is read off curves, against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gliotype.dsc import Bolus
from gliotype.measure.dsc.curves import area, full_width, signal_recovery, time_to_peak
from gliotype.measure.dsc.deconvolution import deconvolve
from gliotype.measure.dsc.leakage import ORIGINAL, fit_leakage
from support.voxel_curves import exchange, fine_times, gamma_variate, t1_factor, with_residue

TIMES = 1.0 * np.arange(90)
FINE = fine_times(89.0)
ARTERIAL = 6.0 * (gamma_variate(FINE, 15.0) + 0.1 * gamma_variate(FINE, 27.0, beta=3.0))
BOLUS = Bolus(0, 16, 22, 38)


def at_frames(curve: np.ndarray, times: np.ndarray = TIMES) -> np.ndarray:
    return np.interp(times, FINE, curve)


REFERENCE = at_frames(80 * with_residue(ARTERIAL, FINE, cbv=0.03, mtt_s=4.4, delay_s=0.5))


def leaky(ps: float, *, flip_deg: float, packing: float, vp: float = 0.05, mtt_s: float = 5.0) -> np.ndarray:
    """dR2* as measured of a leaking voxel: T2* by plasma and by agent between cells, and T1 by the latter."""
    plasma, outside = exchange(ARTERIAL, FINE, vp=vp, flow=vp / mtt_s, ps=ps, ve=0.25)
    rate = 80 * vp * plasma + packing * 80 * 0.25 * outside
    factor = t1_factor(4.3 * 0.25 * outside, flip_deg=flip_deg, tr_s=1.0)
    return at_frames(rate - np.log(factor) / 0.03)


def without_leakage(vp: float = 0.05, mtt_s: float = 5.0) -> np.ndarray:
    plasma, _ = exchange(ARTERIAL, FINE, vp=vp, flow=vp / mtt_s, ps=0.0, ve=0.25)
    return at_frames(80 * vp * plasma)


def first_pass(curve: np.ndarray) -> float:
    return float(area(curve[None], TIMES, BOLUS)[0])


@pytest.mark.parametrize(
    ("flip_deg", "packing", "sign"), [(70.0, 0.0, 1), (10.0, 0.9, -1)], ids=["T1", "T2*"]
)
def test_leakage_of_either_sign_is_undone(flip_deg: float, packing: float, sign: int) -> None:
    truth = first_pass(without_leakage())
    curve = leaky(0.0012, flip_deg=flip_deg, packing=packing)
    found = fit_leakage(curve[None], REFERENCE, TIMES, BOLUS)
    uncorrected = first_pass(curve) / truth - 1
    corrected = first_pass(curve + found.term[0]) / truth - 1
    assert sign * found.k2[0] > 0.001
    assert sign * uncorrected < -0.05
    # Of the remainder, about 5 % are plasma that leaks out within the first pass.
    assert -0.13 < corrected < 0.05
    assert abs(corrected) < abs(uncorrected)


def test_strong_leakage_is_mostly_undone() -> None:
    truth = first_pass(without_leakage())
    curve = leaky(0.002, flip_deg=90.0, packing=0.0)
    assert first_pass(curve) / truth - 1 < -0.3
    by_ours, by_original = (
        first_pass(curve + fit_leakage(curve[None], REFERENCE, TIMES, BOLUS, variants).term[0]) / truth - 1
        for variants in (None, ORIGINAL)
    )
    assert -0.2 < by_ours < 0
    assert by_ours > by_original


@pytest.mark.parametrize("mtt_s", [3.0, 4.4, 6.0, 8.0, 10.0])
def test_transit_time_is_hardly_taken_for_leakage(mtt_s: float) -> None:
    curve = 2.0 * at_frames(80 * with_residue(ARTERIAL, FINE, cbv=0.03, mtt_s=mtt_s, delay_s=0.5))
    found = fit_leakage(curve[None], REFERENCE, TIMES, BOLUS)
    original = fit_leakage(curve[None], REFERENCE, TIMES, BOLUS, ORIGINAL)
    ours, plain = (abs(first_pass(f.term[0])) / first_pass(curve) for f in (found, original))
    assert ours < 0.03
    assert mtt_s < 5 or ours < 0.6 * plain


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 20.0))
def test_leakage_scales_with_the_curve(scale: float) -> None:
    curve = leaky(0.001, flip_deg=60.0, packing=0.3)
    one, other = (fit_leakage(c[None], REFERENCE, TIMES, BOLUS) for c in (curve, scale * curve))
    assert other.k2[0] == pytest.approx(scale * one.k2[0], rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_leakage_in_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curve = leaky(0.0012, flip_deg=70.0, packing=0.0)
    noisy = curve + rng.normal(0, 0.03 / 0.03, (300, TIMES.size)) * (TIMES >= 16)  # 3 % of the signal
    found = fit_leakage(noisy, REFERENCE, TIMES, BOLUS)
    clean = fit_leakage(curve[None], REFERENCE, TIMES, BOLUS)
    corrected = area(noisy + found.term, TIMES, BOLUS)
    assert float(corrected.mean()) == pytest.approx(first_pass(curve + clean.term[0]), rel=0.05)
    assert float(corrected.std() / corrected.mean()) < 0.1


def arterial_and(tissues: list[np.ndarray], times: np.ndarray = TIMES) -> tuple[np.ndarray, np.ndarray]:
    return at_frames(ARTERIAL, times), np.stack([at_frames(tissue, times) for tissue in tissues])


@pytest.mark.parametrize(("mtt_s", "off"), [(4.0, 0.4), (6.0, 0.25), (10.0, 0.15), (16.0, 0.12)])
def test_flow_and_transit_time_of_an_exponential_residue(mtt_s: float, off: float) -> None:
    arterial, tissue = arterial_and([with_residue(ARTERIAL, FINE, cbv=0.04, mtt_s=mtt_s)])
    found = deconvolve(tissue, arterial, TIMES)
    assert found.cbf[0] * found.mtt_s[0] == pytest.approx(tissue.sum() / arterial.sum(), rel=1e-6)
    assert found.cbf[0] == pytest.approx(0.04 / mtt_s, rel=off)
    assert found.cbf[0] < 1.05 * 0.04 / mtt_s


def test_longer_transit_is_measured_longer() -> None:
    arterial, tissue = arterial_and(
        [with_residue(ARTERIAL, FINE, cbv=0.04, mtt_s=m) for m in (3.0, 4.5, 6.5, 9.0)]
    )
    found = deconvolve(tissue, arterial, TIMES)
    assert (np.diff(found.mtt_s) > 0).all()
    assert (np.diff(found.cbf) < 0).all()


@pytest.mark.parametrize("delay_s", [-2.0, 2.0, 5.0])
def test_delay_does_not_change_flow(delay_s: float) -> None:
    arterial, tissue = arterial_and(
        [with_residue(ARTERIAL, FINE, cbv=0.04, mtt_s=6.0, delay_s=d) for d in (0.0, delay_s)]
    )
    found = deconvolve(tissue, arterial, TIMES)
    assert found.cbf[1] == pytest.approx(found.cbf[0], rel=0.05)
    assert found.mtt_s[1] == pytest.approx(found.mtt_s[0], rel=0.05)


def test_uneven_frames_are_put_at_even_times() -> None:
    times = np.delete(TIMES, [40, 41, 55])
    arterial, tissue = arterial_and([with_residue(ARTERIAL, FINE, cbv=0.04, mtt_s=8.0)])
    whole = deconvolve(tissue, arterial, TIMES)
    gaps = deconvolve(np.delete(tissue, [40, 41, 55], axis=1), np.delete(arterial, [40, 41, 55]), times)
    assert gaps.cbf[0] == pytest.approx(whole.cbf[0], rel=0.02)


def test_no_flow_has_no_transit_time() -> None:
    found = deconvolve(np.zeros((1, 90)), at_frames(ARTERIAL), TIMES)
    assert found.cbf[0] == 0
    assert np.isnan(found.mtt_s[0])


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(0.1, 50.0))
def test_flow_scales_with_the_tissue(scale: float) -> None:
    arterial, tissue = arterial_and([with_residue(ARTERIAL, FINE, cbv=0.04, mtt_s=6.0)])
    one, other = deconvolve(tissue, arterial, TIMES), deconvolve(scale * tissue, arterial, TIMES)
    assert other.cbf[0] == pytest.approx(scale * one.cbf[0], rel=1e-6)
    assert other.mtt_s[0] == pytest.approx(one.mtt_s[0], rel=1e-6)


def test_width_and_peak_of_a_gamma_variate() -> None:
    curve = gamma_variate(TIMES, 15.0)
    above = FINE[gamma_variate(FINE, 15.0) >= 0.5]
    assert full_width(curve[None], TIMES, BOLUS)[0] == pytest.approx(above[-1] - above[0], abs=0.2)
    assert time_to_peak(curve[None], TIMES, BOLUS)[0] == pytest.approx(19.5 - 16.0, abs=0.1)


def test_width_is_unknown_where_a_curve_does_not_fall() -> None:
    rising = np.maximum(TIMES - 15, 0)[None]
    assert np.isnan(full_width(rising, TIMES, BOLUS)[0])


def test_signal_recovery_by_hand() -> None:
    signal = np.ones((3, 90))
    signal[:, 16:39] = 0.6
    signal[:, 39:] = np.array([0.9, 1.1, 0.6])[:, None]
    np.testing.assert_allclose(signal_recovery(signal, TIMES, BOLUS), [75.0, 125.0, 0.0])
    assert np.isnan(signal_recovery(signal[:, :41], TIMES[:41], BOLUS)).all()
