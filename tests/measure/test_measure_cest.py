"""MTRasym of a tumour against the simulated truth: in one slice, shifted, noisy, and next to the tumour."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from gliotype.measure import CEST_UNITS, cest
from gliotype.measure.cest import OUTSIDE, asymmetry
from gliotype.prepare.cest import cest_series
from gliotype.simulate.cest import TUMOUR, WHITE_MATTER
from gliotype.study import PreparedStudy, Tumour
from gliotype.volume import Grid, Volume
from support.cest_phantom import DENSE, SPARSE, library, slab, spectra, true_asymmetry
from support.head_phantom import head

PREPARED, LESION = head(flair=(1.1, 1.1), t2=(1.2, 1.2))


@pytest.fixture(autouse=True)
def white_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small head has no atlas: the half without tumour stands for normal white matter."""

    def normal(
        place: object, prepared: PreparedStudy, tumour: Tumour, within: np.ndarray, enough: int
    ) -> np.ndarray:
        half = np.zeros_like(within)
        half[:14] = True
        return np.asarray(within & half)

    monkeypatch.setattr(import_module("gliotype.measure.cest"), "normal_white_on", normal)


def with_cest(grid: Grid, offsets: tuple[float, ...] = DENSE, **options: float) -> PreparedStudy:
    image = spectra(PREPARED, LESION, grid, offsets, **options)  # type: ignore[arg-type]
    return replace(PREPARED, cest=cest_series(image, PREPARED.brain, np.eye(4)))


def test_without_spectra_there_are_no_numbers() -> None:
    assert cest(PREPARED, LESION) == ({}, None, ())


@pytest.mark.parametrize("slices", [1, 4])
def test_the_truth_is_recovered(slices: int) -> None:
    found, maps, warnings = cest(with_cest(slab(PREPARED, slices)), LESION)
    assert set(found) == set(CEST_UNITS)
    for name, at in (("mtrasym_3p0", 3.0), ("mtrasym_3p5", 3.5)):
        assert found[f"{name}_tumour"] == pytest.approx(true_asymmetry(TUMOUR, at), abs=0.4)
        assert found[f"{name}_white_matter"] == pytest.approx(true_asymmetry(WHITE_MATTER, at), abs=0.4)
        assert found[f"{name}_percentile"] == pytest.approx(100, abs=5)
    assert found["mtrasym_3p0_enhancing"] is None
    assert found["mtrasym_3p0_core"] == pytest.approx(found["mtrasym_3p0_tumour"], abs=0.3)
    assert found["cest_b0_shift"] == pytest.approx(0.1, abs=0.03)
    coverage = found["cest_coverage"]
    assert coverage is not None
    assert coverage == pytest.approx({1: 17, 4: 60}[slices], abs=12)
    assert "of the tumour lies within the CEST series" in warnings[0]
    assert maps is not None
    assert maps.maps["mtrasym_3p0"].array.shape == (30, 35, slices)
    assert set(maps.spectra) == {"tumour", "white_matter"}


def test_sparse_offsets_measure_the_amine_peak() -> None:
    found, _, _ = cest(with_cest(slab(PREPARED, 2), SPARSE, shift=0.0), LESION)
    assert found["mtrasym_3p0_tumour"] == pytest.approx(true_asymmetry(TUMOUR, 3.0), abs=0.4)


def test_the_correction_undoes_a_shift() -> None:
    offsets = tuple(offset for offset in DENSE if np.isfinite(offset))
    shifts = np.linspace(-0.4, 0.4, 9)
    z = library(TUMOUR).spectra(offsets, shifts)
    corrected = asymmetry(z, np.array(offsets), shifts, 3.0)
    np.testing.assert_allclose(corrected, true_asymmetry(TUMOUR, 3.0), atol=0.2)
    uncorrected = asymmetry(z, np.array(offsets), np.zeros(9), 3.0)
    assert np.ptp(uncorrected) > 5, "without correction the shift decides"


def test_offsets_that_are_not_sampled_give_nothing() -> None:
    offsets = np.array([-4.0, -3.75, -3.5, -3.25, -0.2, 0.0, 0.2, 3.25, 3.5, 3.75, 4.0])
    z = library(TUMOUR).spectra(tuple(offsets), np.zeros(2))
    assert np.isnan(asymmetry(z, offsets, np.zeros(2), 3.0)).all()
    assert np.isfinite(asymmetry(z, offsets, np.zeros(2), 3.5)).all()
    assert np.isnan(asymmetry(z, offsets, np.full(2, 0.6), 3.5)).all()


def test_a_tumour_outside_the_slab_is_reported() -> None:
    prepared = with_cest(slab(PREPARED, 1, first=38))
    found, maps, warnings = cest(prepared, LESION)
    assert warnings == (OUTSIDE,)
    assert found["mtrasym_3p0_tumour"] is None
    assert found["cest_coverage"] == 0
    assert found["mtrasym_3p0_white_matter"] is not None
    assert maps is not None


def test_without_tumour_there_are_maps_alone() -> None:
    nothing = Tumour(Volume(np.zeros(PREPARED.grid.shape, np.uint8), PREPARED.grid.affine), "model1")
    found, maps, warnings = cest(with_cest(slab(PREPARED, 2)), nothing)
    assert found == dict.fromkeys(CEST_UNITS)
    assert warnings == ()
    assert maps is not None
    assert set(maps.spectra) == {"white_matter"}


def test_a_series_of_noise_or_motion_is_not_measured() -> None:
    found, maps, warnings = cest(with_cest(slab(PREPARED, 2), snr=5.0), LESION)
    assert maps is None
    assert "as it does with noise or motion" in warnings[0]
    assert found["mtrasym_3p0_tumour"] is None
