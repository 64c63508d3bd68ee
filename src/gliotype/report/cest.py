"""The CEST part of the report: Z-spectra of tumour and white matter, and the maps of their asymmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.cest import CestMaps, CestSeries
from gliotype.plotting import Figure, colormaps, rc_context, svg
from gliotype.report.figures import AXIAL, Row, Scene, coloured_panel
from gliotype.report.words import number
from gliotype.result import Result
from gliotype.study import PreparedStudy
from gliotype.text import data_uri

COLOURS = {"tumour": "#e0532d", "white_matter": "#8a97a3"}
LABELS = {"tumour": "tumour", "white_matter": "normal-appearing white matter"}

SHOWN = {
    "mtrasym_3p0": ("MTRasym 3.0 ppm ±5 %", 5.0),
    "mtrasym_3p5": ("MTRasym 3.5 ppm ±5 %", 5.0),
    "b0": ("Water shift ±1 ppm", 1.0),
}
"""Title of each map, and the value at the ends of its colour scale."""

NO_EVIDENCE = (
    "CEST does not enter the answer: published values depend on how the water was saturated, and no cut-off has "
    "been confirmed across centres."
)


@dataclass(frozen=True)
class CestPage:
    """What the report shows of CEST.

    Attributes:
        chart: figure as a data URI.
        words: what was measured how.
        maps: pictures of the maps, through the axial slice that shows most of the tumour; None where the series
            touches no slice of the brain.
    """

    chart: str
    words: str
    maps: Row | None


def draw_cest(result: Result, scene: Scene) -> CestPage | None:
    """Draw what was measured of Z-spectra; None where nothing was.

    Args:
        result: of a run.
        scene: of the same result, as `look_at` takes it.
    """
    maps, series = result.measurements.cest_maps, result.prepared.cest
    if maps is None or series is None:
        return None
    return CestPage(
        draw_spectra(maps), _words(result, maps), _draw_maps(maps, series, result.prepared, scene)
    )


def draw_spectra(maps: CestMaps) -> str:
    """Draw the median Z-spectrum of each region.

    Args:
        maps: as measured.

    Returns:
        SVG as a data URI; the same input gives the same text.
    """
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.5, 3.4), layout="constrained")
        axes = figure.subplots()
        offsets = np.array(maps.offsets_ppm)
        for region, spectrum in maps.spectra.items():
            axes.plot(
                offsets, 100 * spectrum, ".-", color=COLOURS[region], label=LABELS[region], linewidth=1.2
            )
        axes.set(xlabel="saturation offset from water, ppm", ylabel="signal, % of the unsaturated signal")
        axes.set_xlim(float(offsets.max()), float(offsets.min()))
        if maps.spectra:
            axes.legend(frameon=False, fontsize=8, loc="lower left")
        axes.spines[["top", "right"]].set_visible(False)
        return data_uri(svg(figure).encode(), "image/svg+xml")


def _words(result: Result, maps: CestMaps) -> str:
    numbers = result.measurements.cest
    sentences = []
    for name, at in (("mtrasym_3p0", "3.0"), ("mtrasym_3p5", "3.5")):
        median, white = numbers.get(f"{name}_tumour"), numbers.get(f"{name}_white_matter")
        if median is None:
            continue
        percentile = numbers.get(f"{name}_percentile")
        placed = "" if percentile is None else f", percentile {percentile:.0f} of this patient's white matter"
        compared = "" if white is None else f" ({number(white, '%')} in white matter{placed})"
        sentences.append(f"MTRasym at {at} ppm: {number(median, '%')} in the tumour{compared}.")
    saturation = maps.saturation
    known = {
        "B1": (saturation.b1_ut, "µT"),
        "saturation": (saturation.duration_s, "s"),
        "duty cycle": (saturation.duty_cycle, ""),
    }
    said = [
        f"{name} {value:.3g} {unit}".strip() for name, (value, unit) in known.items() if value is not None
    ]
    scheme = (
        f" Acquired with {', '.join(said)}."
        if said
        else " The series does not state how the water was saturated."
    )
    return f"{' '.join(sentences)} The water shift comes from {maps.b0_source}.{scheme} {NO_EVIDENCE}".strip()


def _draw_maps(maps: CestMaps, series: CestSeries, prepared: PreparedStudy, scene: Scene) -> Row | None:
    """Colour the maps over the reference image."""
    moved = {
        name: np.asarray(
            maps.maps[name]
            .resample(prepared.grid, series.cest_from_prepared, order=0, outside=float("nan"))
            .array,
            dtype=np.float32,
        )[scene.box]
        for name in SHOWN
    }
    covered = np.isfinite(moved["b0"])
    if not covered.any():
        return None
    tumour = (covered & (scene.labels > 0)).sum(axis=(0, 1))
    index = int(tumour.argmax() if tumour.any() else covered.sum(axis=(0, 1)).argmax())
    panels = [scene.panel(AXIAL, index, scene.reference, scene.reference.word)]
    for name, (title, limit) in SHOWN.items():
        panels.append(coloured_panel(scene, AXIAL, index, title, _coloured(moved[name], limit)))
    return Row(f"Axial, {scene.slice_position(AXIAL, index)}", tuple(panels))


def _coloured(values: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """Colour a map as RGBA, transparent where nothing was measured."""
    scaled = np.clip(values / (2 * limit) + 0.5, 0, 1)
    colours = colormaps["coolwarm"](np.nan_to_num(scaled), bytes=True)
    colours[..., 3] = np.where(np.isfinite(values), 255, 0)
    return np.asarray(colours, dtype=np.uint8)
