"""Preparation of an ADC map: its position, its unit, and maps that are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.measure import diffusion
from gliotype.prepare import prepare
from gliotype.prepare.diffusion import adc_map, decimal_scale
from gliotype.prepare.study import _adc, _Alignments
from gliotype.study import Image, Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Grid, Volume
from support.adc_phantom import TUMOUR, WHITE, adc_head
from support.template_head import AXIAL, brain_points, head, mean_distance, moved, study_of, tumour_in

TO_MNI = moved((-8.0, 3.0, 4.0), (2.0, -6.0, 8.0)) @ np.diag([1.08, 1.05, 1.06, 1.0])
MOVED = moved((5.0, -3.0, 6.0), (4.0, -6.0, 8.0))
OBLIQUE = Grid(
    (110, 125, 30),
    MOVED
    @ moved((6.0, 2.0, -3.0), (0, 0, 0))
    @ np.array([[1.8, 0, 0, -98], [0, -1.9, 0, 118], [0, 0, 5.5, -70], [0, 0, 0, 1.0]]),
)
"""Tilted slices spaced 5.5 mm, stored from left to right and from anterior to posterior."""
IN_ADC = TO_MNI @ np.linalg.inv(MOVED)


@pytest.fixture(scope="module")
def prepared() -> PreparedStudy:
    """A T1c and, after the patient moved, an oblique thick-sliced ADC map in 1e-6 mm2/s."""
    adc = adc_head(OBLIQUE, IN_ADC)
    stored = adc.with_array(np.round(1000 * np.asarray(adc.array)).astype(np.int16))
    study = study_of({Sequence.T1C: head(Sequence.T1C, AXIAL, TO_MNI), Sequence.ADC: stored})
    return prepare(study)


@pytest.mark.slow
def test_the_map_is_registered_and_stays_on_its_grid(prepared: PreparedStudy) -> None:
    assert prepared.adc is not None
    assert prepared.adc.grid.same_as(OBLIQUE)
    assert not [warning for warning in prepared.warnings if "ADC" in warning]
    points = brain_points() @ np.linalg.inv(TO_MNI)[:3, :3].T + np.linalg.inv(TO_MNI)[:3, 3]
    assert mean_distance(prepared.acquired_from_prepared[Sequence.ADC], MOVED, points) < 1.5


@pytest.mark.slow
def test_tumour_and_white_matter_are_measured_where_they_are(prepared: PreparedStudy) -> None:
    """The tumour has no counterpart on the left: a flip or a missing transform would measure white matter."""
    mask = tumour_in(prepared.grid, TO_MNI)
    labels = prepared.brain.with_array(np.where(mask, Label.CORE, 0).astype(np.uint8))
    found, warnings = diffusion(prepared, Tumour(labels, "given"))
    assert warnings == ()
    assert found["adc_mean"] == pytest.approx(TUMOUR, rel=0.05)
    assert found["adc_white_matter"] == pytest.approx(WHITE, rel=0.03)
    assert found["adc_ratio"] == pytest.approx(TUMOUR / WHITE, rel=0.06)
    assert found["adc_coverage"] == 100
    assert found["adc_fluid_fraction"] == pytest.approx(100 * (7 / 17) ** 3, abs=3)


def image_of(volume: Volume) -> Image:
    return Image(volume, Sequence.ADC, 1.0, "given", "adc.nii.gz")


def scaled(prepared: PreparedStudy, change: Callable[[np.ndarray], np.ndarray]) -> Volume:
    """Read an ADC map whose values were changed."""
    assert prepared.adc is not None
    values = change(np.asarray(prepared.adc.array, dtype=np.float64))
    place = prepared.acquired_from_prepared[Sequence.ADC]
    image = image_of(prepared.adc.with_array(values))
    return adc_map(image, prepared.brain, prepared.mni_from_prepared, place)


@pytest.mark.slow
@pytest.mark.parametrize(
    "factor",
    [1.0, 1e3, 1e-3, 1e-9, 1e5, 1e2],
    ids=["1e-3 mm2/s", "1e-6 mm2/s", "mm2/s", "m2/s", "1e-8 mm2/s", "1e-5 mm2/s"],
)
def test_every_decimal_unit_is_recognised(prepared: PreparedStudy, factor: float) -> None:
    assert prepared.adc is not None
    found = scaled(prepared, lambda adc: factor * adc)
    np.testing.assert_allclose(found.array, prepared.adc.array, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda adc: 3.0 * adc, "trace of a tensor, which is three times the ADC"),
        (lambda adc: np.round(4095 * adc / 7), "no decimal unit makes that"),
        (lambda adc: np.zeros_like(adc), "too little white matter"),
    ],
    ids=["tensor trace", "stored values of 12 bits without their slope", "empty"],
)
def test_units_that_are_none_are_refused(
    prepared: PreparedStudy, change: Callable[[np.ndarray], np.ndarray], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        scaled(prepared, change)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda adc: np.where(adc > 0, np.clip(0.9 - 0.3 * adc, 0.05, 1), 0),
        lambda adc: np.where(adc > 0, 1500 * np.exp(-adc), 0),
        lambda adc: np.where(adc > 0, 1.6 * np.exp(-adc), 0),
    ],
    ids=["anisotropy (FA)", "diffusion-weighted (trace)", "exponential ADC"],
)
@pytest.mark.parametrize("level", [0.7, 0.9])
def test_other_maps_are_refused_even_where_their_level_would_do(
    prepared: PreparedStudy, change: Callable[[np.ndarray], np.ndarray], level: float
) -> None:
    assert prepared.adc is not None
    adc = np.asarray(prepared.adc.array)
    white = float(np.median(change(adc[np.abs(adc - WHITE) < 0.05])))
    with pytest.raises(InputError, match="is not an ADC map"):
        scaled(prepared, lambda adc: change(adc) * level / white)


@pytest.mark.slow
def test_an_image_that_is_too_bright_in_fluid_is_refused(prepared: PreparedStudy) -> None:
    with pytest.raises(InputError, match="brightest voxels of the brain"):
        scaled(prepared, lambda adc: np.where(adc > 1.3, 3 * adc, adc))


@pytest.mark.parametrize("level", [0.0, -3.0, 0.3, 1.6, 44.0])
def test_no_unit_for_an_implausible_level(level: float) -> None:
    assert decimal_scale(level) is None


@pytest.mark.slow
def test_a_wrong_map_costs_the_study_nothing_but_a_warning(prepared: PreparedStudy) -> None:
    assert prepared.adc is not None
    adc = np.asarray(prepared.adc.array)
    anisotropy = prepared.adc.with_array(np.clip(0.8 - 0.25 * adc, 0, 1) * (adc > 0))
    study = study_of({Sequence.T1C: prepared.images[Sequence.T1C], Sequence.ADC: anisotropy})
    aligned = _Alignments(
        {Sequence.ADC: prepared.acquired_from_prepared[Sequence.ADC]}, prepared.mni_from_prepared, {}, ()
    )
    found, warnings = _adc(study, prepared.brain, aligned)
    assert found is None
    assert len(warnings) == 1
    assert warnings[0].startswith("ADC was not measured: ADC.nii.gz is not an ADC map")
