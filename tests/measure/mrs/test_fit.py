"""The fit against spectra whose content is known, and its bound against the spread that noise causes."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.measure.mrs.baseline import Baseline
from gliotype.measure.mrs.basis import basis
from gliotype.measure.mrs.fit import fit, noise_of, spectrum_of
from gliotype.mrs import MrsSequence, Timing

MHZ, DWELL, POINTS = 127.731, 0.0005, 2048
TIMING = Timing(MrsSequence.PRESS, 97.0, 32.0)
TIME = DWELL * np.arange(POINTS)
CONTENT = {
    "2HG": 3.0, "Glu": 5.0, "Gln": 3.0, "GABA": 1.6, "NAA": 5.0, "NAAG": 0.75, "Cr": 4.0, "PCr": 2.4, "GPC": 1.2,
    "PCh": 0.8, "Ins": 5.0, "Gly": 1.0, "Lac": 1.5, "GSH": 1.5,
}  # fmt: skip


def made(content: dict[str, float], noise: float = 0.0, seed: int = 0, baseline: float = 0.0) -> np.ndarray:
    """A FID with a phase, a shift, a width, a broad baseline and noise of each point."""
    known = basis(TIMING, MHZ, POINTS, DWELL)
    rng = np.random.default_rng(seed)
    amplitudes = np.array([content.get(name, 0.0) for name in known.names])
    shape = np.exp(
        -np.pi * 3.0 * TIME - (np.pi * 4.0 * TIME) ** 2 / (4 * np.log(2)) + 2j * np.pi * 2.5 * TIME + 0.7j
    )
    broad = baseline * np.exp(-TIME / 0.0015 - 2j * np.pi * 250 * TIME)
    white = rng.standard_normal(POINTS) + 1j * rng.standard_normal(POINTS)
    return np.asarray((amplitudes @ known.fids + broad) * shape + noise * white)


def fitted(fid: np.ndarray):  # type: ignore[no-untyped-def]
    return fit(fid, basis(TIMING, MHZ, POINTS, DWELL), DWELL, MHZ)


def test_a_spectrum_is_taken_apart_into_what_it_was_made_of() -> None:
    found = fitted(made(CONTENT, noise=0.02))
    for name in ("2HG", "Glu", "NAA", "Ins", "Lac"):
        assert found.total(name)[0] == pytest.approx(CONTENT[name], rel=0.06), name
    assert found.total("Cr", "PCr")[0] == pytest.approx(6.4, rel=0.02)
    assert found.total("GPC", "PCh")[0] == pytest.approx(2.0, rel=0.02)
    assert found.shape.shift_hz == pytest.approx(2.5, abs=0.1)
    assert np.angle(np.exp(1j * (found.shape.phase - 0.7))) == pytest.approx(0.0, abs=0.05)
    assert (found.shape.lorentz_hz, found.shape.gauss_hz) == pytest.approx((3.0, 4.0), abs=0.5)


def test_the_parts_add_up_to_the_measurement() -> None:
    found = fitted(made(CONTENT, noise=0.05))
    left = found.measured - found.components.sum(axis=0) - found.baseline
    assert np.std(left.real) == pytest.approx(found.noise, rel=0.15)


def test_amplitudes_are_never_negative_and_absent_2hg_is_little() -> None:
    found = fitted(made({**CONTENT, "2HG": 0.0}, noise=0.1))
    assert (found.amplitudes >= 0).all()
    level, bound = found.total("2HG")
    assert level < 2.5 * bound


@pytest.mark.slow
def test_a_broad_baseline_hardly_moves_2hg() -> None:
    plain, bent = (fitted(made(CONTENT, noise=0.05, baseline=b)).total("2HG")[0] for b in (0.0, 15.0))
    assert bent == pytest.approx(plain, abs=0.35)


@pytest.mark.slow
def test_the_bound_is_the_spread_that_noise_causes() -> None:
    results = [fitted(made(CONTENT, noise=0.15, seed=seed)) for seed in range(10)]
    for names in (("2HG",), ("Cr", "PCr")):
        values, bounds = np.array([found.total(*names) for found in results]).T
        # The standard deviation of ten draws has a relative error of 24 %.
        assert 0.5 * bounds.mean() < values.std(ddof=1) < 1.7 * bounds.mean()


@pytest.mark.slow
def test_the_bound_falls_with_the_noise() -> None:
    low, high = (fitted(made(CONTENT, noise=n)).total("2HG")[1] for n in (0.05, 0.2))
    assert high == pytest.approx(4 * low, rel=0.35)


def test_the_sum_of_two_that_look_alike_is_known_better_than_each() -> None:
    found = fitted(made(CONTENT, noise=0.1))
    _, total = found.total("GPC", "PCh")
    assert total < 0.5 * min(found.total("GPC")[1], found.total("PCh")[1])


def test_noise_is_that_of_a_point_and_a_sloping_foot_does_not_count() -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal(POINTS) + 1j * rng.standard_normal(POINTS)
    ppm, spectrum = spectrum_of(2.0 * white + 500 * np.exp(-TIME / 0.01), DWELL, MHZ)
    assert noise_of(ppm, spectrum) == pytest.approx(2.0 * DWELL * np.sqrt(POINTS), rel=0.06)


def test_a_baseline_follows_what_is_smooth_and_not_what_is_sharp() -> None:
    ppm = np.linspace(4.2, 0.5, 480)
    smooth = 5 + 3 * np.sin(ppm)
    baseline = Baseline.over(ppm, bend=1.0)
    assert baseline.fitted(np.concatenate([smooth, -smooth])).real == pytest.approx(smooth, abs=0.05)
    sharp = 10 * np.exp(-(((ppm - 2.25) / 0.03) ** 2))
    assert np.abs(baseline.fitted(np.concatenate([sharp, 0 * sharp]))).max() < 3.0
    # What is projected off has the sum of squares of the residual, the penalty included.
    column = np.concatenate([sharp + smooth, 0 * sharp])[:, None]
    assert np.linalg.norm(baseline.without(column)) < np.linalg.norm(column)
