"""A second generator of images: free intensities for each part of each tissue, without signal equations.

It differs from `gliotype.simulate.patient.acquire` in all that physics decides there: every tissue is split into parts,
each with a brightness of its own; a lesion takes its texture from tissue elsewhere in the same head and is blended into
what it replaces. What a network has learned from one generator is tried on the other.

The ideas are published (FetalSynthSeg 2024: parts within labels; Layer-Decomposition 2023: borrowed texture, opacity);
the ranges are design values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import Field, smooth_noise
from gliotype.simulate.patient import DigitalPatient
from gliotype.simulate.scanner import Protocol, degrade
from gliotype.simulate.tissue import N_CODES, PARENCHYMA, Tissue
from gliotype.study import Sequence

PARTS = 3
"""Parts of different brightness into which each tissue is split."""

BRIGHT_ON_FLUID_SENSITIVE = 0.9
"""Proportion of lesion parts that are brighter than what they replace on T2 and FLAIR; on T1 and T1c it is a half."""


def paint(
    rng: np.random.Generator, patient: DigitalPatient, protocols: Mapping[Sequence, Protocol]
) -> dict[Sequence, Field]:
    """Draw images of a digital patient on its own grid with free intensities.

    Args:
        rng: source of randomness.
        patient: whom to image; a lesion keeps its extent and its parts.
        protocols: one per sequence, for slices, coil, noise and motion; timing is not used.

    Returns:
        Images in arbitrary units, 0 in air.
    """
    spacing = patient.grid.spacing[0]
    nothing = np.zeros(patient.grid.shape, np.uint8)
    compartment = nothing if patient.tumour is None else patient.tumour.compartment
    infiltration = nothing.astype(np.float32) if patient.tumour is None else patient.tumour.infiltration
    healthy_parts = _split(rng, patient.healthy.shape, rng.uniform(10, 40) / spacing)
    lesion_parts = _split(rng, compartment.shape, rng.uniform(4, 20) / spacing)
    opacity = _soften(rng, infiltration, spacing)
    parenchyma = np.isin(patient.healthy, PARENCHYMA)
    images: dict[Sequence, Field] = {}
    for sequence, protocol in protocols.items():
        head = _paint_head(rng, patient.healthy, healthy_parts, spacing)
        image = head + opacity * (
            _paint_lesion(rng, head, parenchyma, compartment, lesion_parts, sequence) - head
        )
        white = head[patient.healthy == Tissue.WHITE_MATTER]
        unit = float(np.median(white)) if white.size else 1.0
        images[sequence] = degrade(rng, image, spacing, unit, protocol)
    return images


def _split(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> NDArray[np.uint8]:
    """Divide space into `PARTS` kinds of patches, in random proportions."""
    field = smooth_noise(rng, shape, max(scale, 1.0))
    limits = np.sort(rng.uniform(-1.2, 1.2, PARTS - 1))
    return np.digitize(field, limits).astype(np.uint8)


def _paint_head(
    rng: np.random.Generator, tissue: NDArray[np.uint8], part: NDArray[np.uint8], spacing: float
) -> Field:
    """Draw the head: any brightness for each tissue, its parts within 15 % of one another, two scales of texture."""
    mean = rng.uniform(0.15, 1.0, N_CODES)
    mean[Tissue.AIR] = 0.0
    of_part = mean[:, None] * np.exp(rng.uniform(0.0, 0.15) * rng.standard_normal((N_CODES, PARTS)))
    strength = rng.uniform(0.01, 0.1, N_CODES)
    fine = smooth_noise(rng, tissue.shape, rng.uniform(1.0, 2.5) / spacing)
    coarse = smooth_noise(rng, tissue.shape, rng.uniform(4.0, 12.0) / spacing)
    texture = 1 + strength[tissue] * (0.7 * fine + 0.7 * coarse)
    return np.asarray(np.maximum(of_part[tissue, part] * texture, 0), dtype=np.float32)


def _paint_lesion(
    rng: np.random.Generator,
    head: Field,
    parenchyma: NDArray[np.bool_],
    compartment: NDArray[np.uint8],
    part: NDArray[np.uint8],
    sequence: Sequence,
) -> Field:
    """Draw what replaces the head where a lesion is: parts of a free contrast to parenchyma, texture from elsewhere."""
    around = float(np.median(head[parenchyma])) if parenchyma.any() else 1.0
    fluid_sensitive = sequence in (Sequence.T2, Sequence.FLAIR)
    brighter = BRIGHT_ON_FLUID_SENSITIVE if fluid_sensitive else 0.5
    sign = np.where(rng.random((N_CODES, PARTS)) < brighter, 1.0, -1.0)
    contrast = np.exp(sign * rng.uniform(0.08, 0.8, (N_CODES, PARTS)))
    if sequence is Sequence.T1C:
        contrast[Tissue.ENHANCING] = rng.uniform(1.3, 2.8)
    shift = rng.integers(8, 40, 3) * rng.choice([-1, 1], 3)
    elsewhere = np.roll(head, tuple(int(s) for s in shift), (0, 1, 2))
    borrowed = elsewhere / max(float(elsewhere[elsewhere > 0].mean()) if elsewhere.any() else 1.0, 1e-6)
    texture = 1 + rng.uniform(0.0, 0.35) * np.clip(borrowed - 1, -1, 1)
    return np.asarray(around * contrast[compartment, part] * texture, dtype=np.float32)


def _soften(rng: np.random.Generator, infiltration: Field, spacing: float) -> Field:
    """Blur a lesion's edge at random, and let a quarter of the lesions show the tissue beneath."""
    opacity = ndimage.gaussian_filter(infiltration, rng.uniform(0.0, 2.5) / spacing)
    if rng.random() < 0.25:
        opacity = opacity * rng.uniform(0.3, 0.8)
    return np.asarray(opacity, dtype=np.float32)
