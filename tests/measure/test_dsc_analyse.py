from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gliotype.dsc import Region
from gliotype.errors import InputError
from gliotype.measure.dsc import PERFUSION_UNITS, NoPerfusion, VoxelPerfusion, analyse
from support.voxel_curves import (
    TE_MS,
    exchange,
    fine_times,
    gamma_variate,
    signal_of,
    t1_factor,
    with_residue,
)

TR_S = 1.5
WHITE, GREY, ENHANCING, OEDEMA, ARTERIES = (
    slice(0, 300),
    slice(300, 600),
    slice(600, 800),
    slice(800, 950),
    slice(950, 990),
)
N = 990
CBV = np.repeat([0.02, 0.04, 0.06, 0.02], [300, 300, 200, 150])


def patient(
    *,
    frames: int = 60,
    tr_s: float = TR_S,
    arrival_s: float = 18.0,
    snr: float = 60.0,
    seed: int = 0,
    ps: float = 0.0008,
    flip_deg: float = 35.0,
    artery: float = 60.0,
    enhancing: float = 0.06,
    te_ms: float = TE_MS,
    scale: float = 1.0,
) -> np.ndarray:
    """Signals of white and grey matter, leaking enhancing tumour, oedema and arteries, (990, frames)."""
    times = tr_s * np.arange(frames)
    fine = fine_times(float(times[-1]) + 0.1)
    arterial = gamma_variate(fine, arrival_s) + 0.1 * gamma_variate(fine, arrival_s + 12, beta=3.0)

    def tissue(cbv: float, mtt_s: float, delay_s: float) -> np.ndarray:
        return 480 * with_residue(arterial, fine, cbv=cbv, mtt_s=mtt_s, delay_s=delay_s)

    plasma, outside = exchange(6 * arterial, fine, vp=enhancing, flow=enhancing / 5.5, ps=ps, ve=0.25)
    t1 = np.log(t1_factor(4.3 * 0.25 * outside, flip_deg=flip_deg, tr_s=1.5)) / 0.03
    rates = [
        tissue(0.02, 4.8, 1.0),
        tissue(0.04, 4.0, 0.5),
        80 * enhancing * plasma - t1,
        tissue(0.02, 5.5, 1.2),
        artery * arterial,
    ]
    rates = [np.interp(times, fine, rate) for rate in rates]
    clean = np.repeat([signal_of(rate, te_ms=te_ms) for rate in rates], [300, 300, 200, 150, 40], axis=0)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 800 / snr, (2, *clean.shape))
    return np.asarray(scale * np.hypot(clean + noise[0], noise[1]))


def masks() -> dict[str, Any]:
    def of(*parts: slice) -> np.ndarray:
        mask = np.zeros(N, bool)
        for part in parts:
            mask[part] = True
        return mask

    regions = {
        Region.WHITE_MATTER: of(WHITE),
        Region.ENHANCING: of(ENHANCING),
        Region.OEDEMA: of(OEDEMA),
        Region.NON_ENHANCING: of(slice(945, 950)),
        Region.WHOLE: of(ENHANCING, OEDEMA),
    }
    return {"brain": np.ones(N, bool), "regions": regions}


def measured(
    signal: np.ndarray, *, tr_s: float = TR_S, te_ms: float = TE_MS, **options: Any
) -> VoxelPerfusion:
    found = analyse(signal, tr_s * np.arange(signal.shape[1]), te_ms, **(masks() | options))
    assert isinstance(found, VoxelPerfusion)
    return found


def said(found: VoxelPerfusion, words: str) -> bool:
    return any(words in warning for warning in found.warnings)


@pytest.mark.parametrize("seed", range(4))
def test_blood_volume_over_white_matter(seed: int) -> None:
    found = measured(patient(seed=seed))
    assert np.median(found.maps["rcbv"][WHITE]) == pytest.approx(1.0, abs=1e-4)
    assert np.mean(found.maps["rcbv"][GREY]) == pytest.approx(2.0, rel=0.12)
    assert found.numbers["enhancing_nrcbv_mean"] == pytest.approx(3.0, rel=0.15)
    assert found.numbers["oedema_nrcbv_mean"] == pytest.approx(1.0, rel=0.15)
    assert found.numbers["enhancing_nrcbv_uncorrected_mean"] < found.numbers["enhancing_nrcbv_mean"]
    assert found.numbers["enhancing_k2"] > 0.005
    assert abs(found.numbers["oedema_k2"]) < 0.003
    assert found.warnings == ()


def test_every_number_has_a_unit_and_small_regions_have_none() -> None:
    found = measured(patient())
    assert set(found.numbers) == set(PERFUSION_UNITS)
    assert Region.NON_ENHANCING not in found.curves
    assert found.numbers["non_enhancing_nrcbv_mean"] is None
    assert found.numbers["whole_psr"] is not None
    assert (found.numbers["dsc_frames"], found.numbers["dsc_interval"]) == (60.0, 1.5)
    assert found.numbers["white_matter_voxels"] == 300
    assert {region: curve.voxels for region, curve in found.curves.items()} == {
        Region.WHITE_MATTER: 300,
        Region.ENHANCING: 200,
        Region.OEDEMA: 150,
        Region.WHOLE: 350,
    }


def test_arteries_are_found_and_may_be_given() -> None:
    signal = patient()
    found = measured(signal)
    assert found.arterial.voxels[ARTERIES].sum() == found.arterial.voxels.sum() >= 8
    assert not found.arterial.given
    given = np.zeros(N, bool)
    given[300:310] = True
    other = measured(signal, arteries=given)
    assert other.arterial.given
    assert other.arterial.voxels.sum() == 10
    assert other.arterial.delta_r2.max() < found.arterial.delta_r2.max()


def test_same_input_same_answer() -> None:
    one, other = measured(patient()), measured(patient())
    np.testing.assert_array_equal(one.arterial.voxels, other.arterial.voxels)
    for name, values in one.maps.items():
        np.testing.assert_array_equal(values, other.maps[name])


def test_scale_does_not_matter() -> None:
    one, other = measured(patient()), measured(patient(scale=0.01))
    for name, value in one.numbers.items():
        assert other.numbers[name] == (None if value is None else pytest.approx(value, rel=2e-3, abs=1e-4)), (
            name
        )


def test_echo_time_is_divided_out() -> None:
    short, long = measured(patient(te_ms=20.0, snr=400), te_ms=20.0), measured(patient(te_ms=30.0, snr=400))
    for region in ("enhancing", "oedema"):
        for name in ("nrcbv_mean", "k2", "ttp"):
            value = short.numbers[f"{region}_{name}"]
            assert long.numbers[f"{region}_{name}"] == pytest.approx(value, rel=0.1, abs=2e-3), name
    np.testing.assert_allclose(
        short.curves[Region.WHITE_MATTER].relative_signal ** 1.5,
        long.curves[Region.WHITE_MATTER].relative_signal,
        atol=0.01,
    )


def test_order_of_voxels_does_not_matter() -> None:
    signal, options = patient(), masks()
    order = np.random.default_rng(5).permutation(N)
    shuffled = {region: mask[order] for region, mask in options["regions"].items()}
    one, other = measured(signal), measured(signal[order], regions=shuffled)
    assert one.bolus == other.bolus
    for name in ("rcbv", "k2", "psr"):
        np.testing.assert_allclose(one.maps[name][order], other.maps[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arrival_s": 4.0}, "DSC baseline has"),
        ({"frames": 20}, "ends within the first pass"),
        ({"frames": 24}, "fewer than 30"),
        ({"tr_s": 3.0, "frames": 40}, "apart"),
        ({"artery": 250.0}, "noise floor"),
        ({"artery": 5.0, "enhancing": 0.02}, "holds much tissue"),
        ({"ps": 0.003, "flip_deg": 90.0}, "shortens T1,"),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, float], words: str) -> None:
    found = measured(patient(**changed), tr_s=float(changed.get("tr_s", TR_S)))
    assert said(found, words), found.warnings
    assert not said(measured(patient()), words)


def test_clipped_first_pass_has_no_recovery() -> None:
    found = measured(patient(frames=20, arrival_s=21.0))
    assert found.numbers["whole_psr"] is None
    assert np.isnan(found.maps["psr"]).all()


def test_an_empty_frame_is_no_bolus() -> None:
    signal = patient()
    signal[:, [4, 40]] = 0
    found = analyse(signal, TR_S * np.arange(60), TE_MS, **masks(), spin_echo=False)
    assert isinstance(found, NoPerfusion)
    assert "2 of" in found.reason


def test_little_or_no_white_matter() -> None:
    signal, options = patient(), masks()
    white = options["regions"][Region.WHITE_MATTER]
    white[50:] = False
    assert said(measured(signal, regions=options["regions"]), "fewer than 100")
    white[5:] = False
    found = measured(signal, regions=options["regions"])
    assert np.isnan(found.maps["rcbv"]).all()
    assert found.numbers["whole_nrcbv_mean"] is None
    assert found.numbers["whole_k2"] is not None


def test_voxels_without_signal_have_no_value() -> None:
    signal = patient()
    signal[3] = 0
    signal[4, 10] = np.nan
    found = measured(signal)
    for name, values in found.maps.items():
        assert np.isnan(values[[3, 4]]).all(), name
        assert np.isfinite(values[5:300]).mean() > 0.95, name


def test_spin_echo_is_said() -> None:
    assert said(measured(patient(), spin_echo=True), "spin-echo")


@pytest.mark.parametrize("signal", [np.full((N, 40), 500.0), np.zeros((N, 40)), np.ones((N, 6))])
def test_no_bolus_has_a_reason(signal: np.ndarray) -> None:
    found = analyse(signal, TR_S * np.arange(signal.shape[1]), TE_MS, **masks())
    assert isinstance(found, NoPerfusion)
    assert found.reason.endswith("perfusion was not measured.")


def test_noise_alone_is_no_bolus() -> None:
    rng = np.random.default_rng(2)
    found = analyse(500 + rng.normal(0, 20, (N, 40)), TR_S * np.arange(40), TE_MS, **masks())
    assert isinstance(found, NoPerfusion)


def test_brain_of_nothing_has_a_reason() -> None:
    found = analyse(patient(), TR_S * np.arange(60), TE_MS, brain=np.zeros(N, bool), regions={})
    assert isinstance(found, NoPerfusion)


@pytest.mark.parametrize(
    "changed",
    [
        {"times_s": np.arange(59.0)},
        {"times_s": np.r_[0.0, np.arange(59.0)]},
        {"te_ms": 0.0},
        {"te_ms": float("nan")},
        {"brain": np.ones(N - 1, bool)},
        {"arteries": np.zeros(N, bool)},
    ],
)
def test_arguments_that_do_not_fit(changed: dict[str, Any]) -> None:
    arguments = {"signal": patient(), "times_s": TR_S * np.arange(60), "te_ms": TE_MS} | masks() | changed
    with pytest.raises(InputError):
        analyse(**arguments)
