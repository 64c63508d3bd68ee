"""Z-spectra of the small head of `head_phantom`: simulated tissue, a field that is not even, and noise."""

from __future__ import annotations

from functools import cache

import numpy as np

from gliotype.cest import UNSATURATED, Saturation
from gliotype.simulate.cest import SATURATION, TUMOUR, WHITE_MATTER, SpectrumLibrary, Tissue, Train
from gliotype.study import Acquisition, Image, PreparedStudy, Sequence, Tumour
from gliotype.volume import Grid, Volume

DENSE = (UNSATURATED, *np.round(np.arange(-5.0, 5.01, 0.25), 2).tolist(), UNSATURATED)
"""Offsets over the whole spectrum."""

SPARSE = (
    UNSATURATED,
    *np.round(np.arange(-3.5, -2.45, 0.1), 2).tolist(),
    *np.round(np.arange(-0.8, 0.81, 0.2), 2).tolist(),
    *np.round(np.arange(2.5, 3.55, 0.1), 2).tolist(),
)
"""Offsets in three clusters, as amine CEST is acquired."""


@cache
def library(tissue: Tissue, train: Train = SATURATION) -> SpectrumLibrary:
    """Spectra of a tissue; made once."""
    return SpectrumLibrary(tissue, train)


def true_asymmetry(tissue: Tissue, at_ppm: float) -> float:
    """MTRasym in percent without shift and noise."""
    return library(tissue).asymmetry(at_ppm)


def slab(prepared: PreparedStudy, slices: int, first: int = 20, thickness: int = 3) -> Grid:
    """A grid of thick slices over the small head, finer than nothing else: 2 x 2 mm voxels."""
    affine = prepared.grid.affine @ np.diag([2.0, 2.0, float(thickness), 1.0])
    affine[:3, 3] = (prepared.grid.affine @ [0.5, 0.5, first + (thickness - 1) / 2, 1.0])[:3]
    return Grid((30, 35, slices), affine)


def field(grid: Grid, shift: float) -> np.ndarray:
    """Shift of water in ppm: a gradient along the first axis, around a middle."""
    i = np.arange(grid.shape[0])[:, None, None] / (grid.shape[0] - 1) - 0.5
    return np.broadcast_to(shift + 0.2 * i, grid.shape)


def spectra(
    prepared: PreparedStudy,
    tumour: Tumour,
    grid: Grid,
    offsets: tuple[float, ...] = DENSE,
    *,
    shift: float = 0.1,
    snr: float = 200.0,
    seed: int = 0,
    train: Train = SATURATION,
) -> Image:
    """Acquire the small head."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(tumour.labels.resample(grid, order=0).array)
    brain = np.asarray(
        prepared.brain.with_array(np.asarray(prepared.brain.array, np.float32)).resample(grid).array
    )
    moved = field(grid, shift)
    z = library(WHITE_MATTER, train).spectra(offsets, moved)
    inside = labels > 0
    z[inside] = library(TUMOUR, train).spectra(offsets, moved[inside])
    noise = rng.standard_normal((2, *z.shape))
    frames = 1000 * np.hypot(z * (brain >= 0.5)[..., None] + noise[0] / snr, noise[1] / snr)
    return Image(
        Volume(frames.astype(np.float32), grid.affine),
        Sequence.CEST,
        1.0,
        "made up",
        "cest.nii.gz",
        Acquisition(saturation=Saturation(offsets)),
    )
