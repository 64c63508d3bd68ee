"""Kinetics and signal of simulated perfusion, against what is known without the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gliotype.simulate.dsc.kinetics import HAEMATOCRIT, Circulation, Haemodynamics, draw_circulation, exchange
from gliotype.simulate.dsc.signal import DscProtocol, artery_signal, tissue_signal

TIMES = np.arange(0.0, 120.0, 1.7)
ONCE = Circulation(arrival_s=12.0, area_mm_s=100.0, recirculated=0.0, remaining_per_s=0.0)
REAL = Circulation(arrival_s=12.0, area_mm_s=100.0)
LOW_FLIP = DscProtocol(flip_deg=30, te_ms=35)
HIGH_FLIP = DscProtocol(flip_deg=90, te_ms=25)
LEAKY = Haemodynamics(cbv=0.06, mtt_s=6.0, ps_per_s=0.003, ve=0.3, t1_ms=1500)


@pytest.mark.parametrize("dispersion", [0.3, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("mtt_s", [2.0, 5.0, 9.0])
def test_the_area_under_tissue_over_that_of_the_artery_is_the_blood_volume(
    dispersion: float, mtt_s: float
) -> None:
    fine = np.arange(0.0, 140.0, 0.25)
    tissue = Haemodynamics(cbv=0.04, mtt_s=mtt_s, dispersion=dispersion, delay_s=1.3)
    in_tissue = tissue.plasma_volume * exchange(ONCE, fine, tissue).plasma[0]
    ratio = in_tissue.sum() / ONCE.plasma(fine).sum()
    assert ratio / (1 - HAEMATOCRIT) == pytest.approx(0.04, rel=0.01)


@pytest.mark.parametrize(
    ("cbv", "mtt_s", "ps", "ve"), [(0.04, 4.0, 0.0, 0.2), (0.06, 6.0, 0.002, 0.3), (0.1, 3.0, 0.01, 0.1)]
)
def test_well_stirred_tissue_is_the_two_compartment_exchange_model(
    cbv: float, mtt_s: float, ps: float, ve: float
) -> None:
    vp = cbv * (1 - HAEMATOCRIT)

    def change(t: float, c: np.ndarray) -> list[float]:
        into = float(REAL.plasma(t))
        return [(into - c[0]) / mtt_s + ps * (c[1] - c[0]) / vp, ps * (c[0] - c[1]) / ve]

    stepped = solve_ivp(change, (0, TIMES[-1]), [0, 0], t_eval=TIMES, max_step=0.25, rtol=1e-7, atol=1e-8)
    found = exchange(REAL, TIMES, Haemodynamics(cbv, mtt_s, 1.0, ps, ve))
    np.testing.assert_allclose(found.plasma[0], stepped.y[0], atol=2e-3)
    np.testing.assert_allclose(found.extravascular[0], stepped.y[1], atol=2e-3)


def test_the_mean_time_in_tissue_is_the_mean_transit_time_whatever_its_dispersion() -> None:
    fine = np.arange(0.0, 140.0, 0.25)
    for dispersion in (0.4, 1.0, 1.3):
        # In tissue with capillary transit time tau, the mean over the capillary comes (E tau^2) / (2 E tau) late.
        curve = exchange(ONCE, fine, Haemodynamics(0.04, 5.0, dispersion)).plasma[0]
        late = (fine * curve).sum() / curve.sum() - (fine * ONCE.plasma(fine)).sum() / ONCE.plasma(fine).sum()
        assert late == pytest.approx(0.5 * 5.0 * (1 + dispersion**2), rel=0.02)


def test_without_leakage_and_recirculation_the_signal_recovers_fully() -> None:
    intact = Haemodynamics(cbv=[0.02, 0.04, 0.1], mtt_s=5.0)
    for protocol in (LOW_FLIP, HIGH_FLIP, DscProtocol(spin_echo=True, te_ms=70)):
        signal = tissue_signal(ONCE, TIMES, intact, protocol)
        np.testing.assert_allclose(signal[:, :6], 1.0, atol=2e-3)
        np.testing.assert_allclose(signal[:, -5:], 1.0, atol=2e-3)
        assert (signal.min(axis=1) < 0.95).all()
        assert signal[2].min() < signal[1].min() < signal[0].min()


def test_leakage_overshoots_with_t1_weighting_and_does_not_recover_with_t2_star_weighting() -> None:
    ps = Haemodynamics(cbv=0.05, mtt_s=5.0, ps_per_s=[0.0, 0.001, 0.003], ve=0.3, t1_ms=1500)
    high, low = (tissue_signal(REAL, TIMES, ps, protocol)[:, -1] for protocol in (HIGH_FLIP, LOW_FLIP))
    assert high[0] < 1 < high[1] < high[2]
    assert 1 > low[0] > low[1] > low[2]


def test_a_preload_takes_the_overshoot_away() -> None:
    loaded = replace(HIGH_FLIP, preload_mmol_per_kg=0.1)
    with_, without = (tissue_signal(REAL, TIMES, LEAKY, p)[0, -1] for p in (loaded, HIGH_FLIP))
    assert with_ < without - 0.05
    intact = Haemodynamics(cbv=0.02, mtt_s=4.5)
    np.testing.assert_allclose(
        tissue_signal(REAL, TIMES, intact, loaded), tissue_signal(REAL, TIMES, intact, HIGH_FLIP), atol=0.02
    )


def test_packed_cells_and_not_vessels_keep_the_signal_down() -> None:
    packing = Haemodynamics(cbv=0.06, mtt_s=6.0, ps_per_s=0.003, ve=0.3, packing=[0.0, 0.3, 0.8], t1_ms=1500)
    late = tissue_signal(REAL, TIMES, packing, LOW_FLIP)[:, -1]
    assert late[0] > late[1] > late[2]


def test_the_drop_grows_with_field_echo_time_and_dose_and_is_smaller_in_a_spin_echo() -> None:
    white = Haemodynamics(cbv=0.02, mtt_s=4.5)
    usual = DscProtocol()

    def drop(protocol: DscProtocol, circulation: Circulation = REAL) -> float:
        return 1 - float(tissue_signal(circulation, TIMES, white, protocol).min())

    assert 0.15 < drop(usual) < 0.35
    assert drop(replace(usual, field_t=1.5)) < drop(usual)
    assert drop(replace(usual, te_ms=25)) < drop(usual) < drop(replace(usual, te_ms=50))
    assert drop(usual, Circulation(12.0, 50.0)) < drop(usual)
    assert drop(replace(usual, spin_echo=True)) < drop(usual)


def test_wide_vessels_fade_in_a_spin_echo_and_stay_in_a_gradient_echo() -> None:
    vessels = Haemodynamics(cbv=0.05, mtt_s=5.0, vessel_um=[6.0, 25.0])
    spin, gradient = (
        tissue_signal(REAL, TIMES, vessels, p).min(axis=1)
        for p in (DscProtocol(spin_echo=True, te_ms=70), DscProtocol())
    )
    assert spin[0] < spin[1] - 0.03
    assert gradient[0] == pytest.approx(gradient[1])


def test_a_longer_repetition_time_weakens_t1_weighting() -> None:
    short, long = (
        tissue_signal(REAL, TIMES, LEAKY, replace(HIGH_FLIP, tr_s=tr_s))[0, -1] for tr_s in (1.0, 2.5)
    )
    assert short > long


def test_arterial_blood_saturates_at_three_tesla() -> None:
    assert artery_signal(REAL.plasma(TIMES), DscProtocol(te_ms=35)).min() < 0.05
    assert artery_signal([0.0], DscProtocol())[0] == 1.0


def test_a_late_tissue_is_the_same_curve_shifted() -> None:
    delayed = exchange(REAL, TIMES, Haemodynamics(0.04, 4.0, ps_per_s=0.001, delay_s=[0.0, 1.7])).plasma
    np.testing.assert_allclose(delayed[1, 1:], delayed[0, :-1], atol=5e-3)


def test_circulations_are_reproducible_and_differ_between_patients() -> None:
    def first(seed: int) -> Circulation:
        return draw_circulation(np.random.default_rng(seed), arrival_s=12.0)

    assert first(1) == first(1) != first(2)
    areas = [first(seed).area_mm_s * (1 - HAEMATOCRIT) for seed in range(200)]
    assert 50 < np.median(areas) < 70
