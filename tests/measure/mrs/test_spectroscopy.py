"""Concentrations, the box and the quality of a spectrum; and what is left out where something is missing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gliotype.archive import load_values, save_values
from gliotype.measure import SPECTROSCOPY_UNITS, spectroscopy
from gliotype.measure.mrs import fit_spectrum
from gliotype.measure.mrs.voxel import box_content
from gliotype.mrs import MrsSequence, Spectrum, SpectrumFit, Timing
from gliotype.prepare.mrs import process_series
from gliotype.study import PreparedStudy, Tumour
from gliotype.volume import Grid, Volume
from support.head_phantom import head
from support.mrs_writer import MEGA_68, QUIET, measured


@cache
def watery() -> Spectrum:
    return process_series(measured(3.0, seed=1))


def place(
    prepared: PreparedStudy, centre: np.ndarray, edges: tuple[float, float, float] = (20.0, 20.0, 20.0)
) -> Grid:
    affine = np.diag([*edges, 1.0])
    affine[:3, 3] = centre
    return Grid((1, 1, 1), affine)


def middle(tumour: Tumour) -> np.ndarray:
    """Middle of the tumour in mm."""
    inside = np.argwhere(tumour.mask).mean(axis=0)
    return (tumour.labels.affine @ [*inside, 1.0])[:3]


def measure_at(spectrum: Spectrum, centre: np.ndarray | None, **more: object):  # type: ignore[no-untyped-def]
    prepared, tumour = head()
    voxel = None if centre is None else place(prepared, centre)
    prepared = replace(prepared, mrs=replace(spectrum, voxel=voxel, **more))
    return spectroscopy(prepared, tumour)


def test_2hg_is_measured_in_mm_by_water_and_the_box_holds_what_it_holds() -> None:
    _, tumour = head()
    numbers, fitted, warnings = measure_at(watery(), middle(tumour))
    assert set(numbers) == set(SPECTROSCOPY_UNITS)
    assert numbers["2HG"] == pytest.approx(3.0, abs=0.6)
    assert numbers["2HG_sd"] is not None
    assert numbers["2HG_sd"] < 0.4
    assert numbers["water_referenced"] == 1.0
    assert numbers["box_volume"] == pytest.approx(8.0)
    assert numbers["spectrum_fwhm"] == pytest.approx(6.0 / 127.7, abs=0.01)
    assert fitted is not None
    assert fitted.numbers == numbers
    assert warnings == ()
    assert numbers["box_brain"] == pytest.approx(100.0, abs=0.5)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.0, 30.0, 15.0), (20.0, -40.0, 70.0)])
def test_the_part_of_the_box_that_is_tumour_is_exact_for_a_plane_through_it(
    turn: tuple[float, float, float],
) -> None:
    prepared, _ = head()
    grid = Grid((80, 70, 60), np.array([[1, 0, 0, -40], [0, 1, 0, -20], [0, 0, 1, -30], [0, 0, 0, 1.0]]))
    x = grid.world()[..., 0]
    prepared = replace(prepared, brain=Volume(np.ones(grid.shape, np.bool_), grid.affine))
    tumour = Tumour(Volume((x > 3.5).astype(np.uint8), grid.affine), "model1")
    rotation = Rotation.from_euler("XYZ", turn, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.array([22.0, 18.0, 25.0])
    for away, expected in ((0.0, 50.0), (60.0, 100.0), (-60.0, 0.0)):
        affine[:3, 3] = (np.clip(3.5 + away, -25, 25), 12.0, 0.0)
        content = box_content(Grid((1, 1, 1), affine), prepared, tumour)
        assert 100 * content.tumour == pytest.approx(expected, abs=2.0)
        assert content.brain == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_without_water_creatine_is_the_reference() -> None:
    plain = process_series(measured(3.0, seed=1, water=False))
    _, tumour = head()
    numbers, _, _ = measure_at(plain, middle(tumour))
    assert numbers["water_referenced"] == 0.0
    assert numbers["tCr"] is None
    assert numbers["2HG_over_tCr"] is not None
    te = np.exp(97.0 / 180.0 - 97.0 / 155.0)
    assert numbers["2HG"] == pytest.approx(6.5 * numbers["2HG_over_tCr"] * te, rel=1e-6)


@pytest.mark.slow
def test_mega_press_reads_2hg_from_the_difference_and_the_rest_from_the_other_condition() -> None:
    series = measured(4.0, MEGA_68, seed=2, conditions=replace(QUIET, transients=4))
    fitted = fit_spectrum(process_series(series))
    assert fitted.edited
    assert fitted.numbers["2HG"] == pytest.approx(4.0, abs=0.9)
    assert fitted.curves.ppm.min() > 2.5
    assert fitted.numbers["tNAA_over_tCr"] is not None


@pytest.mark.slow
def test_at_7_t_it_is_measured_as_well() -> None:
    fitted = fit_spectrum(process_series(measured(3.0, seed=3, field_t=7.0)))
    assert fitted.numbers["2HG"] == pytest.approx(3.0, abs=0.8)


@pytest.mark.slow
def test_noise_is_not_fitted_and_says_so() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(2048) + 1j * rng.standard_normal(2048)
    _, tumour = head()
    numbers, fitted, warnings = measure_at(watery(), middle(tumour), fid=noise)
    assert fitted is None
    assert numbers["2HG"] is None
    assert numbers["box_tumour"] is not None
    assert len(warnings) == 1
    assert warnings[0].startswith("2HG was not measured: the spectrum shows no metabolites above its noise")


def test_a_sequence_that_is_not_simulated_says_so() -> None:
    _, tumour = head()
    numbers, fitted, warnings = measure_at(watery(), middle(tumour), timing=Timing(MrsSequence.STEAM, 20.0))
    assert fitted is None
    assert numbers["2HG"] is None
    assert "STEAM is not simulated" in warnings[0]


@pytest.mark.slow
def test_a_box_of_unknown_place_outside_the_brain_or_partly_outside_says_so() -> None:
    numbers, fitted, warnings = measure_at(watery(), None)
    assert fitted is not None
    assert numbers["box_tumour"] is None
    assert "does not say where its box lies" in warnings[0]
    numbers, fitted, warnings = measure_at(watery(), np.array([500.0, 0.0, 0.0]))
    assert fitted is not None
    assert numbers["box_brain"] == 0.0
    assert "lies outside the brain" in warnings[0]
    prepared, tumour = head()
    edge = middle(tumour).copy()
    inside = np.argwhere(np.asarray(prepared.brain.array)).max(axis=0)
    edge[2] = (prepared.brain.affine @ [*inside, 1.0])[2]
    numbers, _, warnings = measure_at(watery(), edge)
    assert numbers["box_brain"] is not None
    assert 0 < numbers["box_brain"] < 80
    assert f"Only {numbers['box_brain']:.0f} % of the spectrum's box lies within the brain." in warnings


def test_an_assumed_sequence_is_a_warning() -> None:
    _, tumour = head()
    _, _, warnings = measure_at(watery(), middle(tumour), assumed=True)
    assert any("Nothing names the sequence" in warning and "--mrs-timing" in warning for warning in warnings)


def test_spectrum_and_fit_are_kept_and_read_again_to_the_last_bit(tmp_path: Path) -> None:
    fitted = fit_spectrum(watery())
    save_values(watery(), tmp_path / "spectrum")
    save_values(fitted, tmp_path / "fit")
    again, fit_again = (
        load_values(Spectrum, tmp_path / "spectrum"),
        load_values(SpectrumFit, tmp_path / "fit"),
    )
    assert np.array_equal(again.fid, watery().fid)
    assert (again.timing, again.water, again.voxel is None) == (
        watery().timing,
        watery().water,
        watery().voxel is None,
    )
    assert fit_again.numbers == fitted.numbers
    assert np.array_equal(fit_again.curves.measured, fitted.curves.measured)


def test_without_a_spectrum_there_are_no_entries() -> None:
    assert spectroscopy(*head()) == ({}, None, ())
