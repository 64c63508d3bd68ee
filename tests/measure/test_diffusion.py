"""ADC numbers of a tumour by hand: what is left out, what is missing, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.measure import DIFFUSION_UNITS, diffusion, measure
from gliotype.study import Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Volume
from support.head_phantom import head


def with_adc(prepared: PreparedStudy, adc: np.ndarray, affine: np.ndarray | None = None) -> PreparedStudy:
    """Add an ADC map in the same world as the prepared images."""
    volume = Volume(adc.astype(np.float32), prepared.grid.affine if affine is None else affine)
    return replace(
        prepared,
        adc=volume,
        acquired_from_prepared={Sequence.ADC: np.eye(4)},
        acquired_grids={Sequence.ADC: volume.grid},
    )


def phantom(core: float = 1.6, edge: float = 1.2, **signals: object) -> tuple[PreparedStudy, Tumour]:
    """The small head, T1c alone: white matter 0.8, core and edge of the tumour as given."""
    prepared, tumour = head(sequences=(Sequence.T1C,), **signals)  # type: ignore[arg-type]
    labels = np.asarray(tumour.labels.array)
    brain = np.asarray(prepared.brain.array)
    adc = np.where(brain, 0.8, 0.0)
    adc[labels == Label.OEDEMA] = edge
    adc[(labels > 0) & (labels != Label.OEDEMA)] = core
    return with_adc(prepared, adc), tumour


def fractions(tumour: Tumour) -> tuple[float, float]:
    """Part of core and of edge in the tumour."""
    labels = np.asarray(tumour.labels.array)[tumour.mask]
    edge = float((labels == Label.OEDEMA).mean())
    return 1 - edge, edge


def test_a_tumour_that_does_not_enhance_is_measured_as_a_whole() -> None:
    prepared, tumour = phantom()
    found, warnings = diffusion(prepared, tumour)
    core, edge = fractions(tumour)
    assert warnings == ()
    assert found["adc_mean"] == pytest.approx(1.6 * core + 1.2 * edge, rel=1e-4)
    assert found["adc_white_matter"] == pytest.approx(0.8)
    assert found["adc_ratio"] == pytest.approx((1.6 * core + 1.2 * edge) / 0.8, rel=1e-4)
    assert (found["adc_median"], found["adc_p10"]) == pytest.approx((1.2, 1.2))
    assert (found["adc_enhancing_only"], found["adc_fluid_fraction"], found["adc_coverage"]) == (0, 0, 100)
    assert found["adc_assessed_volume"] == pytest.approx(tumour.volume_ml)


def test_oedema_and_necrosis_of_an_enhancing_tumour_are_left_out() -> None:
    prepared, tumour = phantom(core_label=Label.ENHANCING)
    found, _ = diffusion(prepared, tumour)
    assert found["adc_mean"] == pytest.approx(1.6)
    assert found["adc_enhancing_only"] == 1
    necrotic = np.array(tumour.labels.array)
    half = (necrotic == Label.ENHANCING) & (np.indices(necrotic.shape)[0] > 40)
    necrotic[half] = Label.CORE
    adc = np.array(prepared.adc.array) if prepared.adc is not None else np.zeros(necrotic.shape)
    adc[half] = 2.3
    again, _ = diffusion(with_adc(prepared, adc), Tumour(tumour.labels.with_array(necrotic), "model1"))
    assert again["adc_mean"] == pytest.approx(1.6)
    whole = Tumour(tumour.labels.with_array(tumour.mask.astype(np.uint8)), "given")
    assert diffusion(prepared, whole)[0]["adc_enhancing_only"] == 0, "an outline of one value has no parts"


def test_cyst_and_csf_are_left_out() -> None:
    prepared, tumour = phantom(core=2.9)
    found, _ = diffusion(prepared, tumour)
    assert found["adc_mean"] == pytest.approx(1.2)
    assert found["adc_fluid_fraction"] == pytest.approx(100 * fractions(tumour)[0], abs=0.1)
    without_fluid, _ = diffusion(phantom(core=1.2)[0], tumour)
    assert without_fluid["adc_mean"] == pytest.approx(found["adc_mean"])


def test_voxels_without_signal_are_left_out() -> None:
    prepared, tumour = phantom(core=0.0)
    found, _ = diffusion(prepared, tumour)
    assert found["adc_mean"] == pytest.approx(1.2)
    assert found["adc_fluid_fraction"] == 0


def test_a_tumour_of_fluid_alone_has_no_number() -> None:
    prepared, tumour = phantom(core=2.9, edge=2.7)
    found, warnings = diffusion(prepared, tumour)
    assert found["adc_mean"] is None
    assert found["adc_ratio"] is None
    assert found["adc_fluid_fraction"] == pytest.approx(100)
    assert "neither fluid nor without signal" in warnings[0]


def test_thick_slices_keep_the_mean() -> None:
    """The map in slices of 6 mm, averaged from the fine one: labels fill their volume, and edges mix."""
    prepared, tumour = phantom(core=1.5, edge=1.5)
    assert prepared.adc is not None
    fine = np.asarray(prepared.adc.array)
    thick = fine[:, :, :48].reshape(60, 70, 8, 6).mean(axis=3)
    affine = prepared.grid.affine @ np.diag([1, 1, 6, 1.0])
    affine[:3, 3] += 2.5 * prepared.grid.affine[:3, 2]
    found, _ = diffusion(with_adc(prepared, thick, affine), tumour)
    assert found["adc_assessed_volume"] == pytest.approx(tumour.volume_ml, rel=0.03)
    assert found["adc_mean"] == pytest.approx(1.5, rel=0.05)


def test_a_map_that_misses_part_of_the_tumour_says_so() -> None:
    prepared, tumour = phantom()
    assert prepared.adc is not None
    cropped = with_adc(prepared, np.asarray(prepared.adc.array)[:, :, :24])
    found, warnings = diffusion(cropped, tumour)
    assert 50 < found["adc_coverage"] < 80
    assert "of the tumour lies within the ADC map" in warnings[0]
    away = with_adc(prepared, np.asarray(prepared.adc.array)[:20])
    found, warnings = diffusion(away, tumour)
    assert found["adc_coverage"] == 0
    assert found["adc_mean"] is None
    assert warnings == ("The tumour lies outside the ADC map: its ADC was not measured.",)


def test_without_white_matter_there_is_a_mean_and_no_ratio() -> None:
    prepared, tumour = phantom()
    dark = replace(prepared, images={s: v.with_array(10 * v.array) for s, v in prepared.images.items()})
    found, warnings = diffusion(dark, tumour)
    assert found["adc_mean"] is not None
    assert found["adc_ratio"] is None
    assert "white matter" in warnings[0]


def test_without_a_map_there_is_no_group_and_without_a_tumour_no_number() -> None:
    prepared, tumour = head(sequences=(Sequence.T1C,))
    measured = measure(prepared, tumour)
    assert measured.diffusion == {}
    assert not set(measured.units) & set(DIFFUSION_UNITS)
    prepared, tumour = phantom()
    measured = measure(prepared, tumour)
    assert set(measured.diffusion) == set(DIFFUSION_UNITS) <= set(measured.units)
    assert measured["adc_ratio"] == measured.diffusion["adc_ratio"]
    nothing = Tumour(tumour.labels.with_array(np.zeros(tumour.mask.shape, np.uint8)), "model1")
    assert set(diffusion(prepared, nothing)[0].values()) == {None}
