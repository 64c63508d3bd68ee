"""The perfusion part of the report: curves with the attention, maps next to the structural image, and the arteries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Attention, DscSeries, Perfusion, Region
from gliotype.plotting import Axes, Figure, colormaps, rc_context, svg
from gliotype.report import words
from gliotype.report.figures import AXIAL, Panel, Row, Scene, coloured_panel
from gliotype.result import Result
from gliotype.study import PreparedStudy
from gliotype.text import data_uri
from gliotype.volume import Volume

COLOURS = {
    Region.ENHANCING: "#e0532d",
    Region.NON_ENHANCING: "#2b8cd6",
    Region.OEDEMA: "#c9a400",
    Region.WHOLE: "#1b2733",
    Region.WHITE_MATTER: "#8a97a3",
}
PHASES = ("#9aa7b3", "#5e3c99", "#b2abd2", "#e66101", "#fdb863", "#1b9e77")
"""Colours of the phases of the bolus, in their order in time."""
ARTERIES = "#ff2d2d"


@dataclass(frozen=True)
class Shown:
    """How a map is coloured.

    Attributes:
        title: of the picture.
        low: value of the colour scale's start.
        high: value of its end.
        colours: name of the scale.
    """

    title: str
    low: float
    high: float
    colours: str = "turbo"


MAPS = {
    "rcbv": Shown("rCBV 0 to 5", 0, 5),
    "cbf": Shown("CBF 0 to 5", 0, 5),
    "mtt": Shown("MTT 0 to 12 s", 0, 12, "viridis"),
    "psr": Shown("PSR 40 to 120 %", 40, 120, "viridis"),
    "k2": Shown("K2 ±0.02 /s", -0.02, 0.02, "coolwarm"),
}
"""Maps that are pictured, in order."""


@dataclass(frozen=True)
class PerfusionPage:
    """What the report shows of perfusion.

    Attributes:
        curves: figure as a data URI.
        maps: pictures of the maps, through the tumour's largest axial section.
        arteries: picture of the voxels of the arterial input function.
        arterial_words: how many voxels they are, and whether the caller named them.
    """

    curves: str
    maps: Row
    arteries: Panel | None
    arterial_words: str


def draw_perfusion(result: Result, scene: Scene) -> PerfusionPage | None:
    """Draw what was measured of a DSC series; None where nothing was.

    Args:
        result: of a run.
        scene: of the same result, as `look_at` takes it.
    """
    perfusion, series = result.measurements.dsc, result.prepared.dsc
    if perfusion is None or series is None:
        return None
    attention = next((f.attention for f in result.findings if f.attention is not None), None)
    count = int(perfusion.arterial.voxels.sum())
    how = "named by the caller" if perfusion.arterial.given else "found automatically"
    return PerfusionPage(
        curves=draw_curves(perfusion, attention),
        maps=_draw_maps(perfusion, series, result.prepared, scene),
        arteries=_draw_arteries(perfusion, series),
        arterial_words=f"{count} voxel{'s' * (count != 1)}, {how}",
    )


def draw_curves(perfusion: Perfusion, attention: Attention | None) -> str:
    """Draw the regions' curves and the arterial input function, with the attention in a strip of its own beneath.

    Args:
        perfusion: as measured.
        attention: when in the bolus the perfusion network looked, or None.

    Returns:
        SVG as a data URI; the same input gives the same text.
    """
    with rc_context({"font.size": 9}):
        height = 3.8 if attention is None else 4.9
        figure = Figure(figsize=(9.5, height), layout="constrained")
        grid = figure.add_gridspec(
            1 if attention is None else 2,
            2,
            width_ratios=(2.2, 1),
            height_ratios=(1,) if attention is None else (3.2, 1),
        )
        left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        steady = slice(perfusion.bolus.start, None)
        times = (perfusion.times_s - perfusion.times_s[perfusion.bolus.arrival])[steady]
        for region, curve in perfusion.curves.items():
            label = f"{words.label_words(region.value)} ({curve.voxels} voxels)"
            width = 1.8 if region is Region.WHOLE else 1.2
            signal = 100 * curve.relative_signal[steady]
            left.plot(times, signal, color=COLOURS[region], label=label, linewidth=width)
        left.set(xlabel="seconds from the bolus' arrival", ylabel="signal, % of baseline")
        left.legend(frameon=False, fontsize=8, loc="lower right")
        right.plot(times, perfusion.arterial.delta_r2[steady], color=ARTERIES)
        right.set(xlabel="seconds from the bolus' arrival", ylabel="arterial ΔR2* (1/s)")
        if attention is not None:
            _draw_attention(figure.add_subplot(grid[1, 0], sharex=left), attention)
            _list_phases(figure.add_subplot(grid[1, 1]), attention)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        return data_uri(svg(figure).encode(), "image/svg+xml")


def _draw_attention(axes: Axes, attention: Attention) -> None:
    """Fill the attention of each time, in the colour of its phase."""
    names = np.array(attention.phases)
    for name, colour in zip(phase_fractions(attention), PHASES, strict=False):
        inside = (names == name) & (attention.weight > 0)
        if inside.any():
            # The step to the next phase is filled too.
            reach = np.flatnonzero(inside)
            until = slice(reach[0], min(reach[-1] + 2, len(names)))
            axes.fill_between(attention.times_s[until], attention.weight[until], color=colour, linewidth=0)
    axes.set(ylabel="attention", yticks=[], ylim=(0, 1.05 * max(float(attention.weight.max()), 1e-6)))


def _list_phases(axes: Axes, attention: Attention) -> None:
    """List the phases with their fractions of the attention, independently of any curve."""
    axes.set_axis_off()
    for n, ((name, fraction), colour) in enumerate(
        zip(phase_fractions(attention).items(), PHASES, strict=False)
    ):
        height = 0.92 - 0.19 * n
        axes.plot([0.02], [height], "s", color=colour, transform=axes.transAxes, clip_on=False)
        axes.text(0.07, height, f"{name} {100 * fraction:.0f} %", va="center", transform=axes.transAxes)


def phase_fractions(attention: Attention) -> dict[str, float]:
    """Add the attention up within each phase of the bolus, in their order in time."""
    names = np.array(attention.phases)
    return {
        str(name): float(attention.weight[names == name].sum()) for name in dict.fromkeys(attention.phases)
    }


def _draw_maps(perfusion: Perfusion, series: DscSeries, prepared: PreparedStudy, scene: Scene) -> Row:
    """Colour the maps over the reference image in the tumour's largest axial section."""
    index = scene.axial_index
    first = scene.panel(AXIAL, index, scene.reference, scene.reference.word)
    panels = [first]
    for name, shown in MAPS.items():
        if name in perfusion.maps:
            moved = perfusion.maps[name].resample(
                prepared.grid, series.dsc_from_prepared, order=0, outside=float("nan")
            )
            values = np.asarray(moved.array, dtype=np.float32)[scene.box]
            colours = _coloured(values, shown)
            panels.append(coloured_panel(scene, AXIAL, index, shown.title, colours))
    return Row(f"Axial, {scene.slice_position(AXIAL, index)}", tuple(panels))


def _coloured(values: NDArray[np.float32], shown: Shown) -> NDArray[np.uint8]:
    """Colour a map as RGBA, transparent where nothing was measured."""
    scaled = np.clip((values - shown.low) / (shown.high - shown.low), 0, 1)
    colours = colormaps[shown.colours](np.nan_to_num(scaled), bytes=True)
    colours[..., 3] = np.where(np.isfinite(values), 255, 0)
    return np.asarray(colours, dtype=np.uint8)


def _draw_arteries(perfusion: Perfusion, series: DscSeries) -> Panel | None:
    """Show the arterial voxels in the slice that holds most of them, on the first frame after the baseline began."""
    voxels = Volume(perfusion.arterial.voxels.astype(np.uint8), series.signal.affine).as_ras()
    frame = np.asarray(series.signal.array[..., perfusion.bolus.start], dtype=np.float32)
    still = Volume(frame, series.signal.affine).as_ras()
    mask = np.asarray(voxels.array) > 0
    if not mask.any():
        return None
    slice_ = int(mask.sum(axis=(0, 1)).argmax())
    grey = np.clip(still.array[..., slice_] / max(float(np.percentile(still.array, 99.5)), 1e-6), 0, 1)
    rgb = np.repeat((255 * grey)[..., None], 3, axis=2).astype(np.uint8)
    red = tuple(int(ARTERIES[i : i + 2], 16) for i in (1, 3, 5))
    rgb[mask[..., slice_]] = red
    spacing = still.grid.spacing
    size = (round(rgb.shape[0] * spacing[0]), round(rgb.shape[1] * spacing[1]))
    return Panel.of_rgb(f"Arterial voxels, slice {slice_ + 1} of {mask.shape[2]}", rgb, size, AXIAL.edges)
