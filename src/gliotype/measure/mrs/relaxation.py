"""Transverse relaxation that concentrations are corrected for, by field strength."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

WATER = "water"

T2_MS = MappingProxyType(
    {"NAA": 250.0, "NAAG": 250.0, "GPC": 230.0, "PCh": 230.0, "Cr": 155.0, "PCr": 155.0, WATER: 110.0}
)
"""Transverse relaxation times at 3 T; water's is that of tumours."""

OTHER_T2_MS = 180.0
"""Of every other metabolite, 2HG included."""

FIELD_EXPONENT = 0.4
"""Relaxation times fall with the field like a power of it."""


def shorter(field_t: float) -> float:
    """Return by how much relaxation times differ from those at 3 T.

    Example:
        >>> shorter(3.0), round(shorter(7.0), 2)
        (1.0, 0.71)
    """
    return float((3.0 / field_t) ** FIELD_EXPONENT)


def t2_s(name: str, field_t: float) -> float:
    """Return the transverse relaxation time of a metabolite, or of water, in seconds.

    Example:
        >>> t2_s("Cr", 3.0), t2_s("2HG", 3.0)
        (0.155, 0.18)
    """
    return T2_MS.get(name, OTHER_T2_MS) * shorter(field_t) / 1000


def decay(name: str, te_ms: float, field_t: float) -> float:
    """Return the part of a signal that is left at the echo time.

    Example:
        >>> round(decay(WATER, 110.0, 3.0), 3)
        0.368
    """
    return float(np.exp(-te_ms / 1000 / t2_s(name, field_t)))
