from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gliotype.dsc import Bolus
from gliotype.measure.dsc.bolus import delta_r2, find_bolus, find_bolus_in, noise_of, relative_signal
from gliotype.measure.dsc.frames import voxels_with_signal
from support.voxel_curves import gamma_variate, signal_of

TIMES = 1.5 * np.arange(60)


def mean_signal(arrival_s: float, *, drop: float = 15.0, times: np.ndarray = TIMES) -> np.ndarray:
    """Signal of a brain whose dR2* peaks at `drop`, with a second pass and a tail."""
    late = 0.1 / (1 + np.exp(-(times - arrival_s - 12) / 2))
    return signal_of(
        drop
        * (gamma_variate(times, arrival_s, beta=1.8) + 0.15 * gamma_variate(times, arrival_s + 14) + late)
    )


@pytest.mark.parametrize("arrival_s", [6.1, 15.0, 33.3])
def test_bolus_where_it_was_put(arrival_s: float) -> None:
    found = find_bolus(mean_signal(arrival_s), TIMES)
    assert found is not None
    assert found.start == 0
    assert arrival_s <= TIMES[found.arrival] <= arrival_s + 3.5
    assert TIMES[found.peak] == pytest.approx(arrival_s + 5.4, abs=1.5)
    assert 6 < TIMES[found.end] - TIMES[found.peak] < 18


def test_frames_before_the_steady_state_are_dropped() -> None:
    signal = mean_signal(24.0)
    signal[:3] *= (1.4, 1.1, 1.03)
    found = find_bolus(signal, TIMES)
    assert found is not None
    assert found.start == 3
    assert found.arrival == find_bolus(mean_signal(24.0), TIMES).arrival


@pytest.mark.parametrize("seed", range(8))
def test_noise_moves_the_arrival_by_a_frame_at_most(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = find_bolus(mean_signal(20.0), TIMES)
    noisy = find_bolus(mean_signal(20.0) + rng.normal(0, 8.0, TIMES.size), TIMES)  # 1 % of the brain's mean
    assert clean is not None
    assert noisy is not None
    assert abs(noisy.arrival - clean.arrival) <= 1
    assert abs(noisy.peak - clean.peak) <= 1
    assert noisy.start <= 2


@pytest.mark.parametrize(
    "signal",
    [
        np.full(60, 800.0),
        800 + np.random.default_rng(0).normal(0, 4.0, 60),
        np.linspace(800, 760, 60),
        np.linspace(760, 800, 60),
        mean_signal(-3.0),
    ],
    ids=["constant", "noise", "falling", "rising", "begun before the series"],
)
def test_no_bolus(signal: np.ndarray) -> None:
    assert find_bolus(signal, TIMES) is None


def test_arteries_say_when_contrast_arrives() -> None:
    tissue = np.tile(mean_signal(22.5), (400, 1))
    arteries = np.tile(signal_of(45.0 * gamma_variate(TIMES, 18.0)), (20, 1))
    early = find_bolus_in(np.concatenate([tissue, arteries]), TIMES)
    late = find_bolus_in(tissue, TIMES)
    assert early is not None
    assert late is not None
    assert early.arrival < late.arrival
    assert early.peak == late.peak


def test_relaxation_by_hand() -> None:
    rate = 12.0 * gamma_variate(TIMES, 18.0)
    signal = np.stack([signal_of(rate, s0=s0, te_ms=45.0) for s0 in (90.0, 2000.0)] + [np.zeros(60)])
    relative = relative_signal(signal, Bolus(0, 10, 15, 25))
    assert np.isnan(relative[2]).all()
    np.testing.assert_allclose(delta_r2(relative[:2], 45.0), [rate, rate], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-2, 1e4), arrival_s=st.floats(6.0, 40.0))
def test_scale_does_not_matter(scale: float, arrival_s: float) -> None:
    signal = mean_signal(arrival_s)
    assert find_bolus(signal * scale, TIMES) == find_bolus(signal, TIMES)


@settings(max_examples=20, deadline=None)
@given(later=st.integers(0, 15))
def test_later_bolus_is_found_later(later: int) -> None:
    first, second = find_bolus(mean_signal(12.0), TIMES), find_bolus(mean_signal(12.0 + 1.5 * later), TIMES)
    assert first is not None
    assert second is not None
    assert (second.arrival - first.arrival, second.peak - first.peak) == (later, later)


def test_noise_is_estimated_from_few_frames() -> None:
    rng = np.random.default_rng(1)
    signal = 500 + rng.normal(0, 12.5, (4000, 20))
    assert noise_of(signal, Bolus(1, 5, 8, 12)) == pytest.approx(12.5, rel=0.05)


def test_a_voxel_counts_that_has_a_signal_in_every_frame() -> None:
    signal = np.tile(np.linspace(100, 120, 41), (30, 1))
    signal[:2, 3] = np.nan
    signal[5, 7] = 0
    found = voxels_with_signal(signal, np.ones(30, bool))
    assert not isinstance(found, str)
    assert np.flatnonzero(~found).tolist() == [0, 1, 5]


def test_series_that_cannot_be_measured() -> None:
    brain = np.ones(5, bool)
    half = np.ones((5, 20))
    half[:, ::2] = 0
    assert "10 of 20" in str(voxels_with_signal(half, brain))
    assert "8 frames" in str(voxels_with_signal(np.ones((5, 8)), brain))
    assert "no signal" in str(voxels_with_signal(np.zeros((5, 20)), brain))
