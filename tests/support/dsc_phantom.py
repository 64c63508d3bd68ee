"""A DSC series at a known place: a head of the template's tissues, a tumour on the right, a bolus, and motion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import ndimage

from conftest import oblique_affine
from gliotype import study
from gliotype.atlas import atlas
from gliotype.volume import Grid, Matrix, Volume
from support.template_head import moved, tumour_in

TE_MS = 30.0
TR_S = 1.5
ARRIVAL = 14


def epi_grid(
    shape: tuple[int, int, int] = (64, 64, 16), field_mm: float = 230.0, slice_mm: float = 6.0
) -> Grid:
    """An oblique EPI grid whose slices cover only a part of the brain, stored from left to right."""
    affine = oblique_affine((-field_mm / shape[0], field_mm / shape[1], slice_mm), (9.0, -4.0, 6.0))
    affine[:3, 3] = np.array([0.0, -18.0, 22.0]) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def bolus(times_s: np.ndarray, arrival_s: float = ARRIVAL * TR_S) -> np.ndarray:
    """Concentration over time, 1 at its peak, with a recirculation."""

    def passage(start: float) -> np.ndarray:
        t = np.maximum(times_s - start, 0.0) / 6.0
        return np.asarray((t * np.exp(1 - t)) ** 3)

    return passage(arrival_s) + 0.15 * passage(arrival_s + 12.0) + 0.06 * (times_s > arrival_s + 12.0)


@cache
def _template() -> tuple[Volume, Volume]:
    """Signal before the bolus and peak change of R2* (1/s) of the tissues of the template."""
    t2 = atlas.template(study.Sequence.T2)
    signal = np.asarray(t2.array, np.float32)
    head = np.clip((signal - 0.15 * signal.max()) / (0.75 * signal.max()), 0, 1)
    suppressed = np.where(np.asarray(atlas.brain().array), 1.0, 0.4)  # fat is, in EPI
    uptake = np.zeros(head.shape, np.float32)
    for tissue, added in ((atlas.Tissue.WHITE, 6.0), (atlas.Tissue.GREY, 14.0)):
        uptake += added * np.asarray(atlas.tissue(tissue).array, np.float32)
    x, y, z = np.moveaxis(atlas.brain().grid.world(), -1, 0)
    sinus = (np.abs(x) < 4) & (np.hypot(y + 18, z - 4) > 76) & (np.hypot(y + 18, z - 4) < 84) & (y < 10)
    uptake[sinus] = 45.0
    return t2.with_array((400.0 * np.sqrt(head) * suppressed).astype(np.float32)), t2.with_array(uptake)


def still_and_uptake(grid: Grid, mni_from_world: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Signal before the bolus and peak change of R2* (1/s) of every voxel, at a place."""
    signal, uptake = (np.asarray(fine.resample(grid, mni_from_world).array) for fine in _template())
    change = uptake.copy()
    change[tumour_in(grid, mni_from_world)] = 28.0
    return signal, change


def dsc(
    grid: Grid,
    mni_from_world: Matrix | None = None,
    *,
    frames: int = 40,
    motion: Sequence[Matrix] | None = None,
    noise: float = 4.0,
    seed: int = 0,
) -> Volume:
    """A gradient-echo DSC series of `frames` frames.

    Args:
        grid: where it lies.
        mni_from_world: the head's place.
        motion: for each frame, how the head has moved in the world of the series.
        noise: standard deviation; the signal is at most 400.
        seed: of the noise.
    """
    place = np.eye(4) if mni_from_world is None else mni_from_world
    rng = np.random.default_rng(seed)
    concentration = bolus(np.arange(frames) * TR_S)
    series = np.empty((*grid.shape, frames), np.float32)
    known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for t in range(frames):
        there = place if motion is None else place @ np.linalg.inv(motion[t])
        key = np.asarray(there).tobytes()
        if key not in known:
            known[key] = still_and_uptake(grid, there)
        still, uptake = known[key]
        saturating = 1.0 + 0.6 * np.exp(-1.2 * t)
        clean = saturating * still * np.exp(-TE_MS / 1000.0 * uptake * concentration[t])
        series[..., t] = np.abs(clean + rng.normal(0, noise, grid.shape))
    return Volume(series, grid.affine)


def jerks(
    frames: int, at: dict[int, tuple[tuple[float, float, float], tuple[float, float, float]]]
) -> list[Matrix]:
    """Motion that jumps at some frames (turns in degrees, shifts in mm) and then stays."""
    steps: list[Matrix] = []
    now: Matrix = np.eye(4)
    for t in range(frames):
        if t in at:
            now = moved(*at[t])
        steps.append(now)
    return steps


def smooth_noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random values that vary over a few voxels."""
    return np.asarray(ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0))
