"""Digital patients: a reshaped head, a tumour in it, and its images on any grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import Field, smooth_noise
from gliotype.simulate.head.anatomy import Anatomy, Reshaping, brain_mask, draw_reshaping, reshape
from gliotype.simulate.lesion.distractors import Distractor, draw_distractor
from gliotype.simulate.lesion.glioma import GliomaType, TumourMap, TumourPlan, draw_plan, grow
from gliotype.simulate.lesion.location import draw_seeds
from gliotype.simulate.lesion.spread import mass_effect
from gliotype.simulate.scanner import (
    Protocol,
    degrade,
    ideal_image,
    signals,
    texture_field,
    white_matter_signal,
)
from gliotype.simulate.tissue import N_CODES, Tissue, TissueParameters
from gliotype.study import Sequence
from gliotype.volume import Grid

AGES: dict[GliomaType, tuple[float, float]] = {
    GliomaType.GLIOBLASTOMA: (61.8, 12.0),
    GliomaType.WILDTYPE_LOWER_GRADE: (58.1, 10.9),
    GliomaType.ASTROCYTOMA: (38.1, 10.8),
    GliomaType.OLIGODENDROGLIOMA: (43.9, 15.0),
}
"""Mean and standard deviation of age in years (UCSF-PDGM v5, n = 501), drawn truncated to 18-90."""

AGE_AND_BRIGHTNESS: dict[GliomaType, float] = {
    GliomaType.GLIOBLASTOMA: 0.15,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.15,
    GliomaType.ASTROCYTOMA: 0.4,
    GliomaType.OLIGODENDROGLIOMA: 0.4,
}
"""Correlation of age with what makes a tumour bright on T1c.

Set so that age and the mean of T1c over the ring reach rank correlations of about 0.26 in mutant and 0.13 in wildtype
(UCSF-PDGM, n = 318).
"""

_BRIGHTNESS: dict[GliomaType, tuple[float, float]] = {
    GliomaType.GLIOBLASTOMA: (0.18, 0.125),
    GliomaType.WILDTYPE_LOWER_GRADE: (0.022, 0.045),
    GliomaType.ASTROCYTOMA: (-0.03, 0.091),
    GliomaType.OLIGODENDROGLIOMA: (-0.006, 0.046),
}
"""Mean and standard deviation of `_brightness` in each class."""

SEVERANCE_MIX: dict[GliomaType, float] = {
    GliomaType.GLIOBLASTOMA: 0.64,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.08,
    GliomaType.ASTROCYTOMA: 0.17,
    GliomaType.OLIGODENDROGLIOMA: 0.11,
}
"""Case mix like that of the Severance cohort (28 % IDH-mutant)."""


@dataclass(frozen=True, eq=False)
class DigitalPatient:
    """A patient without images yet.

    Attributes:
        grid: on which all maps lie.
        healthy: uint8 tissue codes of the head without tumour.
        tumour: the tumour, or a lesion that is none (its labels are 0), or None for a healthy head.
        plan: what the tumour was to be like, or None.
        age: years.
    """

    grid: Grid
    healthy: NDArray[np.uint8]
    tumour: TumourMap | None
    plan: TumourPlan | None
    age: float

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Brain mask, tumour included."""
        mask = brain_mask(self.healthy, self.grid.spacing)
        return mask if self.tumour is None else mask | (self.tumour.labels > 0)


def draw_age(rng: np.random.Generator, plan: TumourPlan) -> float:
    """Draw an age in years from the normal distribution of a tumour's class, truncated to 18-90.

    Within a class, older patients have brighter tumours on T1c, as in UCSF-PDGM (`AGE_AND_BRIGHTNESS`).
    """
    mean, sd = AGES[plan.type]
    middle, spread = _BRIGHTNESS[plan.type]
    together = AGE_AND_BRIGHTNESS[plan.type]
    shift = together * float(np.clip((_brightness(plan) - middle) / spread, -2.0, 2.0))
    alone = float(np.sqrt(1 - together**2))
    age = mean + sd * (shift + alone * rng.standard_normal())
    while not 18 <= age <= 90:
        age = mean + sd * (shift + alone * rng.standard_normal())
    return float(age)


def _brightness(plan: TumourPlan) -> float:
    """Weigh what makes a tumour bright on T1c (enhancement) and dark (fluid, long T1), as fractions of the whole."""
    solid = 1 - plan.necrotic_fraction - plan.enhancing_fraction
    dark = 0.35 * plan.necrotic_fraction + 0.25 * plan.mismatch * solid
    return plan.core_fraction * (0.8 * plan.enhancing_fraction - dark)


def draw_patient(
    rng: np.random.Generator,
    anatomy: Anatomy,
    grid: Grid,
    disease: GliomaType | Distractor | None,
    *,
    reshape_scale: float = 0.06,
) -> DigitalPatient:
    """Draw a digital patient on a grid in MNI space.

    Args:
        rng: source of randomness.
        anatomy: the head to start from.
        grid: isotropic, in MNI152 coordinates.
        disease: class of tumour, kind of other lesion, or None for a healthy head.
        reshape_scale: standard deviation of the log-scale of the head's axes.
    """
    spacing = grid.spacing[0]
    reshaping, plan = draw_head_and_plan(rng, grid, disease, reshape_scale)
    old_from_mni = np.linalg.inv(anatomy.mni_from_world)
    healthy = reshape(anatomy.tissue, old_from_mni, grid, reshaping)
    if plan is None or not isinstance(disease, GliomaType):
        healthy = _add_white_matter_lesions(rng, healthy, spacing)
        lesion = draw_distractor(rng, healthy, spacing, disease) if isinstance(disease, Distractor) else None
        return DigitalPatient(grid, healthy, lesion, None, float(rng.uniform(18, 90)))
    centres = draw_seeds(rng, healthy, grid, disease, plan.seeds)
    world = np.moveaxis(grid.world(), -1, 0).astype(np.float32)
    radius = 10 * (plan.volume_ml * 3 / (4 * np.pi)) ** (1 / 3)
    middle = (grid.affine @ [*centres[0], 1.0])[:3]
    push = mass_effect(world, middle, radius, plan.push_mm)
    healthy = reshape(anatomy.tissue, old_from_mni, grid, reshaping, push)
    healthy = _add_white_matter_lesions(rng, healthy, spacing)
    tumour = grow(rng, healthy, _to_parenchyma(healthy, centres), spacing, plan)
    return DigitalPatient(grid, healthy, tumour, plan, draw_age(rng, plan))


def draw_head_and_plan(
    rng: np.random.Generator, grid: Grid, disease: GliomaType | Distractor | None, reshape_scale: float
) -> tuple[Reshaping, TumourPlan | None]:
    """Draw what `draw_patient` draws first: the shape of the head, and what the tumour is to be like.

    This is cheap, so that many seeds can be looked through for a patient of a given kind.

    Returns:
        The change of the head's shape, and the plan, which is None without a glioma.
    """
    reshaping = draw_reshaping(rng, grid, reshape_scale)
    return reshaping, draw_plan(rng, disease) if isinstance(disease, GliomaType) else None


def _to_parenchyma(tissue: NDArray[np.uint8], seeds: NDArray[np.intp]) -> NDArray[np.intp]:
    """Move seeds to the closest (even-numbered) voxel of white matter."""
    white = 2 * np.argwhere(tissue[::2, ::2, ::2] == Tissue.WHITE_MATTER)
    nearest = [white[((white - seed) ** 2).sum(axis=1).argmin()] for seed in seeds]
    return np.asarray(nearest, dtype=np.intp)


def _add_white_matter_lesions(
    rng: np.random.Generator, tissue: NDArray[np.uint8], spacing_mm: float
) -> NDArray[np.uint8]:
    """Add what ageing leaves: periventricular caps and scattered spots, in some heads."""
    if rng.random() < 0.4:
        return tissue
    tissue = tissue.copy()
    white = tissue == Tissue.WHITE_MATTER
    reach = rng.uniform(1.0, 6.0) / spacing_mm
    ventricle = tissue == Tissue.VENTRICLE
    near = ndimage.gaussian_filter(ventricle.astype(np.float32), max(reach, 0.5), truncate=2)
    tissue[white & (near > rng.uniform(0.12, 0.4))] = Tissue.WM_LESION
    if rng.random() < 0.5:
        spots = smooth_noise(rng, tissue.shape, 1.2)
        tissue[white & (spots > rng.uniform(2.6, 4.0))] = Tissue.WM_LESION
    return tissue


def acquire(
    rng: np.random.Generator,
    patient: DigitalPatient,
    parameters: TissueParameters,
    protocols: Mapping[Sequence, Protocol],
    *,
    contrast_spread: float = 0.0,
    lesion_spread: float = 0.0,
    visibility: Mapping[Sequence, float] | None = None,
) -> dict[Sequence, Field]:
    """Acquire images of a digital patient on its own grid.

    Sequences of the same session (`gliotype.simulate.scanner.same_session`) share inhomogeneity, texture and the extra
    factors on their tissues' signals.

    Args:
        rng: source of randomness.
        patient: whom to image.
        parameters: tissue parameters of the patient.
        protocols: one per sequence.
        contrast_spread: standard deviation of an extra log-normal factor on each tissue's signal. Training uses it
            to see more contrasts than physics yields.
        lesion_spread: the same for the tissues of lesions, in place of `contrast_spread`.
        visibility: how much of a lesion's contrast to the tissue that it replaces each sequence shows, 0 to 1; all of
            it by default.
    """
    spacing = patient.grid.spacing[0]
    nothing = np.zeros(patient.grid.shape, np.uint8)
    compartment = nothing if patient.tumour is None else patient.tumour.compartment
    infiltration = nothing.astype(np.float32) if patient.tumour is None else patient.tumour.infiltration
    code = np.where(infiltration > 0.3, compartment, patient.healthy)
    texture = texture_field(rng, parameters, code, spacing)
    takes_up = parameters.t1_gd_ms < 0.7 * parameters.t1_ms
    images: dict[Sequence, Field] = {}
    drawn: dict[int, _Look] = {}
    for sequence, protocol in protocols.items():
        spread = np.where(np.arange(N_CODES) >= Tissue.WM_LESION, lesion_spread, contrast_spread)
        factor = np.exp(spread * rng.standard_normal(N_CODES)).astype(np.float32)
        sign = np.float32(rng.choice([-1, 1]))
        look = _Look(factor, sign * texture + 0.5 * texture_field(rng, parameters, code, spacing))
        first = drawn.setdefault(protocol.coil, look)  # the same session shows a tissue in the same way
        painted = first.texture
        if protocol.contrast and first is not look:
            painted = np.where(takes_up[code], look.texture, first.texture)
        signal = signals(parameters, protocol) * first.factor
        seen = infiltration if visibility is None else infiltration * np.float32(visibility[sequence])
        image = ideal_image(signal, patient.healthy, compartment, seen, painted)
        images[sequence] = degrade(rng, image, spacing, white_matter_signal(signal), protocol)
    return images


@dataclass(frozen=True, eq=False)
class _Look:
    """How one session's images of a kind deviate from the signal equations.

    Attributes:
        factor: on the signal of each tissue code.
        texture: relative deviation of signal per voxel.
    """

    factor: Field
    texture: Field
