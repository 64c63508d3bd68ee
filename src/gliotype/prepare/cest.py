"""Z-spectra ready to measure: normalised, with the shift of the water resonance in each voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.cest import CestSeries, FieldReference, Saturation, is_reference
from gliotype.errors import InputError
from gliotype.prepare.brain import brain_with_signal
from gliotype.prepare.water_shift import FEWEST_NEAR_WATER, near_water, water_shift
from gliotype.study import Image
from gliotype.volume import Grid, Matrix, Volume

MIN_SIGNAL = 0.3
"""Fraction of the brain's median signal without saturation below which a voxel is left out (haemorrhage, air)."""

SIDE_PPM = (2.0, 5.0)
"""Distances from water between which MTRasym is read."""
FEWEST_ON_A_SIDE = 2
"""Offsets that are needed within `SIDE_PPM` on either side of water."""

MAX_LOWEST = 0.9
"""Median Z at its lowest above which a series shows no saturation at all."""

MAX_BEYOND = 0.5
"""Fraction of the brain in which the water resonance may lie beyond the sampled offsets, at most."""

LEAST_REACH_MM = 60.0
"""A series that reaches less far along one of its axes is not registered: it stays where its header places it."""

_SMOOTHING_VOXELS = 2.0

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def cest_series(image: Image, brain: Volume, cest_from_prepared: Matrix) -> CestSeries:
    """Normalise Z-spectra and find the shift of the water resonance.

    The shift comes from a map of the field or a WASSR series where there is one, else from the Z-spectra themselves.

    Args:
        image: 4D, as acquired, with its saturation offsets.
        brain: boolean mask on the prepared grid.
        cest_from_prepared: rigid transform, world of the prepared grid to that of the series (RAS mm).

    Raises:
        InputError: if MTRasym cannot be measured on the series; it says why.
    """
    saturation = _saturation(image)
    offsets = np.array(saturation.offsets_ppm)
    _refuse_sides(image.source, offsets[[not is_reference(offset) for offset in offsets]])
    reference = reference_image(image)
    tissue = brain_with_signal(image.source, reference, brain, cest_from_prepared, MIN_SIGNAL)
    z, sampled = _normalised(image.volume, offsets, reference)
    lowest = float(np.nanmedian(z[tissue], axis=0).min())
    if not lowest <= MAX_LOWEST:
        raise InputError(
            f"{image.source} shows no saturation (the signal stays at {100 * lowest:.0f} % of the reference): "
            "it is noise, or its offsets are wrong"
        )
    shift, source = _shift(image, z, sampled, tissue)
    beyond = float(1 - np.isfinite(shift[tissue]).mean())
    if beyond > MAX_BEYOND:
        raise InputError(
            f"in {100 * beyond:.0f} % of the brain the water resonance of {image.source} lies beyond the offsets that "
            "were sampled around 0 ppm: give a map of the field"
        )
    return CestSeries(
        z=image.volume.with_array(np.where(tissue[..., np.newaxis], z, np.float32(np.nan))),
        offsets_ppm=tuple(float(offset) for offset in sampled),
        tissue=tissue,
        b0_ppm=image.volume.with_array(np.where(tissue, shift, np.float32(np.nan))),
        b0_source=source,
        saturation=saturation,
        cest_from_prepared=cest_from_prepared,
    )


def reference_image(image: Image) -> Volume:
    """Return the mean of the frames without saturation, else of those farthest from water.

    Raises:
        InputError: if there is none, or the offsets do not fit the frames.
    """
    offsets = np.abs(np.array(_saturation(image).offsets_ppm))
    farthest = float(offsets.max())
    if not is_reference(farthest):
        raise InputError(
            f"{image.source} has no reference: give a frame without saturation (M0) or beyond 20 ppm, or an image "
            "NAME_m0 next to it"
        )
    frames = np.asarray(image.volume.array[..., offsets == farthest], dtype=np.float32)
    return image.volume.with_array(frames.mean(axis=3))


def can_register(grid: Grid) -> bool:
    """Whether a series reaches far enough along all axes to be registered.

    Example:
        >>> can_register(Grid((128, 128, 1), np.diag([2.0, 2.0, 5.0, 1.0])))
        False
    """
    return min(n * s for n, s in zip(grid.shape, grid.spacing, strict=True)) >= LEAST_REACH_MM


def _saturation(image: Image) -> Saturation:
    """Take the offsets, or say what is wrong with them."""
    saturation = image.acquisition.saturation or Saturation(problem="its saturation offsets are unknown")
    if not saturation.offsets_ppm:
        raise InputError(f"{image.source} cannot be measured: {saturation.problem}")
    frames, stated = image.volume.array.shape[3], len(saturation.offsets_ppm)
    if frames != stated:
        raise InputError(
            f"{image.source} has {frames} frames, and {stated} saturation offsets are stated: state one for each frame"
        )
    return saturation


def _refuse_sides(source: str, offsets: NDArray[np.float64]) -> None:
    """Refuse offsets that lie on one side of water only, or too few of them around 3 to 3.5 ppm."""
    low, high = SIDE_PPM
    counts = [len(np.unique(side[(side >= low) & (side <= high)])) for side in (-offsets, offsets)]
    if min(counts) == 0 and max(counts) > 0:
        raise InputError(
            f"{source} samples only one side of the water resonance, and MTRasym is a difference of both: give the "
            "whole Z-spectrum"
        )
    if min(counts) < FEWEST_ON_A_SIDE:
        raise InputError(
            f"{source} has too few saturation offsets around 3 to 3.5 ppm ({counts[0]} and {counts[1]} between "
            f"{low:g} and {high:g} ppm on the two sides, where {FEWEST_ON_A_SIDE} each are needed)"
        )


def _normalised(
    acquired: Volume, offsets: NDArray[np.float64], reference: Volume
) -> tuple[Floats, NDArray[np.float64]]:
    """Divide by the reference; frames of the same offset are averaged, offsets ascend."""
    sampled = np.unique([offset for offset in offsets if not is_reference(offset)])
    level = np.asarray(reference.array, dtype=np.float32)
    z = np.full((*level.shape, len(sampled)), np.nan, np.float32)
    for n, offset in enumerate(sampled):
        frames = np.asarray(acquired.array[..., offsets == offset], dtype=np.float32)
        np.divide(frames.mean(axis=3), level, out=z[..., n], where=level > 0)
    return z, np.asarray(sampled)


def _shift(image: Image, z: Floats, offsets: NDArray[np.float64], tissue: Mask) -> tuple[Floats, str]:
    """Return the shift of water in ppm, NaN where unknown, and where it comes from."""
    grid = image.volume.grid
    if image.b0 is not None and not image.b0.offsets_ppm:
        return np.asarray(_on(image.b0.volume, grid).array), "a map of the field"
    if image.b0 is not None:
        return _wassr(image.b0, grid, tissue), "a WASSR series"
    if len(near_water(offsets)) < FEWEST_NEAR_WATER:
        raise InputError(
            f"{image.source} has too few offsets around 0 ppm to find the water resonance, and there is no map of the "
            "field: give one as NAME_b0 next to it"
        )
    return _found(z, offsets, tissue), "the Z-spectra"


def _wassr(reference: FieldReference, grid: Grid, tissue: Mask) -> Floats:
    offsets = np.array(reference.offsets_ppm)
    frames = np.asarray(reference.volume.array, dtype=np.float32)
    near = near_water(np.unique(offsets))
    if len(near) < FEWEST_NEAR_WATER:
        raise InputError("the WASSR series has too few offsets around 0 ppm")
    z = np.stack([_mean_on(reference.volume, frames[..., offsets == one], grid) for one in near], axis=-1)
    level = np.nanmax(z, axis=-1, keepdims=True)
    return _found(z / np.where(level > 0, level, np.nan), near, tissue)


def _mean_on(volume: Volume, frames: Floats, grid: Grid) -> Floats:
    return np.asarray(_on(volume.with_array(frames.mean(axis=3)), grid).array)


def _on(volume: Volume, grid: Grid) -> Volume:
    if volume.grid.same_as(grid):
        return volume.with_array(np.asarray(volume.array, dtype=np.float32))
    return volume.resample(grid, outside=float("nan"))


def _found(z: NDArray[np.floating], offsets: NDArray[np.float64], tissue: Mask) -> Floats:
    """Find the shift in spectra that are averaged with their neighbours: the field varies slowly, noise does not."""
    near = np.flatnonzero(np.isin(offsets, near_water(offsets)))
    averaged = np.stack([_smooth(z[..., n], tissue) for n in near], axis=-1)
    shift = np.full(tissue.shape, np.nan, np.float32)
    shift[tissue] = water_shift(averaged[tissue], offsets[near])
    return shift


def _smooth(frame: NDArray[np.floating], tissue: Mask) -> Floats:
    """Smooth within the slices and the brain; NaN outside."""
    known = np.isfinite(frame) & tissue
    sigma = (_SMOOTHING_VOXELS, _SMOOTHING_VOXELS, 0.0)
    weight = ndimage.gaussian_filter(known.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(known, frame, np.float32(0)), sigma)
    return np.where(known, total / np.maximum(weight, 1e-6), np.float32(np.nan)).astype(np.float32)
