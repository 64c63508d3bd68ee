"""Tumours that grow through tissue, and their sub-regions.

A tumour starts at a seed and spreads fastest along white matter, slowly through grey matter, and not through
ventricles, sulci, falx or skull. The arrival time of that front orders the voxels; sub-regions are levels of it,
roughened by noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from gliotype.simulate.fields import smooth_noise
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
    mismatch: bool
    calcified_fraction: float
    seeds: int
    roughness: float
    edge_mm: float
    conspicuity: float
    push_mm: float
    patchiness: float
    effacement_mm: float


_ENHANCES = {
    (GliomaType.GLIOBLASTOMA, 4): 0.97,
    (GliomaType.WILDTYPE_LOWER_GRADE, 2): 0.38,
    (GliomaType.WILDTYPE_LOWER_GRADE, 3): 0.55,
    (GliomaType.ASTROCYTOMA, 2): 0.15,
    (GliomaType.ASTROCYTOMA, 3): 0.45,
    (GliomaType.ASTROCYTOMA, 4): 0.85,
    (GliomaType.OLIGODENDROGLIOMA, 2): 0.25,
    (GliomaType.OLIGODENDROGLIOMA, 3): 0.60,
}
_CYSTIC = {
    GliomaType.GLIOBLASTOMA: 0.06,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.06,
    GliomaType.ASTROCYTOMA: 0.20,
    GliomaType.OLIGODENDROGLIOMA: 0.12,
}
_GRADES: dict[GliomaType, dict[int, float]] = {
    GliomaType.GLIOBLASTOMA: {4: 1.0},
    GliomaType.WILDTYPE_LOWER_GRADE: {2: 0.42, 3: 0.58},
    GliomaType.ASTROCYTOMA: {2: 0.39, 3: 0.30, 4: 0.31},
    GliomaType.OLIGODENDROGLIOMA: {2: 0.7, 3: 0.3},
}


def draw_plan(rng: np.random.Generator, glioma: GliomaType) -> TumourPlan:
    """Draw what a tumour of a class is like, from the published frequencies.

    Sources: UCSF-PDGM (volumes, grades, enhancement), Severance (volumes), the meta-analyses of the mismatch sign.

    Example:
        >>> plan = draw_plan(np.random.default_rng(1), GliomaType.GLIOBLASTOMA)
        >>> plan.grade, plan.mismatch
        (4, False)
    """
    grades = _GRADES[glioma]
    grade = int(rng.choice(list(grades), p=list(grades.values())))
    mean, sd = (4.01, 1.03) if glioma.idh_mutant else (4.24, 0.86)
    high = glioma is GliomaType.GLIOBLASTOMA
    oedema = rng.uniform(*_oedema_fraction(glioma, grade))
    cystic = rng.random() < _CYSTIC[glioma]
    necrotic = rng.random() < {4: 0.88 if high else 0.45}.get(grade, 0.04)
    enhances = rng.random() < _ENHANCES[glioma, grade]
    mismatch_rate = 0.26 if grade == 4 else 0.42
    return TumourPlan(
        type=glioma,
        grade=grade,
        volume_ml=float(np.clip(np.exp(mean + sd * rng.standard_normal()), 4.0, 280.0)),
        core_fraction=float(1.0 - oedema),
        necrotic_fraction=float(
            rng.uniform(*(0.1, 0.6) if grade == 4 or cystic else (0.05, 0.3)) if necrotic or cystic else 0.0
        ),
        cystic=cystic,
        enhancing_fraction=float(
            min(0.9, rng.uniform(*_enhancing_fraction(glioma, grade)) / (1.0 - oedema)) if enhances else 0.0
        ),
        mismatch=glioma is GliomaType.ASTROCYTOMA and rng.random() < mismatch_rate,
        calcified_fraction=float(
            rng.uniform(0.01, 0.08) if glioma is GliomaType.OLIGODENDROGLIOMA and rng.random() < 0.5 else 0.0
        ),
        seeds=1 + int(rng.random() < (0.03 if glioma.idh_mutant else 0.15)),
        roughness=float(rng.uniform(0.1, 0.5) if glioma.idh_mutant else rng.uniform(0.2, 0.7)),
        edge_mm=float(rng.uniform(1.0, 6.0)),
        conspicuity=float(rng.uniform(0.7, 1.0)),
        push_mm=float(rng.uniform(0.0, 6.0)),
        patchiness=float(rng.uniform(0.0, 0.4)),
        effacement_mm=float(rng.uniform(0.0, 10.0)),
    )


def _oedema_fraction(glioma: GliomaType, grade: int) -> tuple[float, float]:
    """Range of the fraction of the whole tumour that is oedema."""
    if glioma is GliomaType.GLIOBLASTOMA:
        return 0.5, 0.75
    if glioma.idh_mutant:
        return (0.2, 0.6) if grade == 4 else (0.05, 0.4)
    return 0.3, 0.7


def _enhancing_fraction(glioma: GliomaType, grade: int) -> tuple[float, float]:
    """Range of the fraction of the whole tumour that enhances, in tumours that do."""
    if glioma is GliomaType.GLIOBLASTOMA:
        return 0.10, 0.35
    return {2: (0.01, 0.06), 3: (0.02, 0.15), 4: (0.03, 0.25)}[grade]


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


GLIOMA_SPEED = {
    Tissue.WHITE_MATTER: 1.0,
    Tissue.WM_LESION: 1.0,
    Tissue.DEEP_GREY: 0.45,
    Tissue.GREY_MATTER: 0.5,
    Tissue.BRAINSTEM: 0.4,
    Tissue.CSF: 0.08,
}
"""How fast glioma spreads through each tissue, relative to white matter."""


def arrival_time(
    tissue: NDArray[np.uint8],
    seeds: NDArray[np.intp],
    spacing_mm: float,
    log_speed: NDArray[np.float32],
    tissue_speed: Mapping[Tissue, float],
) -> NDArray[np.float32]:
    """Time at which a tumour front that starts at the seeds reaches each voxel.

    Shortest paths over the 26-neighbourhood of a grid of half the resolution, interpolated back.

    Args:
        tissue: tissue codes.
        seeds: (n, 3) voxel indices.
        spacing_mm: isotropic voxel size.
        log_speed: log of a local factor on the speed of spread.
        tissue_speed: speed in each tissue; 0 in those that are not named.

    Returns:
        Times in mm of white matter; a large number where the front does not come.
    """
    speeds = np.zeros(max(Tissue) + 1, np.float32)
    for kind, value in tissue_speed.items():
        speeds[kind] = value
    speed = (speeds[tissue] * np.exp(log_speed))[::2, ::2, ::2]
    inside = speed > 0
    number = np.full(speed.shape, -1, np.int64)
    number[inside] = np.arange(int(inside.sum()))
    rows, columns, costs = [], [], []
    for step in [
        (i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)
    ]:
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, speed.shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, speed.shape, strict=True))
        both = inside[here] & inside[there]
        rows.append(number[here][both])
        columns.append(number[there][both])
        length = 2 * spacing_mm * float(np.linalg.norm(step))
        costs.append(length * 0.5 * (1 / speed[here][both] + 1 / speed[there][both]))
    edges = (np.concatenate(rows), np.concatenate(columns))
    graph = sparse.csr_matrix((np.concatenate(costs), edges), shape=(inside.sum(),) * 2)
    starts = number[tuple((seeds // 2).T)]
    time = csgraph.dijkstra(
        graph, directed=False, indices=np.unique(starts[starts >= 0]), min_only=True, limit=150.0
    )
    coarse = np.full(speed.shape, 1e3, np.float32)
    coarse[inside] = np.where(np.isfinite(time), time, 1e3)
    filled = ndimage.minimum_filter(coarse, 3)
    coarse = np.where(inside, coarse, filled)
    doubled = enlarge_linear(coarse, tissue.shape)
    return np.where(speeds[tissue] > 0, doubled, np.float32(1e3))


def enlarge_linear(coarse: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate every second voxel back to the full grid (linear, edges repeated)."""
    fine = coarse
    for axis, size in enumerate(shape):
        following = np.concatenate(
            [np.take(fine, range(1, fine.shape[axis]), axis), np.take(fine, [-1], axis)], axis
        )
        pairs = np.stack([fine, 0.5 * (fine + following)], axis=axis + 1)
        merged = pairs.reshape(*fine.shape[:axis], -1, *fine.shape[axis + 1 :])
        fine = np.take(merged, range(size), axis)
    return fine


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
    time = _efface_sulci(time, edge, tissue, plan.effacement_mm / spacing_mm)
    # The border that an expert draws lies where infiltration becomes visible, not where it is half.
    infiltration = 1 / (1 + np.exp(np.clip((time - edge) * 4 / plan.edge_mm - 1.0, -30, 30)))
    whole = (infiltration > 1 / (1 + math.e)) & (time < 150)
    compartment = _compartments(rng, time / max(edge, 1e-3), whole, spacing_mm, plan)
    infiltration = np.where(compartment == Tissue.OEDEMA, infiltration * plan.conspicuity, infiltration)
    thinning = np.clip(smooth_noise(rng, shape, 6 / spacing_mm), 0.0, 1.5) / 1.5
    infiltration = infiltration * (1 - plan.patchiness * thinning)
    solid = np.isin(compartment, [Tissue.ENHANCING, Tissue.NECROSIS, Tissue.CYST, Tissue.CALCIFICATION])
    infiltration = np.where(solid, 1.0, infiltration).astype(np.float32)
    outer = (compartment == 0) & (infiltration > 0.01)
    rim = Tissue.OEDEMA if plan.core_fraction < 0.9 else _core_tissue(plan)
    labels = np.zeros(shape, np.uint8)
    labels[whole] = Label.CORE
    labels[compartment == Tissue.OEDEMA] = Label.OEDEMA
    labels[compartment == Tissue.ENHANCING] = Label.ENHANCING
    compartment = np.where(outer, np.uint8(rim), compartment)
    return TumourMap(compartment, np.where(compartment > 0, infiltration, np.float32(0)), labels)


def _efface_sulci(
    time: NDArray[np.float32], edge: float, tissue: NDArray[np.uint8], width: float
) -> NDArray[np.float32]:
    """Let tumour fill the sulci between its gyri, up to a width in voxels."""
    steps = round(width / 2)
    if steps == 0:
        return time
    whole = time < edge
    closed = ndimage.binary_closing(np.pad(whole, steps), iterations=steps)[(slice(steps, -steps),) * 3]
    sulci = closed & (tissue == Tissue.CSF)
    weight = ndimage.gaussian_filter(whole.astype(np.float32), width / 2, truncate=2.5)
    around = ndimage.gaussian_filter(np.where(whole, time, 0), width / 2, truncate=2.5)
    return np.where(sulci & (weight > 0.02), around / np.maximum(weight, 0.02), time).astype(np.float32)


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
    if plan.mismatch:  # a rim of ordinary astrocytoma around the mismatch core
        inner = ndimage.binary_erosion(core, iterations=max(1, round(4 / spacing_mm)))
        compartment[core & ~inner] = Tissue.ASTROCYTOMA
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


def mass_effect(
    world: NDArray[np.float32], centre: NDArray[np.float64], radius_mm: float, push_mm: float
) -> NDArray[np.float32]:
    """Pull-back displacement of tissue that a growing mass has pushed outwards.

    Args:
        world: world coordinates of the grid, shape (3, i, j, k), mm.
        centre: of the mass, RAS mm.
        radius_mm: of the mass.
        push_mm: displacement of tissue at its border.

    Returns:
        Displacement in mm, shape (3, i, j, k); it points towards the centre, since it pulls back.
    """
    offset = world - centre.astype(np.float32)[:, None, None, None]
    distance = np.sqrt((offset**2).sum(axis=0)) + 1e-3
    inside, outside = distance / radius_mm, np.exp(-((distance - radius_mm) / (1.5 * radius_mm)))
    amount = -push_mm * np.where(distance < radius_mm, inside, outside)
    return np.asarray(offset / distance * amount, dtype=np.float32)
