"""Tissues of a digital patient and their magnetic resonance parameters.

Relaxation times are those of the literature at 3 T; at 1.5 T T1 is shortened (``T1_AT_1_5_T``), T2 is not, and
neither is the T1 of free fluid (`FREE_FLUID`).
Ranges of normal tissue follow Stanisz 2005 and Wansapura 1999; those of grey matter, on which publications
disagree most, were narrowed to where the tumour's signal over its surroundings is that of UCSF-PDGM (n = 318).
Tumour ranges are design values around the anchors of BMC Neurol 2019 (central T2 of IDH-mutant 357 +- 115 ms against
200 +- 53 ms in IDH-wildtype gliomas of grade 2 and 3). Necrosis is often far from free fluid: its ranges follow the
signal of the necrotic core over that of oedema in UPENN-GBM (n = 228), into which some contrast agent diffuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

T1_AT_1_5_T = 0.78
"""T1 at 1.5 T over T1 at 3 T, for water-like tissue (0.7 to 0.85 in the sources above)."""


class Tissue(IntEnum):
    """What a voxel of a digital patient is made of."""

    AIR = 0
    WHITE_MATTER = 1
    GREY_MATTER = 2
    DEEP_GREY = 3
    BRAINSTEM = 4
    VENTRICLE = 5
    CSF = 6
    MUSCLE = 7
    SCALP = 8
    BONE = 9
    MARROW = 10
    VESSEL = 11
    EYE = 12
    MUCOSA = 13
    WM_LESION = 14
    OEDEMA = 20
    NON_ENHANCING_WILDTYPE = 21
    ASTROCYTOMA = 22
    MISMATCH_CORE = 23
    OLIGODENDROGLIOMA = 24
    ENHANCING = 25
    NECROSIS = 26
    CALCIFICATION = 27
    CYST = 28


FREE_FLUID = (Tissue.VENTRICLE, Tissue.CSF, Tissue.EYE)
"""Nearly pure water: its T1 is a constant of body temperature, whatever the field and the patient."""

PARENCHYMA = (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.DEEP_GREY, Tissue.BRAINSTEM, Tissue.WM_LESION)


@dataclass(frozen=True)
class TissueRange:
    """Ranges from which one patient's parameters are drawn.

    Attributes:
        pd: proton density relative to water.
        t1_ms: longitudinal relaxation time at 3 T.
        t2_ms: transverse relaxation time.
        gd_t1_factor: T1 after contrast agent over T1 before, or None where it does not arrive.
        texture: relative standard deviation of signal within the tissue.
    """

    pd: tuple[float, float]
    t1_ms: tuple[float, float]
    t2_ms: tuple[float, float]
    gd_t1_factor: tuple[float, float] | None = None
    texture: tuple[float, float] = (0.01, 0.05)


TISSUES: dict[Tissue, TissueRange] = {
    Tissue.AIR: TissueRange((0.0, 0.01), (1000, 1000), (50, 50)),
    Tissue.WHITE_MATTER: TissueRange((0.70, 0.77), (850, 1084), (69, 80), (0.95, 0.98), (0.01, 0.04)),
    Tissue.GREY_MATTER: TissueRange((0.82, 0.86), (1200, 1650), (80, 103), (0.85, 0.93), (0.02, 0.06)),
    Tissue.DEEP_GREY: TissueRange((0.78, 0.84), (1100, 1500), (75, 95), (0.88, 0.95), (0.02, 0.06)),
    Tissue.BRAINSTEM: TissueRange((0.73, 0.80), (900, 1250), (72, 92), (0.94, 0.98), (0.02, 0.06)),
    Tissue.VENTRICLE: TissueRange((1.0, 1.0), (4000, 4500), (900, 2000), texture=(0.01, 0.04)),
    Tissue.CSF: TissueRange((0.92, 1.0), (4000, 4500), (400, 1800), texture=(0.05, 0.2)),
    Tissue.MUSCLE: TissueRange((0.70, 0.90), (1000, 1500), (35, 55), (0.75, 0.9), (0.05, 0.2)),
    Tissue.SCALP: TissueRange((0.75, 1.0), (300, 480), (60, 110), (0.92, 1.0), (0.05, 0.3)),
    Tissue.BONE: TissueRange((0.05, 0.25), (400, 1200), (5, 25), texture=(0.1, 0.4)),
    Tissue.MARROW: TissueRange((0.50, 0.9), (300, 700), (40, 90), (0.85, 1.0), (0.1, 0.4)),
    Tissue.VESSEL: TissueRange((0.2, 0.9), (1400, 2000), (20, 150), (0.1, 0.35), (0.1, 0.3)),
    Tissue.EYE: TissueRange((0.95, 1.0), (3900, 4400), (400, 1200), texture=(0.02, 0.08)),
    Tissue.MUCOSA: TissueRange((0.8, 0.95), (1000, 2200), (80, 250), (0.3, 0.6), (0.1, 0.3)),
    Tissue.WM_LESION: TissueRange((0.78, 0.86), (1150, 1600), (95, 150), texture=(0.03, 0.1)),
    Tissue.OEDEMA: TissueRange((0.86, 0.92), (1400, 1900), (130, 210), texture=(0.04, 0.12)),
    Tissue.NON_ENHANCING_WILDTYPE: TissueRange((0.85, 0.90), (1400, 1750), (115, 210), texture=(0.05, 0.18)),
    Tissue.ASTROCYTOMA: TissueRange((0.89, 0.96), (1650, 2300), (140, 340), texture=(0.05, 0.18)),
    Tissue.MISMATCH_CORE: TissueRange((0.94, 0.98), (2350, 2800), (300, 480), texture=(0.03, 0.10)),
    Tissue.OLIGODENDROGLIOMA: TissueRange((0.89, 0.93), (1450, 1950), (140, 250), texture=(0.08, 0.25)),
    Tissue.ENHANCING: TissueRange((0.86, 0.90), (1400, 1800), (105, 172), (0.32, 0.5), (0.06, 0.2)),
    Tissue.NECROSIS: TissueRange((0.92, 1.0), (1700, 3000), (160, 550), (0.9, 1.0), (0.05, 0.2)),
    Tissue.CYST: TissueRange((0.96, 1.0), (2600, 4200), (400, 1500), texture=(0.01, 0.06)),
    Tissue.CALCIFICATION: TissueRange((0.3, 0.6), (900, 1500), (20, 60), texture=(0.1, 0.4)),
}

N_CODES = max(Tissue) + 1


@dataclass(frozen=True, eq=False)
class TissueParameters:
    """One patient's parameters, each an array indexed by tissue code.

    Attributes:
        pd: proton density relative to water.
        t1_ms: T1 without contrast agent.
        t1_gd_ms: T1 with contrast agent.
        t2_ms: T2.
        texture: relative standard deviation of signal within the tissue.
    """

    pd: NDArray[np.float32]
    t1_ms: NDArray[np.float32]
    t1_gd_ms: NDArray[np.float32]
    t2_ms: NDArray[np.float32]
    texture: NDArray[np.float32]


def draw_parameters(rng: np.random.Generator, field_t: float = 3.0, spread: float = 0.0) -> TissueParameters:
    """Draw one patient's tissue parameters.

    Args:
        rng: source of randomness.
        field_t: field strength in tesla; below 2 T, T1 is shortened.
        spread: standard deviation of an extra log-normal factor on every parameter but the T1 of free fluid, 0 for
            none. Training uses more than reality has.

    Example:
        >>> p = draw_parameters(np.random.default_rng(0))
        >>> bool(p.t2_ms[Tissue.VENTRICLE] > p.t2_ms[Tissue.OEDEMA] > p.t2_ms[Tissue.WHITE_MATTER])
        True
    """
    arrays = {name: np.ones(N_CODES, np.float32) for name in ("pd", "t1_ms", "t1_gd_ms", "t2_ms", "texture")}
    shorten = T1_AT_1_5_T if field_t < 2.0 else 1.0

    def draw(low_high: tuple[float, float]) -> float:
        return float(rng.uniform(*low_high) * np.exp(spread * rng.standard_normal()))

    for tissue, ranges in TISSUES.items():
        free = tissue in FREE_FLUID
        arrays["pd"][tissue] = draw(ranges.pd)
        arrays["t1_ms"][tissue] = rng.uniform(*ranges.t1_ms) if free else shorten * draw(ranges.t1_ms)
        arrays["t2_ms"][tissue] = draw(ranges.t2_ms)
        arrays["texture"][tissue] = draw(ranges.texture)
        factor = 1.0 if ranges.gd_t1_factor is None else rng.uniform(*ranges.gd_t1_factor)
        arrays["t1_gd_ms"][tissue] = factor * arrays["t1_ms"][tissue]
    return TissueParameters(**arrays)
