"""Quantiles of simulated tumours next to those of real ones, for `benchmarks/simulator.py`: tables and a figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from real_tumours import RealMask, RingRow, part_ratios, real_masks, ring_rows
from scipy import stats
from simulated_rows import Row

from gliotype.simulate.lesion.glioma import GliomaType

SHOWN = (10, 25, 50, 75, 90)
PLOTTED = tuple(range(5, 100, 5))
GEOMETRY = (
    "ml",
    "enhancing",
    "non-enhancing core",
    "oedema",
    "sphericity",
    "elongation",
    "flatness",
    "extent",
    "foci",
    "x",
    "y",
    "z",
    "Frontal",
    "Temporal",
    "Parietal",
    "Occipital",
)
"""What of a mask is compared; the units are those of `simulated_rows.geometry`."""
SIGNAL = tuple(f"{s}_{q}_over_ring" for s in ("T1", "T1C", "T2", "FLAIR") for q in ("mean", "p5", "p95"))


@dataclass(frozen=True)
class Comparison:
    """A measurement in real and in simulated tumours of a group."""

    group: str
    name: str
    real: NDArray[np.floating]
    simulated: NDArray[np.floating]

    def __str__(self) -> str:
        """Row of a table: both medians with quantiles, and the Kolmogorov-Smirnov distance."""
        distance = stats.ks_2samp(self.real, self.simulated).statistic
        real, simulated = (
            f"{len(values)} | {' '.join(f'{v:.3g}' for v in np.percentile(values, SHOWN))}"
            for values in (self.real, self.simulated)
        )
        return f"| {self.group} | {self.name} | {real} | {simulated} | {distance:.2f} |"


def compare(rows: list[Row], data: Path, kept: Path | None) -> list[Comparison]:
    """Compare simulated rows with everything real that a folder holds."""
    found: list[Comparison] = []
    glioblastoma = [row for row in rows if row.type is GliomaType.GLIOBLASTOMA]
    mutant_lower = [row for row in rows if row.mutant and row.grade < 4]
    masks = real_masks(data / "masks", kept) if (data / "masks").exists() else []
    high = [real for real in masks if real.kind in ("high grade", "wildtype")]
    for group, real, simulated in (
        ("glioblastoma", high, glioblastoma),
        ("known wildtype", [real for real in masks if real.kind == "wildtype"], glioblastoma),
        ("low grade, or known mutant", [real for real in masks if real not in high], mutant_lower),
    ):
        found += _masks(group, real, simulated)
    rings = ring_rows(data / "tables")
    for mutant, group in ((True, "mutant"), (False, "wildtype")):
        found += _rings(
            group, [r for r in rings if r.mutant is mutant], [r for r in rows if r.mutant is mutant]
        )
    for name, values in part_ratios(data / "tables").items():
        simulated_values = np.array([row.parts[name] for row in glioblastoma if name in row.parts])
        found += _pair("glioblastoma", name, values, simulated_values)
    return found


def _masks(group: str, real: list[RealMask], simulated: list[Row]) -> Iterable[Comparison]:
    for name in GEOMETRY:
        yield from _pair(
            group, name, np.array([r.mask[name] for r in real]), np.array([r.mask[name] for r in simulated])
        )


def _rings(group: str, real: list[RingRow], simulated: list[Row]) -> Iterable[Comparison]:
    for name in ("ml", "extent"):
        yield from _pair(
            group,
            name,
            np.array([getattr(r, name) for r in real]),
            np.array([r.mask[name] for r in simulated]),
        )
    for name in SIGNAL:
        values = [value for row in simulated if (value := row.signal.get(name)) is not None]
        yield from _pair(group, name, np.array([r.signal[name] for r in real]), np.array(values))


def _pair(
    group: str, name: str, real: NDArray[np.floating], simulated: NDArray[np.floating]
) -> list[Comparison]:
    """One comparison, or none where a side has fewer than five values."""
    real, simulated = (np.asarray(v, float)[np.isfinite(np.asarray(v, float))] for v in (real, simulated))
    return [Comparison(group, name, real, simulated)] if min(len(real), len(simulated)) >= 5 else []


def table(comparisons: list[Comparison]) -> str:
    """Markdown: quantiles of 10, 25, 50, 75 and 90 % of both."""
    head = "| group | number | n real | real, 10 25 50 75 90 % | n | simulated | distance |"
    return "\n".join([head, "|" + " --- |" * 7, *map(str, comparisons)])


def plot(comparisons: list[Comparison], path: Path) -> None:
    """Draw quantile against quantile, 5 to 95 % in steps of 5, one panel for each number; groups in colours."""
    names = list(dict.fromkeys(comparison.name for comparison in comparisons))
    columns = 7
    figure = Figure(figsize=(2.0 * columns, 2.1 * -(-len(names) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(names) // columns), columns).ravel()
    groups = list(dict.fromkeys(comparison.group for comparison in comparisons))
    for ax, name in zip(axes, names, strict=False):
        for comparison in comparisons:
            if comparison.name == name:
                real, simulated = (np.percentile(v, PLOTTED) for v in (comparison.real, comparison.simulated))
                ax.plot(real, simulated, ".-", ms=3, lw=0.8, color=f"C{groups.index(comparison.group)}")
        low, high = min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])
        ax.plot((low, high), (low, high), color="0.7", lw=0.6, zorder=0)
        ax.set_title(name.replace("_", " "), fontsize=8)
        ax.tick_params(labelsize=6)
    for ax in axes[len(names) :]:
        ax.axis("off")
    for index, group in enumerate(groups):
        axes[-1].plot([], [], ".-", color=f"C{index}", label=group)
    axes[-1].legend(fontsize=7, loc="center", frameon=False)
    figure.supxlabel("real", fontsize=8)
    figure.supylabel("simulated", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
