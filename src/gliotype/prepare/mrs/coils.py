"""Combine the signals of receiver coils by the weights that give the best ratio of signal to noise."""

from __future__ import annotations

import numpy as np

from gliotype.mrs import Complexes

NOISE_PART = 0.25
"""Last part of the points, in which there is mostly noise."""

FIRST_POINTS = 200
"""From which the coils' sensitivities are taken."""


def coil_weights(signal: Complexes) -> Complexes:
    """Find the weight of each coil from a signal with much of it.

    The coils are made equally noisy first; the weights are then the first singular vector (Rodgers 2010).

    Args:
        signal: (points, coils).

    Returns:
        (coils,), so that ``signal @ weights`` is combined and keeps the scale of the coils' root sum of squares.

    Example:
        >>> time = np.arange(400)
        >>> decay = np.exp((-0.01 + 0.3j) * time)
        >>> noise = 1e-3 * np.random.default_rng(0).standard_normal((400, 2))
        >>> combined = (np.outer(decay, [0.6, -0.8j]) + noise) @ coil_weights(np.outer(decay, [0.6, -0.8j]) + noise)
        >>> bool(np.allclose(np.abs(combined[:50]), np.abs(decay[:50]), atol=0.02))
        True
    """
    if signal.shape[1] == 1:
        return np.ones(1, np.complex128)
    tail = signal[-max(8, int(NOISE_PART * len(signal))) :]
    noise = np.sqrt(np.mean(np.abs(np.diff(tail, axis=0)) ** 2, axis=0) / 2)
    # A coil without any noise is a coil without a signal.
    noise = np.where(noise > 0, noise, np.inf)
    head = signal[:FIRST_POINTS]
    _, _, rows = np.linalg.svd(head / noise, full_matrices=False)
    sensitivity = rows[0] * np.where(np.isfinite(noise), noise, 0.0)
    weights = rows[0].conj() / noise
    scale = float(np.linalg.norm(sensitivity)) / max(abs(weights @ sensitivity), 1e-30)
    first = complex(np.sum((head @ weights)[:4]))
    return np.asarray(weights * scale * np.exp(-1j * np.angle(first)))
