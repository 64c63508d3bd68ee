"""Simulated spectra hold what their truth says, and their files can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gliotype.measure.mrs import fit_spectrum
from gliotype.mrs import MrsSequence, Timing
from gliotype.prepare.mrs import process
from gliotype.read.mrs.find import read_named
from gliotype.simulate.lesion.glioma import GliomaType, draw_plan
from gliotype.simulate.mrs.concentrations import MUTANT_MEDIAN_MM, draw_concentrations, draw_two_hg
from gliotype.simulate.mrs.series import EDGES_MM, mrs_series, place_box, write_mrs
from gliotype.simulate.patient import DigitalPatient
from gliotype.volume import Grid
from support.mrs_writer import QUIET, measured

GRID = Grid((60, 70, 50), np.array([[2, 0, 0, -60], [0, 2, 0, -70], [0, 0, 2, -50], [0, 0, 0, 1.0]]))


def patient(glioma: GliomaType | None, radius: float = 16.0) -> DigitalPatient:
    """A ball of a brain with a ball of a tumour, off its middle."""
    from gliotype.simulate.lesion.glioma import TumourMap
    from gliotype.simulate.tissue import Tissue

    world = GRID.world()
    brain = np.linalg.norm(world, axis=-1) < 46
    healthy = np.where(brain, int(Tissue.WHITE_MATTER), int(Tissue.AIR)).astype(np.uint8)
    if glioma is None:
        return DigitalPatient(GRID, healthy, None, None, 50.0)
    labels = (np.linalg.norm(world - (14, -12, 8), axis=-1) < radius).astype(np.uint8)
    tumour = TumourMap(labels, labels, labels.astype(np.float32))
    return DigitalPatient(GRID, healthy, tumour, draw_plan(np.random.default_rng(0), glioma), 50.0)


def test_the_box_lies_where_most_tumour_is() -> None:
    found = patient(GliomaType.ASTROCYTOMA)
    assert found.tumour is not None
    shifted = np.eye(4)
    shifted[:3, 3] = (5.0, -3.0, 2.0)
    voxel, fraction = place_box(found, found.tumour.labels > 0, shifted)
    assert voxel.spacing == EDGES_MM
    np.testing.assert_allclose(voxel.affine[:3, 3], (19, -15, 10), atol=2.1)
    assert fraction > 0.9
    small = patient(GliomaType.ASTROCYTOMA, radius=8.0)
    assert small.tumour is not None
    _, part = place_box(small, small.tumour.labels > 0, np.eye(4))
    assert part == pytest.approx(4 / 3 * np.pi * 8**3 / 20**3, abs=0.05)


def test_only_mutants_have_2hg_and_its_median_is_the_published_one() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_two_hg(rng, True) for _ in range(800)]
    assert np.median(drawn) == pytest.approx(MUTANT_MEDIAN_MM, rel=0.06)
    assert draw_two_hg(rng, False) == 0.0
    assert mrs_series(patient(GliomaType.GLIOBLASTOMA), 0).two_hg_mm == 0.0
    assert mrs_series(patient(None), 0).tumour_fraction == 0.0


def test_healthy_tissue_in_the_box_brings_naa() -> None:
    rng = np.random.default_rng(0)
    healthy, tumour = (draw_concentrations(rng, 0.0, part, mutant=True) for part in (0.0, 1.0))
    assert healthy["NAA"] > 2 * tumour["NAA"]
    assert min(*healthy.values(), *tumour.values()) >= 0


@pytest.mark.slow
def test_a_spectrum_of_a_patient_is_written_read_and_measured(tmp_path: Path) -> None:
    simulated = mrs_series(patient(GliomaType.ASTROCYTOMA), 3)
    path = write_mrs(simulated, tmp_path, "svs")
    image = read_named(path, None)[0]
    series = image.spectroscopy
    assert series is not None
    assert series.timing is not None
    assert series.timing.sequence is simulated.series.timing.sequence  # type: ignore[union-attr]
    assert series.voxel is not None
    assert simulated.series.voxel is not None
    assert series.voxel.same_as(simulated.series.voxel, 1e-3)
    scale = np.abs(simulated.series.fids).max()
    assert series.fids == pytest.approx(simulated.series.fids, abs=1e-5 * scale)
    assert series.water is not None
    fitted = fit_spectrum(process(image))
    level, sd = fitted.numbers["2HG"], fitted.numbers["2HG_sd"]
    assert level is not None
    assert sd is not None
    assert abs(level - simulated.two_hg_mm) < 3 * sd + 0.3


def test_the_same_seed_gives_the_same_spectrum() -> None:
    one, other, third = (mrs_series(patient(GliomaType.ASTROCYTOMA), seed) for seed in (5, 5, 6))
    assert np.array_equal(one.series.fids, other.series.fids)
    assert one.two_hg_mm != third.two_hg_mm


@pytest.mark.slow
@pytest.mark.parametrize("snr", [10.0, 40.0])
def test_the_signal_to_noise_and_the_width_are_those_asked_for(snr: float) -> None:
    from gliotype.prepare.mrs import process_series

    conditions = replace(QUIET, snr=snr, fwhm_hz=7.0, transients=8)
    fitted = fit_spectrum(process_series(measured(conditions=conditions, seed=4)))
    # The fit leaves out the last fifth of the FID, which holds nothing but noise: that gains 13 %.
    assert fitted.snr == pytest.approx(1.13 * snr, rel=0.2)
    assert fitted.fwhm_ppm * 127.73 == pytest.approx(7.0, abs=1.2)


def test_short_echo_times_show_more_macromolecules_than_long_ones() -> None:
    short, long = (
        measured(0.0, Timing(MrsSequence.PRESS, te, te / 3), seed=2, conditions=replace(QUIET, snr=500.0))
        for te in (30.0, 97.0)
    )
    parts = []
    for series in (short, long):
        spectrum = np.abs(np.fft.fft(series.fids[:, 0, 0, 0]))
        ppm = 4.65 + np.fft.fftfreq(2048, series.dwell_s) / series.frequency_mhz
        parts.append(spectrum[(ppm > 0.8) & (ppm < 1.0)].mean() / spectrum[(ppm > 3.0) & (ppm < 3.06)].mean())
    assert parts[0] > 2 * parts[1]
