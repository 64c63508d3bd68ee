"""Curves of single voxels with known perfusion, made independently of the code that measures them."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

STEP_S = 0.05
TE_MS = 30.0


def fine_times(last_s: float) -> np.ndarray:
    return np.arange(0.0, last_s + STEP_S, STEP_S)


def gamma_variate(t: np.ndarray, arrival_s: float, *, alpha: float = 3.0, beta: float = 1.5) -> np.ndarray:
    """1 at its peak, which is alpha beta after the arrival."""
    x = np.maximum(t - arrival_s, 0.0) / (alpha * beta)
    return np.asarray(x**alpha * np.exp(alpha * (1 - x)))


def with_residue(
    arterial: np.ndarray, t: np.ndarray, *, cbv: float, mtt_s: float, delay_s: float = 0.0
) -> np.ndarray:
    """Tissue curve by convolution with an exponential residue (the central volume theorem: CBF is CBV / MTT)."""
    tissue = cbv / mtt_s * np.convolve(arterial, np.exp(-t / mtt_s))[: t.size] * STEP_S
    return np.interp(t - delay_s, t, tissue, left=0.0)


def exchange(
    arterial: np.ndarray, t: np.ndarray, *, vp: float, flow: float, ps: float, ve: float
) -> tuple[np.ndarray, np.ndarray]:
    """Plasma and extravascular concentration by the differential equations of two compartments."""

    def change(now: float, c: np.ndarray) -> list[float]:
        inflow = float(np.interp(now, t, arterial))
        return [(flow * (inflow - c[0]) - ps * (c[0] - c[1])) / vp, ps * (c[0] - c[1]) / ve]

    solved = solve_ivp(change, (0.0, float(t[-1])), [0.0, 0.0], t_eval=t, max_step=0.5, rtol=1e-6)
    return solved.y[0], solved.y[1]


def signal_of(delta_r2: np.ndarray, *, s0: float = 800.0, te_ms: float = TE_MS) -> np.ndarray:
    return np.asarray(s0 * np.exp(-te_ms / 1000 * delta_r2))


def t1_factor(added_r1: np.ndarray, *, flip_deg: float, tr_s: float, t1_s: float = 1.4) -> np.ndarray:
    """Spoiled gradient echo: signal by the shortening of T1, over that before it."""
    cosine = np.cos(np.radians(flip_deg))

    def steady(r1: np.ndarray) -> np.ndarray:
        e1 = np.exp(-tr_s * r1)
        return np.asarray((1 - e1) / (1 - cosine * e1))

    return np.asarray(steady(1 / t1_s + added_r1) / steady(np.array(1 / t1_s)))
