"""Leakage of contrast agent through a broken barrier, and what dR2* would be without it.

Boxerman, Schmainda and Weisskoff (2006) describe each voxel by the curve of brain that does not leak,

    dR2*(t) = K1 ref(t) - K2 int_0^t ref(u) exp(-k (t - u)) du,

here with washout at the rate k (Leu 2016; the original is k = 0) and with ref shifted in time and dispersed, so that a
transit time unlike the brain's is not taken for leakage. K2 is positive where leaked agent shortens T1 (the signal
rises) and negative where it shortens T2* (the signal stays low). Without leakage K2 is near 0 only where the transit
time is like the brain's: noise-free voxels with a mean transit time of 8 and 12 s give -0.005 and -0.009 per s.
`benchmarks/perfusion.py` compares the variants.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Bolus, Floats

Curves = NDArray[np.floating]

SHIFTS_S = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0)
"""How much later than in the reference the bolus may come."""

DISPERSIONS_S = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
"""Time constants of the exponential by which the reference may be dispersed."""

WASHOUT_PER_S = (0.0, 0.005, 0.01, 0.02)
"""Rates at which leaked agent may wash out: permeability over extravascular volume."""

_STEP_S = 0.1
_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class Leakage:
    """The leakage of n voxels.

    Attributes:
        k2: leakage in 1/s, (n,); positive for T1 effects, negative for T2* effects.
        term: what leakage takes from dR2*, to be added to it, 1/s, (n, t).
    """

    k2: Curves
    term: Curves


@dataclass(frozen=True)
class Variants:
    """The shapes that a curve may have, each combination once.

    Attributes:
        shifts_s: of the reference in time.
        dispersions_s: time constants of its dispersion.
        washout_per_s: rates of washout of leaked agent.
    """

    shifts_s: tuple[float, ...] = SHIFTS_S
    dispersions_s: tuple[float, ...] = DISPERSIONS_S
    washout_per_s: tuple[float, ...] = WASHOUT_PER_S


ORIGINAL = Variants((0.0,), (0.0,), (0.0,))
"""The correction as published in 2006."""


def fit_leakage(
    delta_r2: Curves, reference: Floats, times_s: Floats, bolus: Bolus, variants: Variants | None = None
) -> Leakage:
    """Fit the leakage of each voxel by least squares over all frames from the arrival on.

    Each voxel takes the variant that fits it best among those with K1 of 0 or more.

    Args:
        delta_r2: 1/s, (n, t), zero before the arrival.
        reference: mean dR2* of brain that does not leak, 1/s, (t,), zero before the arrival.
        times_s: (t,).
        bolus: gives the arrival of the agent.
        variants: shapes to choose from; None for all.

    Returns:
        The leakage; none in voxels that no variant fits.

    Example:
        >>> times = np.arange(0.0, 60.0)
        >>> reference = np.where(times > 10, (times - 10) * np.exp((10 - times) / 3), 0.0)
        >>> leaky = 2 * reference - 0.02 * np.cumsum(reference)
        >>> found = fit_leakage(leaky[None], reference, times, Bolus(0, 11, 13, 30), ORIGINAL)
        >>> float(found.k2[0].round(3))
        0.02
    """
    vascular, leaked = _shapes(reference, times_s, variants or Variants())
    fitted = slice(bolus.arrival - 1, None)
    basis, upper = np.linalg.qr(np.stack([vascular, -leaked], axis=2)[:, fitted])
    onto = np.concatenate([basis[:, :, 0], basis[:, :, 1]]).T.astype(delta_r2.dtype)
    term = leaked.astype(delta_r2.dtype)
    parts = [
        _best(delta_r2[start : start + _CHUNK, fitted] @ onto, upper, term)
        for start in range(0, delta_r2.shape[0], _CHUNK)
    ]
    k2, terms = (np.concatenate(part).astype(delta_r2.dtype) for part in zip(*parts, strict=True))
    return Leakage(k2, terms)


def _best(projected: Curves, upper: Floats, leaked: Curves) -> tuple[Curves, Curves]:
    """Choose each voxel's variant: K2 (n,) and the leakage term (n, t).

    Args:
        projected: of each curve onto both orthonormal columns of each variant, (n, 2 variants).
        upper: the triangular factor of each variant, (variants, 2, 2).
        leaked: accumulated agent of each variant, (variants, t).
    """
    first, second = np.split(projected, 2, axis=1)
    k2 = second / upper[:, 1, 1]
    k1 = (first - upper[:, 0, 1] * k2) / upper[:, 0, 0]
    explained = np.where(k1 >= 0, first**2 + second**2, -1.0)
    best = np.argmax(explained, axis=1)
    rows = np.arange(best.size)
    chosen = np.where(explained[rows, best] >= 0, k2[rows, best], 0.0)
    return chosen, chosen[:, None] * leaked[best]


def _shapes(reference: Floats, times_s: Floats, variants: Variants) -> tuple[Floats, Floats]:
    """The reference and what accumulates of it, shifted, dispersed and washed out, (variants, t) each."""
    from scipy.signal import lfilter

    fine = np.arange(times_s[0], times_s[-1] + _STEP_S, _STEP_S)
    vascular, leaked = [], []
    for shift, dispersion in product(variants.shifts_s, variants.dispersions_s):
        decay = np.exp(-_STEP_S / dispersion) if dispersion > 0 else 0.0
        curve = lfilter([1 - decay], [1, -decay], np.interp(fine - shift, times_s, reference))
        for rate in variants.washout_per_s:
            middle = _STEP_S / 2 * np.array([1.0, np.exp(-rate * _STEP_S)])
            vascular.append(np.interp(times_s, fine, curve))
            leaked.append(np.interp(times_s, fine, lfilter(middle, [1, -np.exp(-rate * _STEP_S)], curve)))
    return np.stack(vascular), np.stack(leaked)
