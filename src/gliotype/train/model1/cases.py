"""Training cases of Model 1: patients simulated on its grid, more widely than reality, and turned into inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.atomic_files import atomic_write, reading_cached
from gliotype.segment.model1 import CHANNELS, GRID, Scaling, network_input, scale
from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.free_intensities import paint
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocol, pair_post_contrast, same_session
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import Sequence

CASE_MIX: dict[GliomaType | Distractor | None, float] = {
    GliomaType.GLIOBLASTOMA: 0.25,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.12,
    GliomaType.ASTROCYTOMA: 0.22,
    GliomaType.OLIGODENDROGLIOMA: 0.13,
    Distractor.INFARCT: 0.04,
    Distractor.PLAQUES: 0.04,
    None: 0.20,
}
"""What the segmenter trains on: classes more even than any hospital's, healthy heads, and lesions to leave alone.

Metastases are not among them, since a single one cannot be distinguished from a glioblastoma by its image.
"""

SequenceSets = tuple[tuple[tuple[Sequence, ...], float], ...]
"""Sets of sequences and how often each is shown; the fractions add up to 1."""

SEQUENCE_SETS: SequenceSets = (
    (CHANNELS, 0.26),
    ((Sequence.T1, Sequence.T1C, Sequence.FLAIR), 0.22),
    ((Sequence.T2, Sequence.FLAIR), 0.06),
    ((Sequence.FLAIR,), 0.08),
    ((Sequence.T1C, Sequence.FLAIR), 0.04),
    ((Sequence.T1, Sequence.T1C, Sequence.T2), 0.13),
    ((Sequence.T2,), 0.09),
    ((Sequence.T1C, Sequence.T2), 0.06),
    ((Sequence.T1C,), 0.04),
    ((Sequence.T1,), 0.02),
)
"""Which sequences a training case has, and how often: a third come without FLAIR."""

FREE_FRACTION = 0.25
"""Fraction of healthy heads and gliomas whose images have free intensities (`gliotype.simulate.free_intensities`).

Infarcts and plaques are left out: free intensities would make them equal to gliomas.
"""

FAINT_FRACTION = 0.2
"""Fraction of the other cases whose lesion hardly differs from its surroundings."""


@dataclass(frozen=True, eq=False)
class GridPatient:
    """A simulated patient on the network's grid: images (4, i, j, k) float16, labels and brain uint8."""

    images: NDArray[np.float16]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]


def write_case(case: GridPatient, file: Path) -> None:
    """Write a patient, whole or not at all.

    Raises:
        OutputError: if the file cannot be written.
    """
    with atomic_write(file) as aside, aside.open("wb") as opened:
        np.savez_compressed(opened, images=case.images, labels=case.labels, brain=case.brain)


def read_case(file: Path) -> GridPatient:
    """Read a patient that `write_case` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    with reading_cached(file), np.load(file) as arrays:
        return GridPatient(arrays["images"], arrays["labels"], arrays["brain"])


def _wild_protocol(rng: np.random.Generator, sequence: Sequence, thickness_mm: float | None) -> Protocol:
    """A protocol with wider image defects than hospitals accept."""
    return replace(
        draw_protocol(rng, sequence, thickness_mm=thickness_mm),
        bias=float(rng.uniform(0.0, 0.24)),
        noise=float(rng.choice([rng.uniform(0.0, 0.05), rng.uniform(0.02, 0.12)])),
        gamma=float(np.exp(0.25 * rng.standard_normal())),
        in_plane_mm=float(rng.uniform(0.8, 3.0)),
        ghost=float(rng.uniform(0.0, 0.2)) if rng.random() < 0.3 else 0.0,
    )


def simulate_case(
    rng: np.random.Generator, anatomies: tuple[Anatomy, ...], free_fraction: float = FREE_FRACTION
) -> GridPatient:
    """Simulate one patient on the network's grid, randomised more widely than reality; see `draw_images`."""
    kinds = list(CASE_MIX)
    disease = kinds[rng.choice(len(kinds), p=list(CASE_MIX.values()))]
    anatomy = anatomies[int(rng.integers(len(anatomies)))]
    patient = draw_patient(rng, anatomy, GRID, disease, reshape_scale=0.08)
    stack = draw_images(rng, patient, 0.0 if isinstance(disease, Distractor) else free_fraction)
    labels = patient.brain.astype(np.uint8)
    if patient.tumour is not None:
        labels = np.where(patient.tumour.labels > 0, patient.tumour.labels + 1, labels)
    return GridPatient(scaled_stack(stack), labels.astype(np.uint8), patient.brain)


def draw_images(
    rng: np.random.Generator, patient: DigitalPatient, free_fraction: float
) -> NDArray[np.float32]:
    """Acquire images of a patient on its own grid, randomised more widely than reality.

    Args:
        rng: source of randomness.
        patient: whom to image.
        free_fraction: probability of free intensities (`gliotype.simulate.free_intensities`).

    Returns:
        The images of `CHANNELS`, (4, i, j, k).
    """
    parameters = draw_parameters(rng, 1.5 if rng.random() < 0.4 else 3.0, spread=0.08)
    thick = None if rng.random() < 0.3 else float(rng.choice([2.0, rng.uniform(3, 7)]))
    protocols = pair_post_contrast(rng, {s: _wild_protocol(rng, s, thick) for s in CHANNELS})
    paired = same_session(protocols[Sequence.T1], protocols[Sequence.T1C])
    if rng.random() < free_fraction:
        images = paint(rng, patient, protocols)
    else:
        images = acquire(
            rng,
            patient,
            parameters,
            protocols,
            contrast_spread=float(rng.uniform(0.0, 0.12)),
            lesion_spread=float(rng.uniform(0.0, 0.25)),
            visibility=_draw_visibility(rng),
        )
    spacing_mm = patient.grid.spacing[0]
    shades = {s: _surface_shade(rng, patient.brain, spacing_mm) for s in CHANNELS}
    if paired:
        shades[Sequence.T1C] = shades[Sequence.T1]
    stack = np.stack([images[s] * shades[s] for s in CHANNELS])
    if rng.random() < 0.5:  # imperfect registration between sequences
        for sequence, channel in zip(CHANNELS[1:], stack[1:], strict=True):
            most = (0.4 if paired and sequence is Sequence.T1C else 1.6) / spacing_mm
            channel[:] = ndimage.shift(channel, rng.uniform(-most, most, 3), order=1, mode="nearest")
    return stack


def draw_sequences(
    rng: np.random.Generator, sequence_sets: SequenceSets = SEQUENCE_SETS
) -> tuple[Sequence, ...]:
    """Draw which sequences a training case has."""
    sets = [names for names, _ in sequence_sets]
    return sets[rng.choice(len(sets), p=[fraction for _, fraction in sequence_sets])]


def _draw_visibility(rng: np.random.Generator) -> dict[Sequence, float]:
    """Draw how much of a lesion's contrast each sequence shows: all of it, or little where the lesion is faint."""
    if rng.random() >= FAINT_FRACTION:
        return dict.fromkeys(CHANNELS, 1.0)
    return {s: float(rng.uniform(0.2, 0.7)) for s in CHANNELS}


def scaled_stack(images: NDArray[np.float32]) -> NDArray[np.float16]:
    """Divide images (4, i, j, k) by their 99th percentiles, so that half precision holds them; missing ones stay 0."""
    top = np.quantile(images[:, ::4, ::4, ::4], 0.99, axis=(1, 2, 3))
    return np.asarray(images / (top[:, None, None, None] + 1e-6), dtype=np.float16)


def _surface(brain: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Voxels at the border of the brain, (n, 3)."""
    return np.argwhere(brain & ~ndimage.binary_erosion(brain))


def _surface_shade(
    rng: np.random.Generator, brain: NDArray[np.bool_], spacing_mm: float
) -> NDArray[np.float32]:
    """Draw a factor that brightens or darkens spots at the brain's surface, as air and surface coils do; mostly 1."""
    if rng.random() < 0.85:
        return np.ones(brain.shape, np.float32)
    surface = _surface(brain)
    field = np.zeros(brain.shape, np.float32)
    for centre in surface[rng.integers(len(surface), size=int(rng.integers(1, 3)))]:
        width = rng.uniform(8.0, 20.0) / spacing_mm
        away = [
            np.exp(-0.5 * ((np.arange(n) - c) / width) ** 2) for n, c in zip(brain.shape, centre, strict=True)
        ]
        field += rng.uniform(-0.3, 0.3) * np.einsum("i,j,k->ijk", *away).astype(np.float32)
    return np.asarray(np.exp(field), dtype=np.float32)


def _add_skull_leftovers(rng: np.random.Generator, brain_region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add what skull-stripping leaves behind at some spots: orbits, sinuses, scalp."""
    surface = _surface(brain_region)
    if len(surface) == 0:
        return brain_region
    brain_region = brain_region.copy()
    axes = np.ogrid[tuple(slice(n) for n in brain_region.shape)]
    for centre in surface[rng.integers(len(surface), size=int(rng.integers(1, 4)))]:
        radius = rng.uniform(6.0, 18.0) / GRID.spacing[0]
        brain_region |= sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2
    return brain_region


def augment(
    rng: np.random.Generator,
    case: GridPatient,
    atlas_brain: NDArray[np.bool_],
    scaling: Scaling = scale,
    sequence_sets: SequenceSets = SEQUENCE_SETS,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Turn a patient into one network input: side, sequences, coverage, skull on or off.

    Args:
        rng: source of randomness.
        case: the patient.
        atlas_brain: brain region of the atlas, on `GRID`.
        scaling: scales an image within the brain region.
        sequence_sets: which sequences are shown, and how often.

    Returns:
        Input (8, i, j, k) and labels (i, j, k), with enhancing tumour counted as core where T1c is missing.
    """
    images, labels = case.images.astype(np.float32), case.labels.astype(np.int64)
    images = images * np.exp(0.1 * rng.standard_normal((4, 1, 1, 1))).astype(np.float32)
    if rng.random() < 0.3:  # a slab that misses the top or the bottom of the head
        low, high = int(rng.uniform(0, 25)), GRID.shape[2] - int(rng.uniform(0, 18))
        images[..., :low] = images[..., high:] = 0
        labels[..., :low] = labels[..., high:] = 0
    brain_region = atlas_brain
    if rng.random() < 0.6:
        wobble = ndimage.gaussian_filter(case.brain.astype(np.float32), 1.0)
        wobble += rng.uniform(0.05, 0.25) * smooth_noise(rng, GRID.shape, rng.uniform(3, 10))
        brain_region = (wobble > rng.uniform(0.25, 0.7)) | (labels > 1) & (rng.random() < 0.7)
        if rng.random() < 0.25:
            brain_region = _add_skull_leftovers(rng, brain_region)
        if rng.random() < 0.8:
            images = images * brain_region
            labels = labels * brain_region
    there = [s for s, image in zip(CHANNELS, images, strict=True) if image.any()]
    names = draw_sequences(rng, sequence_sets)
    if not set(names) & set(there):
        names = tuple(there)
    if Sequence.T1C not in names or Sequence.T1C not in there:
        labels[labels == 4] = 2
    if rng.random() < 0.5:
        images, labels, brain_region = images[:, ::-1], labels[::-1], brain_region[::-1]
    chosen = {s: np.ascontiguousarray(images[i]) for i, s in enumerate(CHANNELS) if s in names}
    return network_input(chosen, brain_region, scaling), np.ascontiguousarray(labels)
