"""What scanner and patient add to DSC curves: approach to the steady state, fluctuation, drift, movement, noise."""

from __future__ import annotations

import numpy as np

from gliotype.simulate.dsc.kinetics import Floats, Haemodynamics
from gliotype.simulate.dsc.signal import Curves, DscProtocol

_UNSTEADY = 12
"""Frames after which the steady state is reached whatever the flip angle."""


def equilibrium_factor(tissue: Haemodynamics, protocol: DscProtocol) -> Curves:
    """Signal of each frame over that of the steady state: 1, but in the first frames after too few dummies, (n, t).

    Example:
        >>> white = Haemodynamics(cbv=0.02, mtt_s=4.5, t1_ms=900)
        >>> factor = equilibrium_factor(white, DscProtocol(flip_deg=60, dummies=0))[0]
        >>> [round(float(f), 2) for f in factor[:3]], float(factor[-1])
        ([1.12, 1.01, 1.0], 1.0)
    """
    turned = np.float32(0.0 if protocol.spin_echo else np.cos(np.radians(protocol.flip_deg)))
    e1 = np.exp(-1000 * protocol.tr_s / tissue.columns()["t1_ms"]).astype(np.float32)[:, None]
    steady = (1 - e1) / (1 - turned * e1)
    factor = np.ones((len(e1), protocol.frames), np.float32)
    early = protocol.dummies + np.arange(min(_UNSTEADY, protocol.frames))
    factor[:, : early.size] += (1 - steady) / steady * (turned * e1) ** early.astype(np.float32)
    return factor


def fluctuate(rng: np.random.Generator, signal: Curves, times_s: Floats) -> Curves:
    """Let signal pulsate, drift and jump, as heart, lungs, heating coils and small movements make it.

    Args:
        rng: source of randomness.
        signal: (n, t).
        times_s: (t,).
    """
    n = len(signal)
    change = pulsation(rng, n, times_s)
    edge = rng.normal(0.0, 0.012, (n, 1)).astype(np.float32)
    return np.asarray(
        signal * (change + edge * residual_motion(rng, times_s.size)[None, :]), dtype=np.float32
    )


def pulsation(rng: np.random.Generator, n: int, times_s: Floats) -> Curves:
    """Draw how heart, lungs and heating coils change the signal of n voxels: factors about 1, (n, t)."""
    change = 1 + rng.uniform(-0.015, 0.015) * (times_s / times_s[-1])[None, :].astype(np.float32)
    for period_s in (rng.uniform(3.5, 5.5), rng.uniform(0.8, 1.1)):
        phase = rng.uniform(0, 2 * np.pi) + rng.normal(0.0, 0.5, (n, 1)).astype(np.float32)
        wave = np.sin((2 * np.pi / period_s * times_s)[None, :].astype(np.float32) + phase)
        change = change + np.abs(rng.normal(0.0, rng.uniform(0.001, 0.006), (n, 1))).astype(np.float32) * wave
    return np.asarray(change, dtype=np.float32)


def residual_motion(rng: np.random.Generator, frames: int) -> Curves:
    """Draw the movement that a correction leaves: a slow walk, and in some patients jumps; about 1 at most."""
    walk = np.cumsum(rng.normal(0.0, 0.06, frames))
    for _ in range(rng.poisson(0.5)):
        walk[int(rng.integers(frames)) :] += rng.normal(0.0, 0.6)
    return np.asarray(rng.uniform(0.2, 1.0) * (walk - walk.mean()), dtype=np.float32)


def add_noise(rng: np.random.Generator, signal: Curves, sigma: float) -> Curves:
    """Add Rician noise.

    Args:
        rng: source of randomness.
        signal: true magnitude.
        sigma: standard deviation of noise in each of the two channels.
    """
    real = signal + np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)
