"""Leakage of contrast agent through a broken barrier, and what rCBV would be without it.

Boxerman, Schmainda and Weisskoff (2006) describe each voxel by the curve of the brain where nothing leaks,

    dR2*(t) = K1 ref(t) - K2 int_0^t ref(u) exp(-k (t - u)) du,

in the form of Leu (2016), in which leaked agent also washes out, at the rate k (the original is k = 0). K2 is
positive where leaked agent shortens T1 (the signal rises) and negative where it shortens T2* (the signal stays low).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import Bolus, Floats

Curves = NDArray[np.floating]

WASHOUT_PER_S = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""Rates of washout among which each voxel takes the one that fits it best."""


@dataclass(frozen=True, eq=False)
class Leakage:
    """The leakage of n voxels.

    Attributes:
        k1: scale of the reference curve, (n,).
        k2: leakage in 1/s, (n,); positive for T1 effects, negative for T2* effects.
        term: what leakage takes from dR2*, to be added to it, 1/s, (n, t).
    """

    k1: Curves
    k2: Curves
    term: Curves


def fit_leakage(delta_r2: Curves, reference: Floats, times_s: Floats, bolus: Bolus) -> Leakage:
    """Fit the leakage of each voxel by least squares over all frames from the arrival on.

    Args:
        delta_r2: 1/s, (n, t).
        reference: mean dR2* of brain that does not leak, 1/s, (t,).
        times_s: (t,).
        bolus: says when the agent arrives.

    Returns:
        The leakage; zero before the arrival.
    """
    before = bolus.arrival - 1
    fitted = slice(before, None)
    vascular = np.where(np.arange(reference.size) > before, reference, 0.0)
    leaked = np.stack([_accumulated(vascular, times_s, rate) for rate in WASHOUT_PER_S])
    curves = delta_r2[:, fitted]
    misfit = np.full((len(WASHOUT_PER_S), curves.shape[0]), np.inf)
    found = np.zeros((len(WASHOUT_PER_S), 2, curves.shape[0]))
    for n, term in enumerate(leaked):
        model = np.column_stack([vascular[fitted], -term[fitted]])
        basis, upper = np.linalg.qr(model)
        inside = curves @ basis.astype(curves.dtype)
        misfit[n] = -np.einsum("nk,nk->n", inside, inside)
        found[n] = np.linalg.solve(upper, inside.T.astype(np.float64))
    best = np.argmin(misfit, axis=0)
    k1, k2 = found[best, :, np.arange(best.size)].T.astype(curves.dtype)
    return Leakage(k1, k2, k2[:, None] * leaked.astype(curves.dtype)[best])


def _accumulated(vascular: Floats, times_s: Floats, rate: float) -> Floats:
    """Integrate int_0^t ref(u) exp(-rate (t - u)) du by the trapezoidal rule, (t,)."""
    grown = vascular * np.exp(rate * (times_s - times_s[0]))
    steps = np.diff(times_s) * (grown[1:] + grown[:-1]) / 2
    return np.asarray(np.exp(-rate * (times_s - times_s[0])) * np.concatenate([[0.0], np.cumsum(steps)]))
