"""From the signals of voxels to their perfusion, wherever the voxels lie.

    signal -> bolus -> dR2* -> arterial input, leakage -> maps -> curves and numbers of regions

Nothing here knows a grid: a series of images and the curves of simulated voxels go through the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliotype.dsc import TUMOUR_REGIONS, ArterialInput, Bolus, Floats, Region, RegionCurve
from gliotype.errors import InputError
from gliotype.measure.dsc.arteries import FLOOR, Arteries, find_arteries, given_arteries
from gliotype.measure.dsc.bolus import find_bolus_in, noise_of
from gliotype.measure.dsc.curves import mean_curve
from gliotype.measure.dsc.frames import voxels_with_signal
from gliotype.measure.dsc.maps import Curves, curves_of, maps_of
from gliotype.measure.dsc.numbers import FEWEST_VOXELS, PERFUSION_UNITS, of_curve, of_maps
from gliotype.measure.dsc.warnings import quality_warnings

Signals = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class NoPerfusion:
    """A series without perfusion, and why in one sentence."""

    reason: str


@dataclass(frozen=True, eq=False)
class VoxelPerfusion:
    """What was measured of n voxels: `gliotype.dsc.Perfusion` without a grid.

    Attributes:
        times_s: of each frame from the first, (t,).
        te_ms: echo time.
        bolus: when it passes.
        arterial: the arterial input function; its voxels are (n,).
        curves: of each region that has voxels enough.
        maps: by name as in `gliotype.dsc.Perfusion`, float32 (n,), NaN where nothing was measured.
        numbers: every name of `PERFUSION_UNITS`; None where it cannot be computed.
        warnings: one sentence each.
    """

    times_s: Floats
    te_ms: float
    bolus: Bolus
    arterial: ArterialInput
    curves: Mapping[Region, RegionCurve]
    maps: Mapping[str, Signals]
    numbers: Mapping[str, float | None]
    warnings: tuple[str, ...] = ()


def analyse(
    signal: Signals,
    times_s: ArrayLike,
    te_ms: float,
    *,
    brain: Mask,
    regions: Mapping[Region, Mask],
    spin_echo: bool = False,
    arteries: Mask | None = None,
) -> VoxelPerfusion | NoPerfusion:
    """Measure the perfusion of voxels from their signals over time.

    Args:
        signal: (n, t), scanner units of any scale.
        times_s: of each frame from the first, (t,), rising.
        te_ms: echo time.
        brain: which voxels are brain, (n,).
        regions: which voxels belong to each region, (n,) each. `Region.WHITE_MATTER` is what relative values are
            divided by; the tumour's regions are excluded from the reference that does not leak. Any may be missing.
        spin_echo: whether it is a spin-echo series.
        arteries: voxels of the arterial input, (n,); None to find them.

    Returns:
        What was measured; or, where no bolus can be seen, the reason.

    Raises:
        InputError: if shapes do not fit, times do not rise, the echo time is not positive, or none of the given
            arterial voxels has a signal.
    """
    times = np.asarray(times_s, dtype=np.float64)
    _check(signal, times, te_ms, [brain, *regions.values(), *([] if arteries is None else [arteries])])
    there = voxels_with_signal(signal, brain)
    if isinstance(there, str):
        return NoPerfusion(there)
    signal = np.where(there[:, None], signal, 0).astype(np.float32)
    outside_tumour = there & brain & ~regions.get(Region.WHOLE, np.zeros_like(brain))
    bolus = find_bolus_in(signal[outside_tumour], times)
    if bolus is None:
        return NoPerfusion(
            "The DSC series shows no bolus after a baseline of two frames or more: perfusion was not measured."
        )
    noise = noise_of(signal[outside_tumour], bolus)
    voxels = there & (signal[:, bolus.start : bolus.arrival].mean(axis=1) > FLOOR * noise)
    healthy = outside_tumour & voxels
    measured = {region: mask & voxels for region, mask in regions.items()}
    curves = curves_of(signal, times, te_ms, bolus, healthy=healthy, noise=noise)
    found = _arteries_of(curves, signal, times, bolus, healthy, arteries, voxels, noise)
    maps = maps_of(curves, found.input.delta_r2, times, bolus, voxels, measured.get(Region.WHITE_MATTER))
    numbers = _numbers_of(curves, maps, measured, times, bolus) | {
        "arterial_voxels": float(found.input.voxels.sum())
    }
    return VoxelPerfusion(
        times_s=times,
        te_ms=float(te_ms),
        bolus=bolus,
        arterial=found.input,
        curves={
            region: RegionCurve(mean_curve(curves.relative, mask), int(mask.sum()))
            for region, mask in measured.items()
            if mask.sum() >= FEWEST_VOXELS
        },
        maps=maps,
        numbers=numbers,
        warnings=quality_warnings(times, bolus, found, numbers, curves.reference, spin_echo=spin_echo),
    )


def _check(signal: Signals, times_s: Floats, te_ms: float, masks: Sequence[Mask]) -> None:
    if signal.ndim != 2 or times_s.shape != signal.shape[1:]:
        raise InputError(
            f"a DSC series has signals of shape {signal.shape} and times of shape {times_s.shape}: "
            "give (n, t) and (t,)"
        )
    if not (np.diff(times_s) > 0).all():
        raise InputError("the times of the DSC frames do not rise: give the time of each frame in order")
    if not te_ms > 0:
        raise InputError(f"the echo time of the DSC series is {te_ms:g} ms: give one above 0")
    for mask in masks:
        if mask.shape != signal.shape[:1]:
            raise InputError(f"a mask has shape {mask.shape} where {signal.shape[:1]} is due: give (n,)")


def _arteries_of(
    curves: Curves,
    signal: Signals,
    times_s: Floats,
    bolus: Bolus,
    healthy: Mask,
    given: Mask | None,
    voxels: Mask,
    noise: float,
) -> Arteries:
    if given is None:
        return find_arteries(curves.plain, signal, times_s, bolus, searched=healthy, noise=noise)
    if not (given & voxels).any():
        raise InputError(
            "none of the given arterial voxels has a signal: mark an artery within the DSC series"
        )
    return given_arteries(curves.plain, signal, bolus, voxels=given & voxels, noise=noise)


def _numbers_of(
    curves: Curves,
    maps: Mapping[str, Signals],
    measured: Mapping[Region, Mask],
    times_s: Floats,
    bolus: Bolus,
) -> dict[str, float | None]:
    """The numbers of each region of the tumour, and of the series."""
    counts = {region: int(measured[region].sum()) if region in measured else 0 for region in Region}
    numbers: dict[str, float | None] = dict.fromkeys(PERFUSION_UNITS) | {
        "dsc_frames": float(times_s.size),
        "dsc_interval": float(np.median(np.diff(times_s))),
        "baseline_frames": float(bolus.arrival - bolus.start),
        "white_matter_voxels": float(counts[Region.WHITE_MATTER]),
        "tumour_voxels": float(counts[Region.WHOLE]),
    }
    for region in TUMOUR_REGIONS:
        if counts[region] >= FEWEST_VOXELS:
            mask = measured[region]
            of_region = of_maps(maps, mask) | of_curve(
                mean_curve(curves.relative, mask), mean_curve(curves.corrected, mask), times_s, bolus
            )
            numbers |= {f"{region}_{name}": value for name, value in of_region.items()}
    return numbers
