"""The signal of DSC perfusion MRI: what contrast agent does to T1 and T2*, and what an echo-planar sequence sees of it.

Leakage shows by itself: contrast agent outside the vessels shortens T1 (the signal overshoots its baseline) and
lessens the susceptibility difference at vessel walls, while it makes field gradients between cells (the signal does
not recover). No term of a leakage correction is used.

Sources of the relaxation model: Schmainda and Quarles 2009 (gradients at vessel walls and between cells), Kjolby 2006
(44 and 87 /s/mM in tissue at 1.5 and 3 T, which is static dephasing by the molar susceptibility of gadolinium),
Kiselev 2005 (spin echo and vessel size), Akbudak and Conturo 1998 and van Osch 2003 (blood), Rohrer 2005 (T1
relaxivity in plasma).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gliotype.simulate.dsc.kinetics import (
    HAEMATOCRIT,
    Circulation,
    Concentrations,
    Floats,
    Haemodynamics,
    exchange,
)
from gliotype.simulate.tissue import TissueParameters

Curves = NDArray[np.float32]

_DEPHASING_PER_T = 29.1
"""dR2* of vessels in 1/s per mM in tissue and tesla: (4 pi / 3) gamma chi with chi = 0.026e-6 /mM."""
_WATER_UM2_MS = 0.8
_BETWEEN_CELLS_REFOCUSED = 0.7
"""Fraction of the dephasing between cells that a spin echo refocuses; a design value."""


@dataclass(frozen=True)
class DscProtocol:
    """How a DSC series is acquired.

    Attributes:
        tr_s: time between frames.
        te_ms: echo time.
        flip_deg: flip angle of a gradient echo; a spin echo excites by 90 degrees.
        field_t: field strength in tesla.
        frames: how many.
        spin_echo: whether it is a spin-echo series.
        arrival_s: when the bolus arrives in the brain's arteries, from the first frame.
        dose_mmol_per_kg: of contrast agent.
        preload_mmol_per_kg: given minutes before, 0 for none.
        dummies: excitations before the first stored frame.
    """

    tr_s: float = 1.5
    te_ms: float = 35.0
    flip_deg: float = 60.0
    field_t: float = 3.0
    frames: int = 60
    spin_echo: bool = False
    arrival_s: float = 16.0
    dose_mmol_per_kg: float = 0.1
    preload_mmol_per_kg: float = 0.0
    dummies: int = 4

    @property
    def times_s(self) -> Floats:
        """Time of each frame from the first."""
        return np.asarray(np.arange(self.frames) * self.tr_s, dtype=np.float64)

    @property
    def t1_relaxivity(self) -> float:
        """R1 per concentration in water, 1/s/mM: the mean of gadobutrol and gadoterate in plasma at 37 C."""
        return 4.4 if self.field_t < 2.0 else 4.25

    @property
    def blood_t1_ms(self) -> float:
        """T1 of blood (Stanisz 2005; Zhang 2013)."""
        return 1440.0 if self.field_t < 2.0 else 1650.0


PRELOAD_S = 360.0
"""Time between a preload and the bolus."""


def tissue_signal(
    circulation: Circulation, times_s: ArrayLike, tissue: Haemodynamics, protocol: DscProtocol
) -> Curves:
    """Simulate the signal of tissue over its baseline, without noise.

    Args:
        circulation: the arterial input.
        times_s: (t,), from the first frame; 0 or greater.
        tissue: n voxels (1 if every parameter is a number). Its `cbv` is the truth.
        protocol: how it is acquired; its timing is not used.

    Returns:
        S(t)/S0, float32 (n, t), where S0 is the steady state before the bolus (after the preload, if there is one).

    Example:
        >>> times = np.arange(0, 90, 1.5)
        >>> intact = Haemodynamics(cbv=0.02, mtt_s=4.5, t1_ms=900)
        >>> leaky = Haemodynamics(cbv=0.06, mtt_s=6, ps_per_s=0.004, ve=0.3, t1_ms=1500)
        >>> low, high = DscProtocol(flip_deg=30), DscProtocol(flip_deg=90, te_ms=25)
        >>> at = Circulation(16.0, 100.0)
        >>> [round(float(tissue_signal(at, times, intact, p)[0, -1]), 2) for p in (low, high)]
        [0.97, 0.99]
        >>> [round(float(tissue_signal(at, times, leaky, p)[0, -1]), 2) for p in (low, high)]
        [0.83, 1.25]
    """
    agent = exchange(circulation, times_s, tissue)
    residue = preload_residue(circulation, tissue, protocol)
    return relative_signal(agent, residue, tissue, protocol)


def preload_residue(
    circulation: Circulation, tissue: Haemodynamics, protocol: DscProtocol
) -> tuple[Floats, Floats]:
    """Concentration in plasma and between cells that a preload has left when the series begins, in mM, (n, 1) each."""
    if protocol.preload_mmol_per_kg <= 0:
        return np.zeros((1, 1)), np.zeros((1, 1))
    fraction = protocol.preload_mmol_per_kg / protocol.dose_mmol_per_kg
    left = circulation.area_mm_s * circulation.remaining_per_s * np.exp(-PRELOAD_S / circulation.washout_s)
    columns = tissue.columns()
    filled = 1 - np.exp(-columns["ps_per_s"] / columns["ve"] * PRELOAD_S)
    plasma = fraction * left * np.ones((filled.size, 1))
    return plasma, plasma * filled[:, None]


def relative_signal(
    agent: Concentrations, residue: tuple[Floats, Floats], tissue: Haemodynamics, protocol: DscProtocol
) -> Curves:
    """Turn contrast agent in tissue into signal over baseline.

    Args:
        agent: of the bolus.
        residue: of a preload, see `preload_residue`.
        tissue: the same n voxels.
        protocol: how it is acquired.

    Returns:
        float32 (n, t).
    """
    columns = {name: a.astype(np.float32)[:, None] for name, a in tissue.columns().items()}
    before = (residue[0].astype(np.float32), residue[1].astype(np.float32))
    during = (agent.plasma + before[0], agent.extravascular + before[1])
    te_s = np.float32(protocol.te_ms / 1000)
    relaxed = delta_r2(*during, columns, protocol) - delta_r2(*before, columns, protocol)
    now, then = magnetisation(*during, columns, protocol), magnetisation(*before, columns, protocol)
    return np.asarray(now / then * np.exp(-te_s * relaxed), dtype=np.float32)


def magnetisation(
    plasma: Curves, outside: Curves, tissue: dict[str, Curves], protocol: DscProtocol
) -> Curves:
    """Signal before T2* decay, with what contrast agent does to T1.

    Water crosses the wall of a brain capillary too slowly (about 0.5 s) to share the short T1 of blood with the
    tissue, so that vessels and the space around them relax each by themselves; outside the vessels it exchanges fast.
    """
    relaxivity = np.float32(protocol.t1_relaxivity)
    blood = 1000 / np.float32(protocol.blood_t1_ms) + relaxivity * np.float32(1 - HAEMATOCRIT) * plasma
    around = 1000 / tissue["t1_ms"] + relaxivity * tissue["ve"] / (1 - tissue["cbv"]) * outside
    return np.asarray(
        tissue["cbv"] * longitudinal(blood, protocol) + (1 - tissue["cbv"]) * longitudinal(around, protocol)
    )


def delta_r2(plasma: Curves, outside: Curves, tissue: dict[str, Curves], protocol: DscProtocol) -> Curves:
    """Change of R2* (or of R2, in a spin echo) by contrast agent in 1/s.

    Vessels dephase by the difference of concentration at their wall, cells by the concentration between them:
    ``k vp |Cp - Ce| + packing k ve Ce`` (Schmainda and Quarles 2009), k proportional to the field. In a spin echo the
    first term is ``0.909 (cbv D / R^2)^(1/3) (dR2*)^(2/3)`` (Kiselev 2005, solved for R2; R is the vessel radius).
    """
    static = np.float32(_DEPHASING_PER_T * protocol.field_t)
    vessels = static * tissue["cbv"] * np.float32(1 - HAEMATOCRIT) * np.abs(plasma - outside)
    cells = static * tissue["packing"] * tissue["ve"] * outside
    if protocol.spin_echo:
        size = (tissue["cbv"] * np.float32(_WATER_UM2_MS) / tissue["vessel_um"] ** 2) ** np.float32(1 / 3)
        vessels = np.minimum(vessels, 1000 * np.float32(0.909) * size * (vessels / 1000) ** np.float32(2 / 3))
        cells = cells * np.float32(1 - _BETWEEN_CELLS_REFOCUSED)
    return np.asarray(vessels + cells)


def longitudinal(r1_per_s: Curves, protocol: DscProtocol) -> Curves:
    """Steady-state signal before T2* decay: Ernst's for a gradient echo, saturation recovery for a spin echo.

    Example:
        >>> r1 = np.array([1 / 0.9, 1 / 1.5], np.float32)
        >>> [round(float(s), 3) for s in longitudinal(r1, DscProtocol(flip_deg=90))]
        [0.811, 0.632]
    """
    e1 = np.exp(-np.float32(protocol.tr_s) * r1_per_s)
    if protocol.spin_echo:
        half_echo = np.exp(-np.float32(protocol.tr_s - protocol.te_ms / 2000) * r1_per_s)
        return np.asarray(1 - 2 * half_echo + e1)
    angle = np.radians(protocol.flip_deg)
    return np.asarray(np.float32(np.sin(angle)) * (1 - e1) / (1 - np.float32(np.cos(angle)) * e1))


def artery_signal(plasma: ArrayLike, protocol: DscProtocol) -> Curves:
    """Simulate the signal of arterial blood over its baseline; blood flows in fresh, so that T1 does not count.

    R2* of blood grows with the square of concentration: ``7.62 C + 0.574 C^2`` at 1.5 T and ``0.493 C + 2.62 C^2`` at
    3 T (C in whole blood, mM). A spin echo refocuses most of the square term.

    Args:
        plasma: concentration in plasma, mM.
        protocol: how it is acquired.
    """
    blood = np.asarray(plasma, dtype=np.float32) * np.float32(1 - HAEMATOCRIT)
    linear, square = (7.62, 0.574) if protocol.field_t < 2.0 else (0.493, 2.62)
    if protocol.spin_echo:
        square *= 1 - _BETWEEN_CELLS_REFOCUSED
    return np.exp(-np.float32(protocol.te_ms / 1000) * (linear * blood + square * blood**2)).astype(
        np.float32
    )


def baseline_signal(parameters: TissueParameters, protocol: DscProtocol) -> Curves:
    """Steady-state signal of each tissue before the bolus, by tissue code; T2* is taken as 0.6 T2."""
    r1 = (1000 / np.maximum(parameters.t1_ms, 1.0)).astype(np.float32)
    t2_ms = parameters.t2_ms if protocol.spin_echo else 0.6 * parameters.t2_ms
    return np.asarray(parameters.pd * longitudinal(r1, protocol) * np.exp(-protocol.te_ms / t2_ms))


def blood_signal(protocol: DscProtocol) -> float:
    """Signal of blood in a large vessel before the bolus; it flows in fresh, and a spin echo loses most of it.

    T2* of oxygenated blood is about 50 ms at 3 T and 100 ms at 1.5 T.

    Example:
        >>> round(blood_signal(DscProtocol(te_ms=35, flip_deg=60)), 2)
        0.37
    """
    t2_ms = 100.0 if protocol.field_t < 2.0 else 50.0
    excited = 0.3 if protocol.spin_echo else np.sin(np.radians(protocol.flip_deg))
    return float(0.85 * excited * np.exp(-protocol.te_ms / t2_ms))


def dephase_near_vessels(blood_volume: ArrayLike, plasma: ArrayLike, protocol: DscProtocol) -> Curves:
    """Signal over baseline of tissue next to a large vessel, which dephases it as a blood volume within would.

    Args:
        blood_volume: ml/ml.
        plasma: concentration in the vessel's plasma, mM.
        protocol: how it is acquired.
    """
    blood = np.asarray(plasma, dtype=np.float32) * np.float32(1 - HAEMATOCRIT)
    rate = _DEPHASING_PER_T * protocol.field_t * (1 - _BETWEEN_CELLS_REFOCUSED if protocol.spin_echo else 1.0)
    volume = np.asarray(blood_volume, dtype=np.float32)
    return np.exp(-np.float32(protocol.te_ms / 1000 * rate) * volume * blood).astype(np.float32)
