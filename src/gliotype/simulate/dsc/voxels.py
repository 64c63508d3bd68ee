"""Voxel curves of a DSC series without a grid: what a network on curves is trained on, a patient in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gliotype.simulate.dsc.kinetics import Circulation, Floats, Haemodynamics, draw_circulation, exchange
from gliotype.simulate.dsc.noise import add_noise, equilibrium_factor, fluctuate
from gliotype.simulate.dsc.protocols import DscSite, draw_dsc_protocol
from gliotype.simulate.dsc.signal import (
    Curves,
    DscProtocol,
    artery_signal,
    baseline_signal,
    preload_residue,
    relative_signal,
)
from gliotype.simulate.dsc.tissue import (
    TissuePerfusion,
    draw_deviates,
    draw_tissue_perfusion,
)
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan, draw_plan, solid_tissue
from gliotype.simulate.tissue import Tissue, draw_parameters

VOXEL_ML = 0.0162
"""Volume of a voxel of 1.8 x 1.8 x 5 mm."""

MIN_VOXELS = 20
"""A region of the tumour with fewer is taken as missing."""


class VoxelRegion(IntEnum):
    """To which region a mask assigns a voxel; those of the tumour are as in `gliotype.study.Label`."""

    NON_ENHANCING = 1
    OEDEMA = 2
    ENHANCING = 3
    WHITE_MATTER = 4
    GREY_MATTER = 5
    ARTERY = 6


@dataclass(frozen=True, eq=False)
class VoxelCurves:
    """Curves of voxels of one simulated patient, and the truth.

    Attributes:
        signal: float32 (n, t), scanner units, all that the scanner adds included.
        region: uint8 (n,), `VoxelRegion` of each voxel as an imperfect mask has it.
        tissue: uint8 (n,), what most of the voxel is (`gliotype.simulate.tissue.Tissue`).
        cbv: (n,), true blood volume of the voxel, ml/ml; NaN in arteries.
        protocol: how it was acquired.
        circulation: the true arterial input.
        plan: the tumour.
        perfusion: of each tissue of the patient.
        snr: signal of white matter over noise.
    """

    signal: Curves
    region: NDArray[np.uint8]
    tissue: NDArray[np.uint8]
    cbv: Floats
    protocol: DscProtocol
    circulation: Circulation
    plan: TumourPlan
    perfusion: Mapping[Tissue, TissuePerfusion]
    snr: float

    @property
    def times_s(self) -> Floats:
        """Time of each frame from the first, (t,)."""
        return self.protocol.times_s

    def of(self, region: VoxelRegion) -> Curves:
        """Curves of one region's voxels, (m, t); none where the patient lacks the region."""
        return np.asarray(self.signal[self.region == region])


def draw_perfusion_patient(
    rng: np.random.Generator, glioma: GliomaType | TumourPlan, site: DscSite | DscProtocol
) -> VoxelCurves:
    """Draw a patient with a glioma, and the curves of voxels of its tumour, healthy brain and arteries.

    Each sub-region of the tumour that the patient has gives 150 to 400 voxels (fewer where it is small), white and grey
    matter 400 each, arteries 60.

    Args:
        rng: source of randomness.
        glioma: class of tumour, or its plan.
        site: where it is scanned, or how.

    Example:
        >>> from gliotype.simulate.dsc.protocols import DSC_SITES
        >>> rng = np.random.default_rng(0)
        >>> found = draw_perfusion_patient(rng, GliomaType.GLIOBLASTOMA, DSC_SITES["snuh"])
        >>> found.signal.shape[1], found.of(VoxelRegion.WHITE_MATTER).shape, found.of(VoxelRegion.ARTERY).shape
        (60, (400, 60), (60, 60))
    """
    plan = draw_plan(rng, glioma) if isinstance(glioma, GliomaType) else glioma
    protocol = draw_dsc_protocol(rng, site) if isinstance(site, DscSite) else site
    parameters = draw_parameters(rng, protocol.field_t)
    perfusion = draw_tissue_perfusion(rng, plan, parameters)
    circulation = draw_circulation(
        rng, arrival_s=protocol.arrival_s, dose_mmol_per_kg=protocol.dose_mmol_per_kg
    )
    region, tissue = _composition(rng, plan)
    haemodynamics = _haemodynamics(rng, perfusion, tissue)
    agent = exchange(circulation, protocol.times_s, haemodynamics)
    signal = relative_signal(
        agent, preload_residue(circulation, haemodynamics, protocol), haemodynamics, protocol
    )
    strength = baseline_signal(parameters, protocol)
    signal = strength[tissue][:, None] * signal * equilibrium_factor(haemodynamics, protocol)
    signal, cbv = _mix(rng, signal, haemodynamics.columns()["cbv"], region)
    arteries = _arteries(rng, circulation, protocol, strength, signal[region == VoxelRegion.GREY_MATTER])
    everything = np.concatenate([signal, arteries])
    snr = float(rng.uniform(*(site.snr if isinstance(site, DscSite) else (30.0, 80.0))))
    white = float(strength[Tissue.WHITE_MATTER])
    everything = add_noise(rng, fluctuate(rng, everything, protocol.times_s), white / snr)
    gain = rng.uniform(300.0, 1500.0) / white
    n = len(arteries)
    return VoxelCurves(
        signal=(gain * everything).astype(np.float32),
        region=np.append(region, np.full(n, VoxelRegion.ARTERY, np.uint8)),
        tissue=np.append(tissue, np.full(n, Tissue.VESSEL, np.uint8)),
        cbv=np.append(cbv, np.full(n, np.nan)),
        protocol=protocol,
        circulation=circulation,
        plan=plan,
        perfusion=perfusion,
        snr=snr,
    )


_NEIGHBOURS: Mapping[VoxelRegion, tuple[Tissue, ...]] = {
    VoxelRegion.OEDEMA: (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF),
    VoxelRegion.WHITE_MATTER: (Tissue.GREY_MATTER, Tissue.WM_LESION),
    VoxelRegion.GREY_MATTER: (Tissue.WHITE_MATTER, Tissue.CSF),
}


def _composition(rng: np.random.Generator, plan: TumourPlan) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw the voxels of the regions: their region by the mask and their true region, both (n,)."""
    core = plan.core_fraction * plan.volume_ml
    fractions = {
        VoxelRegion.ENHANCING: core * plan.enhancing_fraction,
        VoxelRegion.NON_ENHANCING: core * (1 - plan.enhancing_fraction),
        VoxelRegion.OEDEMA: plan.volume_ml * (1 - plan.core_fraction),
    }
    counts = {
        region: min(int(ml / VOXEL_ML), int(rng.integers(150, 401))) for region, ml in fractions.items()
    }
    counts = {region: n if n >= MIN_VOXELS else 0 for region, n in counts.items()}
    counts |= {VoxelRegion.WHITE_MATTER: 400, VoxelRegion.GREY_MATTER: 400}
    regions, tissues = [], []
    for region, n in counts.items():
        kinds, fraction = _tissues(region, plan)
        drawn = rng.choice(kinds, n, p=fraction / fraction.sum())
        neighbours = _NEIGHBOURS.get(region, _beside(region, plan))
        wrong = rng.random(n) < rng.uniform(0.0, 0.15)
        drawn = np.where(wrong, rng.choice(neighbours, n), drawn)
        regions.append(np.full(n, region, np.uint8))
        tissues.append(drawn.astype(np.uint8))
    return np.concatenate(regions), np.concatenate(tissues)


def _tissues(region: VoxelRegion, plan: TumourPlan) -> tuple[list[Tissue], Floats]:
    """What a region is made of, and in what fractions."""
    single = {
        VoxelRegion.ENHANCING: Tissue.ENHANCING,
        VoxelRegion.OEDEMA: Tissue.OEDEMA,
        VoxelRegion.WHITE_MATTER: Tissue.WHITE_MATTER,
        VoxelRegion.GREY_MATTER: Tissue.GREY_MATTER,
    }
    if region in single:
        return [single[region]], np.ones(1)
    dead = min(plan.necrotic_fraction, 1 - plan.enhancing_fraction)
    solid = max(1 - plan.enhancing_fraction - dead - plan.calcified_fraction, 0.02)
    inner = 0.7 * solid if plan.mismatch else 0.0
    return (
        [
            Tissue.CYST if plan.cystic else Tissue.NECROSIS,
            Tissue.CALCIFICATION,
            Tissue.MISMATCH_CORE,
            solid_tissue(plan),
        ],
        np.array([dead, plan.calcified_fraction, inner, solid - inner]),
    )


def _beside(region: VoxelRegion, plan: TumourPlan) -> tuple[Tissue, ...]:
    """What borders on a region of the tumour's core."""
    if region is VoxelRegion.ENHANCING:
        return solid_tissue(plan), Tissue.NECROSIS if plan.necrotic_fraction > 0 else Tissue.OEDEMA
    return (Tissue.OEDEMA, *((Tissue.ENHANCING,) if plan.enhancing_fraction > 0 else ()))


def _haemodynamics(
    rng: np.random.Generator, perfusion: Mapping[Tissue, TissuePerfusion], tissue: NDArray[np.uint8]
) -> Haemodynamics:
    """Parameters of each voxel by its tissue."""
    whole: dict[str, Floats] = {}
    for kind in np.unique(tissue):
        here = tissue == kind
        drawn = perfusion[Tissue(kind)].voxels(draw_deviates(rng, int(here.sum())))
        for name, values in drawn.columns().items():
            whole.setdefault(name, np.empty(tissue.size))[here] = values
    return Haemodynamics(**whole)


def _mix(
    rng: np.random.Generator, signal: Curves, cbv: Floats, region: NDArray[np.uint8]
) -> tuple[Curves, Floats]:
    """Mix some voxels with another voxel of the patient, or with white matter."""
    n = len(signal)
    white = np.flatnonzero(region == VoxelRegion.WHITE_MATTER)
    other = np.where(rng.random(n) < 0.6, rng.permutation(n), rng.choice(white, n))
    part = np.where(rng.random(n) < 0.35, rng.uniform(0.0, 0.4, n), 0.0).astype(np.float32)
    mixed = signal + part[:, None] * (signal[other] - signal)
    return mixed, cbv + part * (cbv[other] - cbv)


def _arteries(
    rng: np.random.Generator, circulation: Circulation, protocol: DscProtocol, strength: Curves, grey: Curves
) -> Curves:
    """Voxels that arteries fill in part, at the end of the branches later than at their origin, (60, t)."""
    n = 60
    delay = rng.uniform(0.0, 0.6, n)[:, None]
    filled = rng.beta(1.5, 1.5, n)[:, None]
    blood = artery_signal(circulation.plasma(protocol.times_s[None, :] - delay), protocol)
    around = grey[rng.choice(len(grey), n)]
    return np.asarray(filled * strength[Tissue.VESSEL] * blood + (1 - filled) * around, dtype=np.float32)
