"""What processing must undo, each thing by itself, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.mrs import MrsSeries, Spectrum
from gliotype.prepare.mrs import process, process_series
from gliotype.prepare.mrs.averages import average, band_passed, shift_between
from gliotype.prepare.mrs.coils import coil_weights
from gliotype.prepare.mrs.process import NAA_PPM, TURNED
from gliotype.prepare.mrs.water import eddy_phase, water_amplitude, without_water
from gliotype.study import Image, Sequence
from gliotype.volume import Volume
from support.mrs_writer import MEGA_68, QUIET, measured

MHZ, DWELL = 127.731, 0.0005
TIME = DWELL * np.arange(2048)


def singlets(shift_hz: float = 0.0, phase: float = 0.0) -> np.ndarray:
    """NAA, creatine and choline, with decay."""
    lines = ((2.01, 3.0), (3.03, 2.0), (3.21, 2.5))
    clean = sum(a * np.exp(2j * np.pi * MHZ * (ppm - 4.65) * TIME) for ppm, a in lines)
    return np.asarray(clean * np.exp(-TIME / 0.06 + 2j * np.pi * shift_hz * TIME + 1j * phase))


def close(spectrum: Spectrum, other: Spectrum, tolerance: float) -> bool:
    """Whether two FIDs are alike up to a shift and a phase."""
    part = slice(0, 400)
    shift, phase = shift_between(spectrum.fid[part], other.fid[part], spectrum.dwell_s)
    time = spectrum.dwell_s * np.arange(len(spectrum.fid))
    back = spectrum.fid * np.exp(-2j * np.pi * shift * time - 1j * phase)
    return bool(np.linalg.norm(back - other.fid) < tolerance * np.linalg.norm(other.fid))


def test_coils_are_weighted_by_signal_and_noise() -> None:
    rng = np.random.default_rng(0)
    sensitivity = np.array([0.9, 0.3j, -0.2])
    noise = np.array([0.5, 0.05, 0.05])
    made = rng.standard_normal((2048, 3)) + 1j * rng.standard_normal((2048, 3))
    signal = 20 * np.outer(singlets(), sensitivity) + noise * made
    weights = coil_weights(signal)
    # The best weights are the conjugate sensitivities over the variances.
    best = sensitivity.conj() / noise**2
    assert abs(np.vdot(weights, best)) / np.linalg.norm(weights) / np.linalg.norm(best) > 0.995
    combined = signal @ weights
    assert np.abs(combined[0]) == pytest.approx(20 * 7.5 * np.linalg.norm(sensitivity), rel=0.05)


def test_a_coil_without_signal_or_noise_does_not_spoil_the_others() -> None:
    rng = np.random.default_rng(1)
    made = 0.01 * (rng.standard_normal((2048, 2)) + 1j * rng.standard_normal((2048, 2)))
    signal = np.column_stack([np.outer(singlets(), [0.6, 0.8j]) + made, np.zeros(2048)])
    combined = signal @ coil_weights(signal)
    assert np.isfinite(combined).all()
    assert np.abs(combined[0]) == pytest.approx(7.5, rel=0.05)


def test_drift_and_phase_of_transients_are_undone() -> None:
    shifts, phases = np.linspace(-4, 3, 24), np.random.default_rng(0).normal(0, 0.4, 24)
    fids = np.stack([singlets(s, p) for s, p in zip(shifts, phases, strict=True)], axis=1)
    averaged = average(fids, DWELL, MHZ)
    assert averaged.drift_hz == pytest.approx(7.0, abs=0.1)
    assert (averaged.kept, averaged.rejected) == (24, 0)
    # Nothing is lost: unaligned, the mean would have decayed.
    assert np.linalg.norm(averaged.fid) == pytest.approx(np.linalg.norm(singlets()), rel=0.01)
    assert np.linalg.norm(fids.mean(axis=1)) < 0.9 * np.linalg.norm(singlets())


def test_bad_transients_are_left_out() -> None:
    rng = np.random.default_rng(2)
    fids = np.stack([singlets() for _ in range(16)], axis=1)
    fids += 0.2 * (rng.standard_normal(fids.shape) + 1j * rng.standard_normal(fids.shape))
    fids[:, 5] = 0.2 * singlets(12.0, 2.5) + fids[:, 5] - singlets()
    fids[:, 11] *= 3.0
    averaged = average(fids, DWELL, MHZ)
    assert averaged.rejected == 2
    assert np.linalg.norm(averaged.fid - singlets()) < 0.35 * np.linalg.norm(singlets())


def test_noisy_transients_are_aligned_in_groups() -> None:
    rng = np.random.default_rng(3)
    shifts = np.linspace(0, 6, 64)
    fids = np.stack([singlets(s) for s in shifts], axis=1)
    fids += 6.0 * (rng.standard_normal(fids.shape) + 1j * rng.standard_normal(fids.shape))
    averaged = average(fids, DWELL, MHZ)
    assert averaged.drift_hz == pytest.approx(6.0, abs=2.0)

    def late_signal(fid: np.ndarray) -> float:
        """Best match with the singlets after 40 ms, when transients that are not aligned cancel."""
        late = slice(80, 300)
        match = np.fft.fft(fid[late] * singlets()[late].conj(), 4096)
        return float(np.abs(match).max())

    assert late_signal(averaged.fid) > 1.15 * late_signal(fids.mean(axis=1))


def test_eddy_currents_are_corrected_by_the_water_and_its_frequency_is_set() -> None:
    eddy = 0.8 * np.exp(-TIME / 0.02)
    water = 1e4 * np.exp(-TIME / 0.05 + 1j * (0.4 + eddy + 2 * np.pi * 3.0 * TIME))
    phase = eddy_phase(water, DWELL, 2048, DWELL)
    corrected = singlets(3.0, 0.4) * np.exp(1j * eddy) * np.exp(-1j * phase)
    assert np.linalg.norm(corrected - singlets()) < 0.01 * np.linalg.norm(singlets())
    assert water_amplitude(water, DWELL) == pytest.approx(1e4, rel=0.01)


def test_residual_water_is_taken_out_and_metabolites_stay() -> None:
    water = 300 * np.exp(-TIME / 0.03 + 2j * np.pi * 5.0 * TIME) + 80 * np.exp(
        -TIME / 0.08 - 2j * np.pi * 9.0 * TIME
    )
    clean = without_water(singlets() + water, DWELL, MHZ)
    assert np.linalg.norm(clean - singlets()) < 0.01 * np.linalg.norm(singlets())


def test_a_whole_measurement_comes_out_as_an_undisturbed_one() -> None:
    disturbed = replace(
        QUIET, drift_hz=4.0, phase_noise=0.3, eddy=0.6, residual_water=60.0, spoiled=1, coils=4
    )
    disturbed = replace(disturbed, transients=16)
    processed, plain = (process_series(measured(conditions=each)) for each in (disturbed, QUIET))
    assert processed.rejected == 1
    assert processed.drift_hz == pytest.approx(4.0, abs=0.6)
    assert processed.eddy_corrected
    # Different draws of noise differ by their noise, about 1 / 60 of the tallest singlet in each point of the spectrum.
    assert processed.water == pytest.approx(plain.water, rel=0.02)


def test_the_condition_with_editing_on_is_found_whatever_the_order() -> None:
    series = measured(timing=MEGA_68)
    swapped = replace(series, fids=series.fids[..., ::-1])
    one, other = process_series(series), process_series(swapped)
    assert one.difference is not None
    assert other.difference is not None
    assert close(one, other, 0.05)
    first, second = (np.abs(np.fft.fft(each.difference)).argmax() for each in (one, other))
    assert abs(first - second) <= 2
    # NAA is inverted against the edit-off spectrum.
    naa = [band_passed(fid, one.dwell_s, one.frequency_mhz, NAA_PPM) for fid in (one.difference, one.fid)]
    assert np.vdot(naa[0], naa[1]).real < -0.5 * np.linalg.norm(naa[0]) * np.linalg.norm(naa[1])


def test_reversed_frequencies_are_found() -> None:
    series = measured(water=False)
    turned = process_series(replace(series, fids=series.fids.conj()))
    assert turned.warnings == (TURNED,)
    assert close(turned, process_series(series), 0.02)


def test_without_a_dwell_time_there_is_nothing_to_process() -> None:
    image = Image(Volume(np.ones((1, 1, 1)), np.eye(4)), Sequence.MRS, 1.0, "named", "a.raw")
    with pytest.raises(InputError, match="time between two points"):
        process(image)


def water_only(series: MrsSeries) -> MrsSeries:
    assert series.water is not None
    return replace(series, fids=series.water[:, :, None, None], water=None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: replace(s, timing=None), "does not say its echo time: give it with --mrs-timing"),
        (lambda s: replace(s, nucleus="31P"), "is of 31P, not of protons"),
        (water_only, "is of unsuppressed water only"),
        (lambda s: replace(s, fids=np.zeros_like(s.fids)), "holds no signal"),
        (lambda s: replace(s, fids=s.fids[:64]), "has only 64 points"),
        (lambda s: replace(s, timing=MEGA_68), "needs two conditions of editing"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_sentence(change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=sentence):
        process_series(change(measured()))
