"""The maps of perfusion: one value for each voxel, from its curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Bolus, Floats
from gliotype.measure.dsc.bolus import delta_r2, relative_signal
from gliotype.measure.dsc.curves import area, full_width, mean_curve, signal_recovery, time_to_peak
from gliotype.measure.dsc.deconvolution import deconvolve
from gliotype.measure.dsc.leakage import fit_leakage
from gliotype.measure.dsc.numbers import FEWEST_VOXELS

Signals = NDArray[np.floating]
Mask = NDArray[np.bool_]

FAINT = 4.0
"""A drop below so many standard deviations of the noise has no time, width, recovery or transit time."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of n voxels.

    Attributes:
        relative: S/S0, (n, t).
        plain: dR2* in 1/s, zero before the arrival, (n, t).
        corrected: the same without what leakage did to it, (n, t).
        k2: leakage in 1/s, (n,).
        reference: mean of `plain` over brain that does not leak, (t,).
        noise: standard deviation of S/S0, (n,); infinite without signal.
    """

    relative: Signals
    plain: Signals
    corrected: Signals
    k2: Signals
    reference: Floats
    noise: Signals


def curves_of(
    signal: Signals, times_s: Floats, te_ms: float, bolus: Bolus, *, healthy: Mask, noise: float
) -> Curves:
    """Take the curves of all voxels, with and without leakage.

    Args:
        signal: scanner units, (n, t).
        times_s: (t,).
        te_ms: echo time.
        bolus: when the bolus passes.
        healthy: brain that does not leak, (n,).
        noise: standard deviation of the signal's noise, scanner units.
    """
    baseline = signal[:, bolus.start : bolus.arrival].mean(axis=1)
    relative = np.nan_to_num(relative_signal(signal, bolus), nan=1.0)
    plain = delta_r2(relative, te_ms)
    plain[:, : bolus.arrival] = 0
    reference = mean_curve(plain, healthy)
    leakage = fit_leakage(plain, reference, times_s, bolus)
    return Curves(
        relative=relative,
        plain=plain,
        corrected=plain + leakage.term,
        k2=leakage.k2,
        reference=reference,
        noise=np.divide(noise, baseline, out=np.full_like(baseline, np.inf), where=baseline > 0),
    )


def maps_of(
    curves: Curves, arterial: Floats, times_s: Floats, bolus: Bolus, voxels: Mask, white: Mask | None
) -> Mapping[str, Signals]:
    """Take the maps of `gliotype.dsc.Perfusion` from the curves.

    Args:
        curves: of n voxels.
        arterial: the arterial input function in 1/s, (t,).
        times_s: (t,).
        bolus: when the bolus passes.
        voxels: which voxels have a signal, (n,).
        white: normal-appearing white matter, (n,); relative maps are NaN with fewer than 20 voxels of it.

    Returns:
        float32 (n,) by name; NaN where nothing was measured.
    """
    flow = deconvolve(curves.corrected, arterial, times_s)
    drop = 1 - curves.relative[:, bolus.arrival : bolus.end + 1].min(axis=1)
    clear = voxels & (drop > FAINT * curves.noise)
    relative = {
        "rcbv": area(curves.corrected, times_s, bolus),
        "rcbv_uncorrected": area(curves.plain, times_s, bolus),
        "cbf": flow.cbf,
    }
    shapes = {
        "psr": signal_recovery(curves.relative, times_s, bolus),
        "ttp": time_to_peak(curves.corrected, times_s, bolus),
        "fwhm": full_width(curves.corrected, times_s, bolus),
        "mtt": flow.mtt_s,
    }
    maps = {name: over_white(values, white) for name, values in relative.items()} | {"k2": curves.k2}
    maps = {name: np.where(voxels, values, np.nan) for name, values in maps.items()}
    maps |= {name: np.where(clear, values, np.nan) for name, values in shapes.items()}
    return {name: values.astype(np.float32) for name, values in maps.items()}


def over_white(values: Signals, white: Mask | None) -> Signals:
    """Divide values by their median in white matter; NaN where there is too little of it."""
    if white is None or white.sum() < FEWEST_VOXELS:
        return np.full_like(values, np.nan)
    level = float(np.median(values[white]))
    return values / level if level > 0 else np.full_like(values, np.nan)
