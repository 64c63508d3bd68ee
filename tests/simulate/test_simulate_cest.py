"""Bloch-McConnell simulation against its analytic limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.measure.cest import asymmetry
from gliotype.simulate.cest import (
    AMINE,
    MAGNETISATION_TRANSFER,
    RADIANS_PER_UT_S,
    SATURATION,
    TUMOUR,
    WHITE_MATTER,
    Pool,
    SpectrumLibrary,
    Tissue,
    Train,
    z_spectrum,
)

OFFSETS = np.array([-6.0, -3.5, -3.0, -1.0, -0.2, 0.3, 1.0, 3.0, 3.5, 6.0])
LONG = Train(b1_ut=1.5, pulse_s=30.0)
WATER = Tissue(1.2, 0.08)


def steady_state(tissue: Tissue, b1_ut: float, offset_ppm: np.ndarray, field_t: float = 3.0) -> np.ndarray:
    """Longitudinal magnetisation of one pool under a constant field, by the Bloch equations."""
    precession = RADIANS_PER_UT_S * field_t * offset_ppm
    nutation = RADIANS_PER_UT_S * b1_ut
    off = 1 + (precession * tissue.t2_s) ** 2
    return off / (off + nutation**2 * tissue.t1_s * tissue.t2_s)


def test_water_alone_is_saturated_directly() -> None:
    expected = steady_state(WATER, LONG.b1_ut, OFFSETS)
    np.testing.assert_allclose(z_spectrum(OFFSETS, WATER, LONG), expected, atol=1e-9)
    assert expected.min() < 0.1 < 0.9 < expected.max()


def test_a_pool_that_does_not_exchange_changes_nothing() -> None:
    alone = z_spectrum(OFFSETS, WATER, SATURATION)
    isolated = Tissue(1.2, 0.08, (Pool(0.3, 3.0, 0.0),))
    np.testing.assert_allclose(z_spectrum(OFFSETS, isolated, SATURATION), alone, atol=1e-10)
    slow = Tissue(1.2, 0.08, (Pool(0.01, 3.0, 1e-3),))
    np.testing.assert_allclose(z_spectrum(OFFSETS, slow, SATURATION), alone, atol=1e-4)


def test_fast_exchange_averages_the_pools() -> None:
    """Both pools become one, at their weighted offset and rates, if exchange outruns their distance."""
    fraction, offset, t1, t2 = 0.25, 2.0, 0.6, 0.05
    fast = Tissue(1.2, 0.08, (Pool(fraction, offset, 5e7, t1, t2),))
    share = fraction / (1 + fraction)
    mean = Tissue(1 / ((1 - share) / 1.2 + share / t1), 1 / ((1 - share) / 0.08 + share / t2))
    found = z_spectrum(OFFSETS, fast, LONG)
    np.testing.assert_allclose(found, steady_state(mean, LONG.b1_ut, OFFSETS - share * offset), atol=2e-4)


def test_slow_exchange_transfers_protons_one_by_one() -> None:
    """A saturated pool lowers water to R1 / (R1 + k); far from water with a long T2 direct saturation is small."""
    pool = Pool(0.001, 30.0, 50.0, t2_s=0.1)
    tissue = Tissue(1.2, 1.2, (pool,))
    train = Train(b1_ut=2.0, pulse_s=20.0)
    rate = pool.fraction * pool.exchange_hz
    nutation = RADIANS_PER_UT_S * train.b1_ut
    labelling = nutation**2 / (nutation**2 + pool.exchange_hz * (pool.exchange_hz + 1 / pool.t2_s))
    expected = (1 / 1.2) / (1 / 1.2 + rate * labelling)
    assert z_spectrum((30.0,), tissue, train)[0] == pytest.approx(expected, abs=2e-3)
    assert z_spectrum((-30.0,), tissue, train)[0] == pytest.approx(1.0, abs=2e-3)


def test_saturation_approaches_the_steady_state() -> None:
    tissue = Tissue(1.2, 0.08, (replace(AMINE, fraction=0.003), MAGNETISATION_TRANSFER))
    seconds = [z_spectrum((3.0,), tissue, Train(2.0, duration))[0] for duration in (0.5, 2.0, 15.0, 30.0)]
    assert seconds[0] > seconds[1] > seconds[2]
    assert seconds[2] == pytest.approx(seconds[3], abs=1e-4)


@pytest.mark.parametrize("pools", [(), (MAGNETISATION_TRANSFER,)], ids=["water", "magnetisation transfer"])
def test_a_symmetric_spectrum_has_no_asymmetry(pools: tuple[Pool, ...]) -> None:
    offsets = np.linspace(-5, 5, 41)
    z = z_spectrum(offsets, Tissue(1.2, 0.08, pools), SATURATION)
    np.testing.assert_allclose(z, z[::-1], atol=1e-9)
    assert asymmetry(z[np.newaxis], offsets, np.zeros(1), 3.0)[0] == pytest.approx(0.0, abs=1e-6)


def test_a_pool_lowers_its_own_side() -> None:
    for tissue in (WHITE_MATTER, TUMOUR):
        below, above = z_spectrum((-3.0, 3.0), tissue, SATURATION)
        assert 0.005 < below - above < 0.06
    overhauser = Tissue(1.2, 0.08, (Pool(0.01, -3.5, 20.0, t2_s=0.0005),))
    below, above = z_spectrum((-3.5, 3.5), overhauser, Train(1.0, 3.0))
    assert below < above


def test_a_shift_of_the_field_shifts_the_spectrum() -> None:
    shifted = z_spectrum(OFFSETS + 0.3, TUMOUR, SATURATION, shift_ppm=0.3)
    np.testing.assert_allclose(shifted, z_spectrum(OFFSETS, TUMOUR, SATURATION), atol=1e-9)


@pytest.mark.slow
def test_spectra_of_voxels_are_those_of_their_shift() -> None:
    library = SpectrumLibrary(TUMOUR, SATURATION)
    shift = np.array([[-0.31, 0.0], [0.22, 0.47]])
    spectra = library.spectra((np.inf, -3.1, 0.2, 3.0, 300.0), shift)
    assert spectra.shape == (2, 2, 5)
    assert (spectra[..., [0, 4]] == 1).all()
    direct = z_spectrum((-3.1, 0.2, 3.0), TUMOUR, SATURATION, shift_ppm=0.22)
    np.testing.assert_allclose(spectra[1, 0, 1:4], np.abs(direct), atol=2e-3)


def test_a_gaussian_pulse_saturates_a_narrower_band() -> None:
    """At the same root mean square it has its power near its frequency; its steps leave no other band."""
    block = Train(b1_ut=0.4, pulse_s=0.02, pulses=10, delay_s=0.02)
    gaussian = replace(block, gaussian=True)
    amplitudes = gaussian.amplitudes_ut
    assert np.sqrt((amplitudes**2).mean()) == pytest.approx(0.4)
    np.testing.assert_allclose(amplitudes, amplitudes[::-1])
    far = np.array([2.0, 3.0, 5.0])
    assert (z_spectrum(far, WATER, gaussian) > z_spectrum(far, WATER, block) - 1e-3).all()
    assert z_spectrum((0.0,), WATER, gaussian)[0] < 0.8
    assert (z_spectrum(far, WATER, gaussian) > 0.97).all()
