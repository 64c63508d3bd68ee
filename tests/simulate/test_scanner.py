from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.simulate.scanner import (
    degrade,
    draw_protocol,
    draw_protocols,
    inversion_recovery,
    null_inversion_ms,
    same_session,
    signals,
    slice_blur,
    spin_echo,
    spoiled_gradient_echo,
    white_matter_signal,
)
from gliotype.simulate.tissue import FREE_FLUID, N_CODES, TISSUES, Tissue, draw_parameters
from gliotype.study import STRUCTURAL, Sequence

# PD, T1, T2 -> T1w signal (600/12), T2w over white matter (4500/100), FLAIR over white matter (10000/2500/120):
# worked by hand from the signal equations.
WORKED = {
    "grey matter": ((0.84, 1500, 100), 0.246, 1.56, 1.24),
    "csf": ((1.0, 4300, 1500), 0.129, 3.22, 0.15),
    "oedema": ((0.90, 1650, 150), 0.253, 2.29, 1.79),
    "astrocytoma core": ((0.94, 2000, 300), 0.234, 3.20, 2.15),
    "mismatch core": ((0.97, 3000, 500), 0.172, 3.27, 1.00),
    "necrosis": ((0.97, 2800, 500), 0.183, 3.37, 1.25),
}


@pytest.mark.parametrize("tissue", WORKED)
def test_signal_equations_give_the_worked_values(tissue: str) -> None:
    def weighted(pd: float, t1: float, t2: float) -> tuple[float, float, float]:
        p, a, b = (np.float32(v) for v in (pd, t1, t2))
        return (
            float(spin_echo(p, a, b, 600, 12)),
            float(spin_echo(p, a, b, 4500, 100)),
            float(inversion_recovery(p, a, b, 10000, 120, 2500)),
        )

    parameters, t1w, t2w, flair = WORKED[tissue]
    white, found = weighted(0.72, 900, 75), weighted(*parameters)
    assert found[0] == pytest.approx(t1w, abs=0.001)
    assert found[1] / white[1] == pytest.approx(t2w, abs=0.011)
    assert found[2] / white[2] == pytest.approx(flair, abs=0.011)


def test_spoiled_gradient_echo_peaks_at_the_ernst_angle() -> None:
    one = np.float32(1.0)
    angles = np.arange(1, 60)
    signal = [float(spoiled_gradient_echo(one, 1000 * one, 100 * one, 20, 0, a)) for a in angles]
    ernst = np.degrees(np.arccos(np.exp(-20 / 1000)))
    assert angles[int(np.argmax(signal))] == pytest.approx(ernst, abs=1)


def test_every_tissue_has_parameters_and_contrast_agent_only_shortens_t1() -> None:
    assert set(TISSUES) == set(Tissue)
    for seed in range(20):
        drawn = draw_parameters(np.random.default_rng(seed), spread=0.1)
        assert drawn.t1_ms.shape == (N_CODES,)
        assert (drawn.t1_gd_ms <= drawn.t1_ms).all()
        assert drawn.t1_gd_ms[Tissue.ENHANCING] < drawn.t1_ms[Tissue.ENHANCING]


def test_low_field_shortens_t1_and_keeps_t2() -> None:
    high, low = (draw_parameters(np.random.default_rng(3), field) for field in (3.0, 1.5))
    tissues = [tissue for tissue in Tissue if tissue not in FREE_FLUID]
    assert (low.t1_ms[tissues] < high.t1_ms[tissues]).all()
    np.testing.assert_array_equal(low.t1_ms[list(FREE_FLUID)], high.t1_ms[list(FREE_FLUID)])
    np.testing.assert_array_equal(low.t2_ms, high.t2_ms)


def test_thick_slices_blur_across_and_keep_detail_within() -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((32, 32, 32)).astype(np.float32)
    drawn = draw_protocol(rng, Sequence.T2, thickness_mm=6.0)
    protocol = replace(drawn, slice_axis=2, in_plane_mm=1.0, first_slice=0.3)
    blurred = slice_blur(image, 1.0, protocol)
    across, within = (float(np.abs(np.diff(blurred, axis=axis)).mean()) for axis in (2, 0))
    assert blurred.shape == image.shape
    assert across < 0.5 * within
    assert float(slice_blur(np.ones_like(image), 1.0, protocol).std()) == pytest.approx(0, abs=1e-5)


def _degraded(image: np.ndarray, **changes: float) -> np.ndarray:
    """An image through a perfect scanner but for the changes; its phase axis is the first."""
    perfect = {"bias": 0.0, "noise": 0.0, "ghost": 0.0, "kept_k_space": 1.0, "in_plane_mm": 0.5}
    protocol = draw_protocol(np.random.default_rng(0), Sequence.T2, thickness_mm=1.0)
    protocol = replace(protocol, slice_axis=2, **(perfect | changes))
    return degrade(np.random.default_rng(0), image.astype(np.float32), 1.0, 1.0, protocol)


def test_missing_k_space_rings_along_the_phase_axis_only() -> None:
    bar = np.zeros((40, 40, 16))
    bar[10:30] = 1.0
    sharp, rung = _degraded(bar), _degraded(bar, kept_k_space=0.4)
    assert rung.max() > 1.04 > sharp.max()
    across = np.swapaxes(bar, 0, 1)
    np.testing.assert_allclose(_degraded(across, kept_k_space=0.4), _degraded(across), atol=1e-5)


def test_motion_leaves_ghosts_along_the_phase_axis() -> None:
    dot = np.zeros((40, 40, 16))
    dot[18:22, 18:22, 6:10] = 1.0
    ghosted = _degraded(dot, ghost=0.4)
    far = ghosted.copy()
    far[14:26] = 0
    assert far.max() > 0.1
    assert far[:, :14].max() < 1e-3


@pytest.mark.parametrize("field_t", [1.5, 3.0])
@pytest.mark.parametrize("spread", [0.0, 0.08], ids=["hospital", "training"])
@pytest.mark.parametrize("fluid", [Tissue.VENTRICLE, Tissue.CSF])
def test_flair_nulls_fluid_at_both_fields(field_t: float, spread: float, fluid: Tissue) -> None:
    rng, over_white = np.random.default_rng(11), []
    for _ in range(300):
        signal = signals(draw_parameters(rng, field_t, spread), draw_protocol(rng, Sequence.FLAIR))
        over_white.append(float(signal[fluid]) / white_matter_signal(signal))
    assert np.mean(np.array(over_white) > 0.5) <= 0.01
    assert np.median(over_white) < 0.2


def test_the_null_is_where_fluid_gives_no_signal() -> None:
    pd, t1, t2 = (np.array([value], np.float32) for value in (1.0, 4300.0, 1500.0))
    for tr in (7000.0, 9000.0, 11000.0):
        assert float(inversion_recovery(pd, t1, t2, tr, 120.0, null_inversion_ms(tr))[0]) < 1e-5


def test_t1_and_t1c_share_protocol_and_coil_in_most_studies() -> None:
    rng = np.random.default_rng(5)
    studies = [draw_protocols(rng, STRUCTURAL, (2.0, 6.0)) for _ in range(200)]
    pairs = [(drawn[Sequence.T1], drawn[Sequence.T1C]) for drawn in studies]
    paired = [pair for pair in pairs if same_session(*pair)]
    assert 0.7 < len(paired) / len(pairs) < 0.9
    for before, after in paired:
        assert after.contrast
        assert not before.contrast
        assert replace(after, sequence=Sequence.T1, contrast=False, ghost=before.ghost) == before
    for drawn in studies:
        assert not same_session(drawn[Sequence.T1], drawn[Sequence.T2])


def test_sequences_of_one_coil_have_the_same_bias_field() -> None:
    flat = np.ones((40, 40, 16))
    one, same, other = (_degraded(flat, bias=0.2, coil=coil) for coil in (1, 1, 2))
    np.testing.assert_allclose(one, same, rtol=1e-6)
    assert one.std() > 0.02
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.9
