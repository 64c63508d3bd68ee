"""Z-spectra made ready: the shift of water, the reference, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.cest import UNSATURATED, FieldReference, Saturation
from gliotype.errors import InputError
from gliotype.prepare.cest import cest_series, reference_image
from gliotype.prepare.water_shift import water_shift
from gliotype.simulate.cest import TUMOUR, WASSR, WHITE_MATTER
from gliotype.study import Image
from gliotype.volume import Volume
from support.cest_phantom import DENSE, SPARSE, field, library, slab, spectra
from support.head_phantom import head

PREPARED, LESION = head()
GRID = slab(PREPARED, 3)


def acquired(offsets: tuple[float, ...] = DENSE, **options: float) -> Image:
    return spectra(PREPARED, LESION, GRID, offsets, **options)  # type: ignore[arg-type]


def stating(image: Image, saturation: Saturation | None) -> Image:
    return replace(image, acquisition=replace(image.acquisition, saturation=saturation))


def frames(image: Image, keep: np.ndarray) -> Image:
    """Keep some frames and their offsets."""
    saturation = image.acquisition.saturation
    assert saturation is not None
    offsets = tuple(np.array(saturation.offsets_ppm)[keep].tolist())
    volume = image.volume.with_array(np.asarray(image.volume.array)[..., keep])
    return stating(replace(image, volume=volume), Saturation(offsets))


@pytest.mark.parametrize("offsets", [DENSE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("shift", [-0.12, 0.0, 0.07])
def test_the_shift_of_water_is_found(offsets: tuple[float, ...], shift: float) -> None:
    series = cest_series(acquired(offsets, shift=shift), PREPARED.brain, np.eye(4))
    wrong = np.asarray(series.b0_ppm.array) - field(GRID, shift)
    assert np.nanpercentile(np.abs(wrong), 90) < (0.03 if offsets is DENSE else 0.1)
    assert np.isnan(np.asarray(series.b0_ppm.array)[~series.tissue]).all()
    assert series.b0_source == "the Z-spectra"
    assert list(series.offsets_ppm) == sorted(set(offsets) - {UNSATURATED})


def test_the_centre_of_a_dip_is_its_shift() -> None:
    offsets = np.linspace(-2, 2, 17)
    for tissue in (WHITE_MATTER, TUMOUR):
        shifts = np.array([-0.7, -0.2, 0.0, 0.33])
        z = library(tissue).spectra(tuple(offsets), shifts)
        np.testing.assert_allclose(water_shift(z, offsets), shifts, atol=0.04)
    beyond = library(TUMOUR).spectra(tuple(offsets[6:11]), np.array([0.0, 0.9]))
    found = water_shift(beyond, offsets[6:11])
    assert np.isfinite(found[0])
    assert np.isnan(found[1]), "the dip lies beyond the sampled offsets"


def test_spectra_are_divided_by_the_reference() -> None:
    image = acquired(snr=1e4)
    doubled = replace(image, volume=image.volume.with_array(7 * np.asarray(image.volume.array)))
    one, other = (cest_series(each, PREPARED.brain, np.eye(4)) for each in (image, doubled))
    np.testing.assert_allclose(one.z.array, other.z.array, rtol=1e-5)
    far = library(WHITE_MATTER).spectra((-5.0,), np.array([0.1]))[0, 0]
    assert np.nanpercentile(np.asarray(one.z.array)[..., 0], 25) == pytest.approx(far, abs=0.03)
    saturated = frames(image, np.array([offset != UNSATURATED for offset in DENSE]))
    with pytest.raises(InputError, match="no reference"):
        reference_image(saturated)
    offsets = tuple(300.0 if offset == UNSATURATED else offset for offset in DENSE)
    again = cest_series(stating(image, Saturation(offsets)), PREPARED.brain, np.eye(4))
    np.testing.assert_allclose(one.z.array, again.z.array, rtol=1e-5)


def test_a_map_of_the_field_comes_first() -> None:
    truth = np.array(field(GRID, 0.1), dtype=np.float32)
    image = replace(acquired(shift=0.1), b0=FieldReference(Volume(truth, GRID.affine)))
    series = cest_series(image, PREPARED.brain, np.eye(4))
    assert series.b0_source == "a map of the field"
    np.testing.assert_allclose(np.asarray(series.b0_ppm.array)[series.tissue], truth[series.tissue])
    without_water = np.array([abs(offset) > 2 for offset in DENSE])
    with pytest.raises(InputError, match="too few offsets around 0 ppm"):
        cest_series(frames(acquired(), without_water), PREPARED.brain, np.eye(4))
    cest_series(frames(image, without_water), PREPARED.brain, np.eye(4))


def test_a_wassr_series_tells_the_shift() -> None:
    offsets = tuple(np.linspace(-1, 1, 21).round(2).tolist())
    wassr = spectra(PREPARED, LESION, GRID, offsets, shift=0.15, train=WASSR)
    image = replace(
        frames(acquired(shift=0.15), np.array([abs(offset) > 2 for offset in DENSE])),
        b0=FieldReference(wassr.volume, offsets),
    )
    series = cest_series(image, PREPARED.brain, np.eye(4))
    assert series.b0_source == "a WASSR series"
    assert np.nanmax(np.abs(np.asarray(series.b0_ppm.array) - field(GRID, 0.15))) < 0.06


REFUSED = {
    "no offsets": (lambda: stating(acquired(), Saturation(problem="its offsets are unknown")), "are unknown"),
    "nothing stated": (lambda: stating(acquired(), None), "saturation offsets are unknown"),
    "too many offsets": (lambda: stating(acquired(), Saturation((*DENSE, 4.0))), "44 saturation offsets"),
    "no reference": (lambda: frames(acquired(), np.isfinite(DENSE)), "has no reference"),
    "one side": (lambda: frames(acquired(), np.array(DENSE) > -1.6), "only one side"),
    "few around 3 ppm": (
        lambda: frames(acquired(), np.array([abs(o) < 2 or o in (-3.0, 3.0, UNSATURATED) for o in DENSE])),
        "too few saturation offsets around 3 to 3.5 ppm",
    ),
    "shift beyond": (lambda: acquired(SPARSE, shift=1.1), "lies beyond the offsets that were sampled"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_measured_is_refused_in_one_sentence(fault: str) -> None:
    make, words = REFUSED[fault]
    with pytest.raises(InputError, match=words) as error:
        cest_series(make(), PREPARED.brain, np.eye(4))
    assert "cest.nii.gz" in str(error.value)
    assert "\n" not in str(error.value)


def test_noise_shows_no_saturation() -> None:
    rng = np.random.default_rng(1)
    image = acquired()
    noise = np.hypot(*rng.standard_normal((2, *image.volume.array.shape))).astype(np.float32)
    with pytest.raises(InputError, match=r"shows no saturation|beyond the offsets"):
        cest_series(replace(image, volume=image.volume.with_array(noise)), PREPARED.brain, np.eye(4))


def test_a_series_elsewhere_is_refused() -> None:
    image = acquired()
    away = image.volume.affine.copy()
    away[:3, 3] += 300
    moved = replace(image, volume=Volume(image.volume.array, away))
    with pytest.raises(InputError, match="lies outside the brain"):
        cest_series(moved, PREPARED.brain, np.eye(4))
