"""Asymmetry of the Z-spectra (MTRasym) of the tumour, and where it lies among normal-appearing white matter.

MTRasym at an offset is the difference of the signals at minus and plus that offset from water, over the signal without
saturation: Z(-offset) - Z(+offset). The spectra are read at the shift of the water resonance in each voxel, by cubic
splines, and averaged over `WINDOW_PPM` on either side as far as that is sampled. Amine protons resonate at 3.0 ppm,
amide protons at 3.5 ppm; what else contributes (nuclear Overhauser effect, magnetisation transfer) depends on how the
water was saturated, and values of different protocols do not compare.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from gliotype.cest import CestMaps, CestSeries
from gliotype.measure.acquired_grid import AcquiredGrid, covered_fraction, labels_on, normal_white_on
from gliotype.prepare.water_shift import MAX_GAP_PPM
from gliotype.study import Label, Numbers, PreparedStudy, Tumour

OFFSETS = MappingProxyType({"mtrasym_3p0": 3.0, "mtrasym_3p5": 3.5})
"""Offsets in ppm at which the asymmetry is measured, by the name of the map."""

REGIONS = MappingProxyType({"enhancing": Label.ENHANCING, "core": Label.CORE, "oedema": Label.OEDEMA})
"""Sub-regions of the tumour, by their name in measurements."""

CEST_UNITS = MappingProxyType(
    {
        **{
            f"{name}_{part}": "%"
            for name in OFFSETS
            for part in ("tumour", *REGIONS, "white_matter", "percentile")
        },
        "cest_b0_shift": "ppm",
        "cest_b0_range": "ppm",
        "cest_assessed_volume": "ml",
        "cest_coverage": "%",
    }
)
"""Names of all CEST measurements, and the unit of each."""

WINDOW_PPM = 0.2
"""The asymmetry is averaged over this distance on either side of an offset, where it is sampled."""

REACH_PPM = 0.1
"""A spectrum is read up to this far beyond its outermost offset."""

FEWEST = 10
"""Voxels of a region below which there is no median."""
FEWEST_WHITE = 20
"""Voxels of white matter below which there is no percentile."""
ENOUGH_WHITE = 100
"""Voxels of white matter on the side without tumour below which both sides are taken."""
MAX_SPREAD = 10.0
"""Robust standard deviation of the asymmetry (%) within white matter above which a series is noise or motion."""
WHOLE_TUMOUR = 95.0
"""Percentage of the tumour within the series below which the rest is mentioned."""

NOISY = (
    "MTRasym varies by {spread:.0f} % (robust standard deviation) within normal-appearing white matter, as it does "
    "with noise or motion: CEST was not measured."
)
OUTSIDE = "The tumour lies outside the CEST series: its MTRasym was not measured."

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def cest(prepared: PreparedStudy, tumour: Tumour) -> tuple[Numbers, CestMaps | None, tuple[str, ...]]:
    """Measure the asymmetry of the tumour's Z-spectra on their own grid.

    Args:
        prepared: brings the Z-spectra.
        tumour: label map on the prepared grid.

    Returns:
        The measurements of `CEST_UNITS`, each None where it cannot be computed (no entries without Z-spectra); the
        maps, None where nothing could be measured; and warnings, one sentence each.
    """
    series = prepared.cest
    if series is None:
        return {}, None, ()
    found: dict[str, float | None] = dict.fromkeys(CEST_UNITS)
    place = AcquiredGrid(series.z.grid, series.cest_from_prepared)
    labels = labels_on(place, prepared, tumour) if tumour.found else np.zeros(series.z.grid.shape, np.uint8)
    white = normal_white_on(place, prepared, tumour, series.tissue, ENOUGH_WHITE) & (labels == 0)
    maps = {name: _map(series, offset) for name, offset in OFFSETS.items()}
    if not tumour.found:
        return found, _result(series, maps, labels, white), ()
    shift = np.asarray(series.b0_ppm.array)[series.tissue]
    low, middle, high = np.nanpercentile(shift, (5, 50, 95))
    found |= {"cest_b0_shift": float(middle), "cest_b0_range": float(high - low)}
    spread = max((_spread(values[white]) for values in maps.values()), default=0.0)
    if spread > MAX_SPREAD:
        return found, None, (NOISY.format(spread=spread),)
    for name, values in maps.items():
        found |= _of_map(name, values, labels, white, tumour)
    assessed = (labels > 0) & np.isfinite(maps["mtrasym_3p0"])
    found["cest_coverage"] = covered_fraction(place, prepared, tumour) or 0.0
    found["cest_assessed_volume"] = float(assessed.sum()) * series.z.grid.voxel_ml
    return found, _result(series, maps, labels, white), _remarks(found, labels, series)


def asymmetry(
    z: NDArray[np.floating], offsets_ppm: Floats, shift_ppm: NDArray[np.floating], at_ppm: float
) -> Floats:
    """Return MTRasym in percent.

    Args:
        z: spectra, (voxel, offset).
        offsets_ppm: of their second axis, ascending.
        shift_ppm: of the water resonance in each voxel.
        at_ppm: offset from water.

    Returns:
        For each voxel; NaN where the spectrum is not sampled at plus or minus the offset.

    Example:
        >>> offsets = np.linspace(-5, 5, 21)
        >>> z = 1 - 0.04 * np.exp(-((offsets - 3.0) ** 2))
        >>> asymmetry(z[np.newaxis], offsets, np.zeros(1), 3.0).round(1)
        array([3.9])
    """
    branches = _splines(np.asarray(z, dtype=np.float64), offsets_ppm)

    def difference(offset: float) -> Floats:
        return _read(branches, shift_ppm - offset) - _read(branches, shift_ppm + offset)

    total, count = difference(at_ppm), np.ones(len(z))
    for aside in (WINDOW_PPM / 2, WINDOW_PPM):
        both = difference(at_ppm - aside) + difference(at_ppm + aside)
        sampled = np.isfinite(both)
        total = total + np.where(sampled, both, 0.0)
        count += 2 * sampled
    return np.asarray(100 * total / count)


def corrected(z: NDArray[np.floating], offsets_ppm: Floats, shift_ppm: NDArray[np.floating]) -> Floats:
    """Read spectra at their offsets from the water resonance of each voxel; NaN where they are not sampled."""
    branches = _splines(np.asarray(z, dtype=np.float64), offsets_ppm)
    return np.stack([_read(branches, shift_ppm + offset) for offset in offsets_ppm], axis=-1)


def _splines(z: Floats, offsets: Floats) -> list[CubicSpline]:
    """Fit a spline to each run of offsets without a gap."""
    runs = np.split(np.arange(len(offsets)), np.flatnonzero(np.diff(offsets) > MAX_GAP_PPM) + 1)
    return [CubicSpline(offsets[run], z[:, run].T) for run in runs if len(run) > 1]


def _read(branches: list[CubicSpline], at: NDArray[np.floating]) -> Floats:
    """Read each voxel's spectrum at an offset of its own."""
    values = np.full(len(at), np.nan)
    for spline in branches:
        knots = spline.x
        inside = np.flatnonzero((at >= knots[0] - REACH_PPM) & (at <= knots[-1] + REACH_PPM))
        piece = np.clip(np.searchsorted(knots, at[inside], side="right") - 1, 0, len(knots) - 2)
        distance = at[inside] - knots[piece]
        values[inside] = 0.0
        for coefficient in spline.c[:, piece, inside]:
            values[inside] = values[inside] * distance + coefficient
    return values


def _map(series: CestSeries, offset: float) -> Floats:
    """Return the asymmetry of every voxel in percent, NaN where there is none."""
    values = np.full(series.tissue.shape, np.nan)
    known = series.tissue & np.isfinite(series.b0_ppm.array)
    values[known] = asymmetry(
        series.z.array[known], np.array(series.offsets_ppm), np.asarray(series.b0_ppm.array)[known], offset
    )
    return values


def _spread(values: Floats) -> float:
    """Return the robust standard deviation; 0 of too few values."""
    known = values[np.isfinite(values)]
    return 1.4826 * float(np.median(np.abs(known - np.median(known)))) if known.size >= FEWEST_WHITE else 0.0


def _of_map(
    name: str, values: Floats, labels: NDArray[np.uint8], white: Mask, tumour: Tumour
) -> dict[str, float | None]:
    known = np.isfinite(values)
    normal = values[white & known]
    numbers: dict[str, float | None] = {f"{name}_tumour": _median(values[(labels > 0) & known])}
    if tumour.regions_known:
        numbers |= {
            f"{name}_{part}": _median(values[(labels == label) & known]) for part, label in REGIONS.items()
        }
    if normal.size < FEWEST_WHITE:
        return numbers
    numbers[f"{name}_white_matter"] = float(np.median(normal))
    median = numbers[f"{name}_tumour"]
    if median is not None:
        below, same = float((normal < median).mean()), float((normal == median).mean())
        numbers[f"{name}_percentile"] = 100 * (below + same / 2)
    return numbers


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if values.size >= FEWEST else None


def _result(series: CestSeries, maps: dict[str, Floats], labels: NDArray[np.uint8], white: Mask) -> CestMaps:
    volumes = {name: series.z.with_array(values.astype(np.float32)) for name, values in maps.items()}
    volumes["b0"] = series.b0_ppm
    offsets = np.array(series.offsets_ppm)
    spectra = {}
    for region, mask in (("tumour", labels > 0), ("white_matter", white)):
        inside = mask & series.tissue & np.isfinite(series.b0_ppm.array)
        if int(inside.sum()) >= FEWEST:
            read = corrected(series.z.array[inside], offsets, np.asarray(series.b0_ppm.array)[inside])
            enough = np.isfinite(read).sum(axis=0) >= FEWEST
            spectra[region] = np.full(len(offsets), np.nan)
            spectra[region][enough] = np.nanmedian(read[:, enough], axis=0)
    return CestMaps(volumes, series.offsets_ppm, spectra, series.b0_source, series.saturation)


def _remarks(found: Numbers, labels: NDArray[np.uint8], series: CestSeries) -> tuple[str, ...]:
    """Say what is missing, one sentence each."""
    coverage = found["cest_coverage"] or 0.0
    if coverage == 0:
        return (OUTSIDE,)
    remarks = []
    if coverage < WHOLE_TUMOUR:
        remarks.append(
            f"Only {coverage:.0f} % of the tumour lies within the CEST series: its MTRasym is that of this part."
        )
    inside = (labels > 0) & series.tissue
    beyond = 1 - float(np.isfinite(series.b0_ppm.array)[inside].mean()) if inside.any() else 0.0
    if beyond > 0.5:
        remarks.append(
            f"In {100 * beyond:.0f} % of the tumour the shift of the water resonance is unknown or beyond the sampled "
            "offsets: these voxels were left out."
        )
    for name, offset in OFFSETS.items():
        if found[f"{name}_tumour"] is None:
            remarks.append(
                f"Less than {FEWEST} voxels of the tumour have a Z-spectrum that is sampled at plus and minus "
                f"{offset:g} ppm from their water resonance: MTRasym at {offset:g} ppm was not measured."
            )
    if found["mtrasym_3p0_tumour"] is not None and found["mtrasym_3p0_percentile"] is None:
        remarks.append(
            "Too little normal-appearing white matter was found in the CEST series: there is no percentile of MTRasym."
        )
    return tuple(remarks)
