"""Metabolites that brain holds and the fit does not know; shifts and couplings of Govindaraju 2000."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gliotype.measure.mrs.spins import SpinSystem

UNMODELLED: Mapping[str, tuple[SpinSystem, ...]] = MappingProxyType(
    {
        "Asp": (SpinSystem((3.8914, 2.8011, 2.6533), ((0, 1, 3.647), (0, 2, 9.107), (1, 2, -17.426))),),
        "Ala": (SpinSystem((3.7746, 1.4667, 1.4667, 1.4667), ((0, 1, 7.234), (0, 2, 7.234), (0, 3, 7.234))),),
        "Tau": (
            SpinSystem(
                (3.4206, 3.4206, 3.2459, 3.2459),
                ((0, 1, -12.438), (0, 2, 6.742), (0, 3, 6.464), (1, 2, 6.403), (1, 3, 6.792), (2, 3, -12.93)),
            ),
        ),
        "sIns": (SpinSystem((3.340,), (), 6),),
    }
)  # fmt: skip
"""Spin systems by metabolite."""

UNMODELLED_MM: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"Asp": (1.0, 0.5), "Ala": (0.6, 0.4), "Tau": (1.2, 0.6), "sIns": (0.25, 0.12)}
)
"""Mean and standard deviation in mM, in tumour and in healthy white matter alike."""
