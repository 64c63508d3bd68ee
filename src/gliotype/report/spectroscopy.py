"""The spectroscopy part of the report: the fit with its residual, and the box on the anatomy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from gliotype.mrs import SpectrumFit
from gliotype.plotting import Figure, rc_context, svg
from gliotype.report.figures import AXIAL, CORONAL, SAGITTAL, Panel, Plane, Row, Scene, trace
from gliotype.report.words import number
from gliotype.result import Result
from gliotype.study import PreparedStudy
from gliotype.text import data_uri
from gliotype.volume import Grid

MEASURED, FITTED, TWO_HG, BASELINE, RESIDUAL = "#5a6875", "#d55e00", "#0072b2", "#9aa7b3", "#8a97a3"


@dataclass(frozen=True)
class SpectroscopyPage:
    """What the report shows of a spectrum.

    Attributes:
        chart: figure as a data URI.
        words: what was measured how, one sentence.
        box: the box in three planes, or None where it is unknown where it lies.
    """

    chart: str
    words: str
    box: Row | None


def draw_spectroscopy(result: Result, scene: Scene) -> SpectroscopyPage | None:
    """Draw what was measured of a spectrum; None where nothing was.

    Args:
        result: of a run.
        scene: of the same result, as `look_at` takes it.
    """
    fitted, spectrum = result.measurements.mrs, result.prepared.mrs
    if fitted is None or spectrum is None:
        return None
    box = None if spectrum.voxel is None else _draw_box(spectrum.voxel, result.prepared, scene)
    return SpectroscopyPage(draw_fit(fitted), _words(fitted), box)


def _words(fitted: SpectrumFit) -> str:
    numbers = fitted.numbers
    how = (
        "referenced to water"
        if numbers.get("water_referenced")
        else "referenced to an assumed total creatine"
    )
    edited = "; the curve is the difference between editing on and off" if fitted.edited else ""
    share = numbers.get("box_tumour")
    held = "" if share is None else f" {share:.0f} % of the box is tumour."
    return (
        f"{fitted.timing} at {fitted.frequency_mhz:.1f} MHz, {number(numbers.get('spectrum_transients'))} averages"
        f"{edited}. "
        f"2HG {number(numbers.get('2HG'), 'mM')} ({how}), Cramer-Rao bound {number(numbers.get('2HG_sd'), 'mM')}; "
        f"{number(numbers.get('2HG_over_tCr'))} times total creatine. Line width {fitted.fwhm_ppm:.3f} ppm, "
        f"signal-to-noise ratio {fitted.snr:.0f}.{held}"
    )


def draw_fit(fitted: SpectrumFit) -> str:
    """Draw spectrum, fit, baseline, 2HG and the residual.

    Args:
        fitted: as measured.

    Returns:
        SVG as a data URI; the same input gives the same text.
    """
    curves = fitted.curves
    residual = curves.measured - curves.fitted
    tallest = max(float(np.abs(curves.measured).max()), 1e-12)
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.5, 4.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot(curves.ppm, curves.measured / tallest, color=MEASURED, linewidth=0.9, label="measured")
        upper.plot(curves.ppm, curves.fitted / tallest, color=FITTED, linewidth=1.2, label="fit")
        upper.plot(curves.ppm, curves.baseline / tallest, color=BASELINE, linewidth=1.0, label="baseline")
        upper.fill_between(curves.ppm, curves.two_hg / tallest, color=TWO_HG, alpha=0.35, linewidth=0)
        upper.plot(curves.ppm, curves.two_hg / tallest, color=TWO_HG, linewidth=1.2, label="2HG")
        upper.legend(frameon=False, fontsize=8, loc="upper left")
        lower.plot(curves.ppm, residual / tallest, color=RESIDUAL, linewidth=0.8)
        lower.set(xlabel="chemical shift, ppm", ylabel="residual")
        lower.set_xlim(float(curves.ppm.max()), float(curves.ppm.min()))
        for axes in (upper, lower):
            axes.set_yticks([])
            axes.spines[["top", "right", "left"]].set_visible(False)
        return data_uri(svg(figure).encode(), "image/svg+xml")


def _draw_box(voxel: Grid, prepared: PreparedStudy, scene: Scene) -> Row | None:
    """Draw the box over the reference image, in the three planes through its middle."""
    start = [edge.start for edge in scene.box]
    shape = scene.brain.shape
    index = np.indices(shape).reshape(3, -1).T + start
    local = apply_affine(np.linalg.inv(voxel.affine) @ prepared.grid.affine, index)
    inside = (np.abs(local) <= 0.5).all(axis=1).reshape(shape)
    if not inside.any():
        return None
    middle = np.round(np.argwhere(inside).mean(axis=0)).astype(int)
    panels = [_panel(scene, plane, int(middle[plane.axis]), inside) for plane in (AXIAL, CORONAL, SAGITTAL)]
    return Row(f"The measured box on {scene.reference.word}", tuple(panels))


def _panel(scene: Scene, plane: Plane, index: int, inside: NDArray[np.bool_]) -> Panel:
    title = f"{plane.name.capitalize()}, {scene.slice_position(plane, index)}"
    panel = scene.panel(plane, index, scene.reference, title)
    return replace(panel, outlines={**panel.outlines, "box": trace(inside, plane, index)})
