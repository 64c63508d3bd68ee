"""Tumours that grow through tissue, and their sub-regions.

A tumour starts at a seed and spreads fastest along white matter, slowly through grey matter, and not through
ventricles, sulci, falx or skull. The arrival time of that front orders the voxels; sub-regions are levels of it,
roughened by noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.lesion.spread import GLIOMA_SPEED, arrival_time, efface_sulci
from gliotype.simulate.tissue import Tissue
from gliotype.study import Label


class GliomaType(StrEnum):
    """Classes of adult diffuse glioma that imaging can distinguish (WHO 2021)."""

    GLIOBLASTOMA = "glioblastoma, IDH-wildtype"
    WILDTYPE_LOWER_GRADE = "diffuse glioma grade 2-3, IDH-wildtype"
    ASTROCYTOMA = "astrocytoma, IDH-mutant"
    OLIGODENDROGLIOMA = "oligodendroglioma, IDH-mutant and 1p/19q-codeleted"

    @property
    def idh_mutant(self) -> bool:
        """Whether the class carries an IDH mutation."""
        return self in (GliomaType.ASTROCYTOMA, GliomaType.OLIGODENDROGLIOMA)


@dataclass(frozen=True)
class TumourPlan:
    """Properties of one tumour to be simulated.

    Attributes:
        type: class of glioma.
        grade: WHO grade, 2 to 4.
        volume_ml: of the whole tumour.
        core_fraction: fraction of the whole that is tumour core (the rest is oedema and infiltrated tissue).
        necrotic_fraction: fraction of the core that is necrotic or cystic.
        cystic: whether that fraction is one smooth cyst of clear fluid.
        enhancing_fraction: fraction of the core that enhances.
        enhancement: how fully enhancing tissue has replaced the healthy one, 0 to 1: less is a fainter enhancement.
        mismatch: whether the non-enhancing core has the relaxation times of the T2-FLAIR mismatch sign.
        calcified_fraction: fraction of the core that is calcified.
        seeds: number of foci.
        roughness: standard deviation of the log-speed of spread: 0 gives smooth tumours.
        edge_mm: width over which infiltration fades at the border.
        conspicuity: how far infiltrated tissue differs from healthy tissue, 0 to 1.
        push_mm: displacement of tissue by the mass.
        patchiness: how far infiltration thins out locally, 0 to 1.
        effacement_mm: width of the sulci that the swollen gyri around them close.
    """

    type: GliomaType
    grade: int
    volume_ml: float
    core_fraction: float
    necrotic_fraction: float
    cystic: bool
    enhancing_fraction: float
    enhancement: float
    mismatch: bool
    calcified_fraction: float
    seeds: int
    roughness: float
    edge_mm: float
    conspicuity: float
    push_mm: float
    patchiness: float
    effacement_mm: float


@dataclass(frozen=True)
class _Class:
    """What is published about a class of glioma in one grade.

    Attributes:
        proportion: of the class's tumours that have this grade.
        enhances: proportion with enhancement.
        ln_ml: mean and standard deviation of the log of the volume in ml.
        necrotic: proportion with necrosis.
        oedema: range of the fraction of the whole tumour that is oedema, or None for glioblastoma's own distribution.
        enhancing: range of the fraction of the whole tumour that enhances, in tumours that do, small ones more often;
            None likewise.
    """

    proportion: float
    enhances: float
    ln_ml: tuple[float, float]
    necrotic: float
    oedema: tuple[float, float] | None
    enhancing: tuple[float, float] | None


_CLASSES: dict[GliomaType, dict[int, _Class]] = {
    GliomaType.GLIOBLASTOMA: {4: _Class(1.0, 0.97, (4.30, 0.74), 0.91, None, None)},
    GliomaType.WILDTYPE_LOWER_GRADE: {
        2: _Class(0.42, 0.38, (3.9, 1.2), 0.04, (0.35, 0.85), (0.008, 0.06)),
        3: _Class(0.58, 0.55, (3.2, 1.1), 0.04, (0.35, 0.85), (0.02, 0.25)),
    },
    GliomaType.ASTROCYTOMA: {
        2: _Class(0.39, 0.15, (3.9, 0.85), 0.04, (0.2, 0.65), (0.008, 0.06)),
        3: _Class(0.30, 0.45, (4.5, 0.75), 0.04, (0.2, 0.65), (0.008, 0.15)),
        4: _Class(0.31, 0.85, (4.55, 0.75), 0.56, (0.3, 0.85), (0.02, 0.35)),
    },
    GliomaType.OLIGODENDROGLIOMA: {
        2: _Class(0.7, 0.25, (3.5, 0.95), 0.04, (0.2, 0.65), (0.008, 0.06)),
        3: _Class(0.3, 0.60, (4.6, 0.75), 0.04, (0.2, 0.65), (0.008, 0.15)),
    },
}
_CYSTIC = {
    GliomaType.GLIOBLASTOMA: 0.04,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.04,
    GliomaType.ASTROCYTOMA: 0.20,
    GliomaType.OLIGODENDROGLIOMA: 0.12,
}
_CALCIFIED = {
    GliomaType.GLIOBLASTOMA: 0.024,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.024,
    GliomaType.ASTROCYTOMA: 0.05,
    GliomaType.OLIGODENDROGLIOMA: 0.42,
}
_MISMATCH = {
    GliomaType.GLIOBLASTOMA: (0.01, 0.004),
    GliomaType.WILDTYPE_LOWER_GRADE: (0.01, 0.01),
    GliomaType.ASTROCYTOMA: (0.45, 0.22),
    GliomaType.OLIGODENDROGLIOMA: (0.07, 0.03),
}
"""Proportion with the mismatch sign among tumours that do not enhance, and among those that do."""

_MISMATCH_CORE = (0.7, 0.95)
"""Least fraction of the whole that is core where the sign is there: such tumours have a rim, and little oedema."""

_GLIOBLASTOMA_CORE, _GLIOBLASTOMA_ENHANCING = (2.0, 3.4), (3.8, 1.6)
"""Beta distributions of the core's fraction of the whole and of the enhancing fraction of the core (BraTS 2021)."""


def draw_plan(rng: np.random.Generator, glioma: GliomaType) -> TumourPlan:
    """Draw what a tumour of a class is like, from the published frequencies.

    Sources: UCSF-PDGM, UPENN-GBM and TCGA (volumes, grades, parts), reviews (enhancement, necrosis, calcification),
    meta-analyses of the mismatch sign and ReSPOND (mismatch, cysts and foci of grade 4).

    Example:
        >>> plan = draw_plan(np.random.default_rng(1), GliomaType.GLIOBLASTOMA)
        >>> plan.grade, plan.mismatch
        (4, False)
    """
    classes = _CLASSES[glioma]
    grade = int(rng.choice(list(classes), p=[c.proportion for c in classes.values()]))
    published = classes[grade]
    mean, sd = published.ln_ml
    cystic = bool(rng.random() < _CYSTIC[glioma])
    necrotic = rng.random() < published.necrotic
    enhances = bool(rng.random() < published.enhances)
    mismatch = bool(rng.random() < _MISMATCH[glioma][enhances])
    core, enhancing = _draw_parts(rng, published)
    core = max(core, float(rng.uniform(*_MISMATCH_CORE))) if mismatch else core
    enhancing = enhancing if enhances else 0.0
    return TumourPlan(
        type=glioma,
        grade=grade,
        volume_ml=float(np.clip(np.exp(mean + sd * rng.standard_normal()), 4.0, 280.0)),
        core_fraction=core,
        necrotic_fraction=_draw_necrosis(rng, grade, cystic, enhancing) if necrotic or cystic else 0.0,
        cystic=cystic,
        enhancing_fraction=enhancing,
        enhancement=float(
            rng.uniform(*((0.65, 1.0) if grade == 4 and not glioma.idh_mutant else (0.4, 0.9)))
        ),
        mismatch=mismatch,
        calcified_fraction=float(rng.uniform(0.01, 0.08) if rng.random() < _CALCIFIED[glioma] else 0.0),
        seeds=1 + int(rng.random() < (0.03 if glioma.idh_mutant else 0.15)),
        roughness=float(rng.uniform(0.1, 0.5) if glioma.idh_mutant else rng.uniform(0.2, 0.7)),
        edge_mm=float(rng.uniform(1.0, 6.0)),
        conspicuity=float(rng.uniform(0.85 if glioma.idh_mutant else 0.8, 1.0)),
        push_mm=float(rng.uniform(0.0, 6.0)),
        patchiness=float(rng.uniform(0.0, 0.2 if glioma.idh_mutant else 0.4)),
        effacement_mm=float(rng.uniform(0.0, 10.0)),
    )


def _draw_parts(rng: np.random.Generator, published: _Class) -> tuple[float, float]:
    """Draw the core's fraction of the whole, and the fraction of the core that enhances if it does."""
    if published.oedema is None or published.enhancing is None:
        core = float(np.clip(rng.beta(*_GLIOBLASTOMA_CORE), 0.05, 0.95))
        return core, float(np.clip(rng.beta(*_GLIOBLASTOMA_ENHANCING), 0.1, 0.97))
    core = 1.0 - float(rng.uniform(*published.oedema))
    low, high = np.log(published.enhancing)
    return core, min(0.9, float(np.exp(rng.uniform(low, high))) / core)


def _draw_necrosis(rng: np.random.Generator, grade: int, cystic: bool, enhancing: float) -> float:
    """Draw the fraction of the core that is necrosis or cyst, within what does not enhance."""
    low, high = (0.2, 1.0) if grade == 4 or cystic else (0.05, 0.3)
    return float(rng.uniform(low, high)) * min(1.0 - enhancing, 0.6)


@dataclass(frozen=True, eq=False)
class TumourMap:
    """A tumour on a grid.

    Attributes:
        compartment: uint8 tissue codes of tumour tissue; 0 where there is none.
        infiltration: 0 to 1, how far tumour tissue has replaced the healthy one.
        labels: uint8 truth (`gliotype.study.Label`).
    """

    compartment: NDArray[np.uint8]
    infiltration: NDArray[np.float32]
    labels: NDArray[np.uint8]


def grow(
    rng: np.random.Generator,
    tissue: NDArray[np.uint8],
    seeds: NDArray[np.intp],
    spacing_mm: float,
    plan: TumourPlan,
) -> TumourMap:
    """Grow a planned tumour from its seeds.

    Args:
        rng: source of randomness.
        tissue: healthy tissue codes of the (already pushed) head.
        seeds: (n, 3) voxel indices, one per focus.
        spacing_mm: isotropic voxel size.
        plan: properties of the tumour.
    """
    shape = tissue.shape
    speed = plan.roughness * (
        smooth_noise(rng, shape, 10 / spacing_mm) + 0.6 * smooth_noise(rng, shape, 4 / spacing_mm)
    )
    time = arrival_time(tissue, seeds, spacing_mm, speed.astype(np.float32), GLIOMA_SPEED)
    wanted = round(plan.volume_ml * 1000 / spacing_mm**3)
    reachable = np.sort(time[time < 150])
    if reachable.size == 0:
        empty = np.zeros(shape, np.uint8)
        return TumourMap(empty, empty.astype(np.float32), empty)
    edge = float(reachable[min(wanted, reachable.size) - 1])
    time = efface_sulci(time, edge, tissue, plan.effacement_mm / spacing_mm)
    # The border that an expert draws lies where infiltration becomes visible, not where it is half.
    infiltration = 1 / (1 + np.exp(np.clip((time - edge) * 4 / plan.edge_mm + 1.0, -30, 30)))
    whole = (time <= edge) & (time < 150)
    compartment = _compartments(rng, time / max(edge, 1e-3), whole, spacing_mm, plan)
    infiltration = np.where(compartment == Tissue.OEDEMA, infiltration * plan.conspicuity, infiltration)
    thinning = np.clip(smooth_noise(rng, shape, 6 / spacing_mm), 0.0, 1.5) / 1.5
    infiltration = infiltration * (1 - plan.patchiness * thinning)
    solid = np.isin(compartment, [Tissue.NECROSIS, Tissue.CYST, Tissue.CALCIFICATION])
    infiltration = np.where(solid, 1.0, infiltration)
    infiltration = np.where(compartment == Tissue.ENHANCING, plan.enhancement, infiltration).astype(
        np.float32
    )
    outer = (compartment == 0) & (infiltration > 0.01)
    rim = Tissue.OEDEMA if plan.core_fraction < 0.9 else _core_tissue(plan)
    labels = np.zeros(shape, np.uint8)
    labels[whole] = Label.CORE
    labels[compartment == Tissue.OEDEMA] = Label.OEDEMA
    labels[compartment == Tissue.ENHANCING] = Label.ENHANCING
    compartment = np.where(outer, np.uint8(rim), compartment)
    return TumourMap(compartment, np.where(compartment > 0, infiltration, np.float32(0)), labels)


def solid_tissue(plan: TumourPlan) -> Tissue:
    """Name the solid tissue of a tumour, except for the core of one with mismatch."""
    if plan.type is GliomaType.ASTROCYTOMA:
        return Tissue.ASTROCYTOMA
    if plan.type is GliomaType.OLIGODENDROGLIOMA:
        return Tissue.OLIGODENDROGLIOMA
    return Tissue.NON_ENHANCING_WILDTYPE


def _core_tissue(plan: TumourPlan) -> Tissue:
    return Tissue.MISMATCH_CORE if plan.mismatch else solid_tissue(plan)


def _compartments(
    rng: np.random.Generator,
    depth: NDArray[np.float32],
    whole: NDArray[np.bool_],
    spacing_mm: float,
    plan: TumourPlan,
) -> NDArray[np.uint8]:
    """Divide the whole tumour among its tissues, from the middle outwards."""
    shape = depth.shape
    compartment = np.zeros(shape, np.uint8)
    compartment[whole] = Tissue.OEDEMA
    rough = (
        depth
        + 0.12 * smooth_noise(rng, shape, 6 / spacing_mm)
        + 0.06 * smooth_noise(rng, shape, 2.5 / spacing_mm)
    )
    core = whole & (rough <= np.quantile(rough[whole], plan.core_fraction)) if whole.any() else whole
    compartment[core] = _core_tissue(plan)
    if plan.mismatch:  # a rim of ordinary tumour around the mismatch core
        inner = ndimage.binary_erosion(core, iterations=max(1, round(4 / spacing_mm)))
        compartment[core & ~inner] = solid_tissue(plan)
    if not core.any():
        return compartment
    if plan.cystic:
        patchy = depth + 0.15 * smooth_noise(rng, shape, 14 / spacing_mm)
    else:
        patchy = rough + rng.uniform(0.05, 0.3) * smooth_noise(rng, shape, 7 / spacing_mm)
    middle = (
        core & (patchy <= np.quantile(patchy[core], plan.necrotic_fraction)) & (plan.necrotic_fraction > 0)
    )
    compartment[middle] = Tissue.CYST if plan.cystic else Tissue.NECROSIS
    if plan.enhancing_fraction > 0:
        if middle.any():  # a ring around the necrosis
            order = ndimage.distance_transform_edt(~middle) * spacing_mm + 2.5 * smooth_noise(
                rng, shape, 5 / spacing_mm
            )
        else:
            order = -smooth_noise(rng, shape, rng.uniform(4, 12) / spacing_mm) + 0.5 * rough
        rest = core & ~middle
        if rest.any():
            fraction = min(1.0, plan.enhancing_fraction / max(1e-3, 1 - plan.necrotic_fraction))
            compartment[rest & (order <= np.quantile(order[rest], fraction))] = Tissue.ENHANCING
    if plan.calcified_fraction > 0:
        spots = smooth_noise(rng, shape, 2.5 / spacing_mm)
        compartment[core & (spots >= np.quantile(spots[core], 1 - plan.calcified_fraction))] = (
            Tissue.CALCIFICATION
        )
    return compartment
