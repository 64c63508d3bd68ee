"""Train the second stage of Model 1, which draws the sub-regions of a tumour within its outline.

Cases are simulated on a grid that holds the larger part of a brain at the resolution of use. The outline that the
network is given is the true one, disturbed as those of the first stage are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from gliotype.masks import box_around
from gliotype.networks.export import read_onnx_weights
from gliotype.networks.unet import UNet3d, subregions
from gliotype.segment.model1 import CHANNELS, CLASSES
from gliotype.segment.subregions import SHAPE, SHIPPED, network_input
from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import draw_patient
from gliotype.study import Label, Sequence
from gliotype.train.model1.cases import (
    CASE_MIX,
    FREE_FRACTION,
    draw_images,
    draw_sequences,
    scaled_stack,
)
from gliotype.train.model1.loss import dice_loss
from gliotype.train.model1.train import Task
from gliotype.volume import Grid

FIELD = (96, 112, 88)
"""Voxels of the grid on which a case is simulated."""

BRAIN_MM = ((-74.0, 74.0), (-108.0, 74.0), (-66.0, 82.0))
"""Where the brain lies in MNI152."""

SPACING_MM = (1.15, 1.8)
"""Spacing of a case, drawn evenly on the log scale."""

SMALLEST = 200
"""Voxels that a tumour of a case has at least."""

CLASS_WEIGHTS = (1.0, 1.0, 1.5)
"""Weight of each sub-region in the cross-entropy; enhancing tumour is rare."""

IGNORED = -100
"""Label of the voxels outside the outline, which do not count."""


USES = 6
"""Steps between two replacements in the pool: a case takes longer to simulate than to learn from."""


@dataclass(frozen=True, eq=False)
class BoxPatient:
    """A simulated patient with a tumour, on a part of the head.

    Attributes:
        images: (4, i, j, k).
        labels: uint8 (`Label`).
        brain: mask.
        spacing_mm: isotropic.
    """

    images: NDArray[np.float16]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    spacing_mm: float


def simulate_box(rng: np.random.Generator, anatomies: tuple[Anatomy, ...]) -> BoxPatient:
    """Simulate a patient with a glioma on a part of the head, randomised more widely than reality."""
    frequencies = {kind: share for kind, share in CASE_MIX.items() if isinstance(kind, GliomaType)}
    shares = np.array(list(frequencies.values()))
    while True:
        disease = list(frequencies)[rng.choice(len(shares), p=shares / shares.sum())]
        anatomy = anatomies[int(rng.integers(len(anatomies)))]
        grid = _draw_grid(rng)
        patient = draw_patient(rng, anatomy, grid, disease, reshape_scale=0.08)
        if patient.tumour is not None and np.count_nonzero(patient.tumour.labels) >= SMALLEST:
            break
    images = scaled_stack(draw_images(rng, patient, FREE_FRACTION))
    return BoxPatient(images, patient.tumour.labels, patient.brain, grid.spacing[0])


def _draw_grid(rng: np.random.Generator) -> Grid:
    """Draw spacing and place of the grid of a case."""
    spacing_mm = float(np.exp(rng.uniform(*np.log(SPACING_MM))))
    affine = np.diag([spacing_mm] * 3 + [1.0])
    for axis, (low, high) in enumerate(BRAIN_MM):
        reach = (FIELD[axis] - 1) * spacing_mm
        first, last = sorted((low, high - reach))
        affine[axis, 3] = rng.uniform(first, last)
    return Grid(FIELD, affine)


def disturb(
    rng: np.random.Generator, tumour: NDArray[np.bool_], brain: NDArray[np.bool_], spacing_mm: float
) -> NDArray[np.bool_]:
    """Disturb an outline as the first stage does: grow, shrink or smooth it, leave parts out, add others.

    Args:
        rng: source of randomness.
        tumour: the true outline.
        brain: the outline stays within it.
        spacing_mm: isotropic.

    Returns:
        The outline; the true one where nothing would be left.
    """
    smooth = ndimage.gaussian_filter(tumour.astype(np.float32), rng.uniform(0.6, 2.5) / spacing_mm)
    smooth += rng.uniform(0.0, 0.25) * smooth_noise(rng, tumour.shape, rng.uniform(3.0, 12.0) / spacing_mm)
    outline = smooth > rng.uniform(0.25, 0.7)
    axes = np.ogrid[tuple(slice(n) for n in tumour.shape)]
    for adds, frequency in ((False, 0.2), (True, 0.3)):
        if rng.random() < frequency:
            places = np.argwhere(tumour)
            centre = places[rng.integers(len(places))] + (
                rng.normal(0.0, 15.0 / spacing_mm, 3) if adds else 0.0
            )
            radius = rng.uniform(3.0, 12.0) / spacing_mm
            ball = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2
            outline = outline | ball if adds else outline & ~ball
    outline &= brain
    return outline if outline.any() else tumour


def augment_box(rng: np.random.Generator, case: BoxPatient) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Turn a patient into one input: outline, box, side, sequences.

    Returns:
        Input (5, i, j, k) and labels (i, j, k): the channel of `REGIONS`, and `IGNORED` outside the outline. Oedema
        is what the outline holds beyond the tumour, and core the enhancing tumour where T1c is missing.
    """
    outline = disturb(rng, case.labels > 0, case.brain, case.spacing_mm)
    box = _draw_box(rng, outline)
    outline, labels, brain = outline[box], case.labels[box].astype(np.int64), case.brain[box]
    images = case.images[(slice(None), *box)].astype(np.float32) * brain
    names = draw_sequences(rng)
    if Sequence.T1C not in names:
        labels[labels == Label.ENHANCING] = Label.CORE
    labels[labels == 0] = Label.OEDEMA
    target = np.where(outline, labels - 1, IGNORED)
    turns = rng.random(3) < (0.5, 0.15, 0.15)
    axes = tuple(int(axis) for axis in np.flatnonzero(turns))
    shown = {s: np.flip(images[i], axes) for i, s in enumerate(CHANNELS) if s in names}
    x = network_input(shown, np.flip(outline, axes), np.flip(brain, axes))
    return x, np.ascontiguousarray(np.flip(target, axes))


def _draw_box(rng: np.random.Generator, outline: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Place the network's grid around the outline, a few voxels off its middle, or around a voxel of a larger one."""
    around = box_around(outline)
    middle = [(along.start + along.stop) // 2 for along in around]
    if any(along.stop - along.start > size for along, size in zip(around, SHAPE, strict=True)):
        inside = np.argwhere(outline)
        middle = [int(n) for n in inside[rng.integers(len(inside))]]
    i, j, k = (
        int(np.clip(centre - size // 2 + rng.integers(-4, 5), 0, field - size))
        for centre, size, field in zip(middle, SHAPE, FIELD, strict=True)
    )
    return slice(i, i + SHAPE[0]), slice(j, j + SHAPE[1]), slice(k, k + SHAPE[2])


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of core with enhancing tumour, and of each sub-region, in the outline.

    Args:
        logits: (n, 3, i, j, k).
        labels: (n, i, j, k), channels of `REGIONS` or `IGNORED`; each item has voxels that count.
    """
    weights = torch.tensor(CLASS_WEIGHTS, device=logits.device)
    entropy = nn.functional.cross_entropy(logits, labels, weights, ignore_index=IGNORED, label_smoothing=0.02)
    counts = (labels != IGNORED).unsqueeze(1)
    p = logits.softmax(dim=1) * counts
    t = nn.functional.one_hot(labels.clamp(min=0), len(CLASS_WEIGHTS)).movedim(-1, 1).float() * counts
    core = dice_loss(p[:, 0] + p[:, 2], t[:, 0] + t[:, 2])
    parts = [dice_loss(p[:, c], t[:, c]) for c in range(len(CLASS_WEIGHTS))]
    return entropy + core + 0.5 * torch.stack(parts).sum()


def core_dice(logits: Tensor, labels: Tensor) -> float:
    """Dice of the core with enhancing tumour over a batch, within the outline; NaN where no case has one."""
    counts = labels != IGNORED
    found, truth = (logits.argmax(dim=1) != 1) & counts, (labels != 1) & counts
    if not truth.any():
        return float("nan")
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def _begin(start: Path | None) -> UNet3d:
    """Build the network: with random weights, or what fits of Model 1's, the outline counting for nothing at first."""
    network = subregions()
    if start is None:
        return network
    weights = read_onnx_weights(start)
    stem = weights["stem.0.weight"]
    if stem.shape[1] == 2 * len(CHANNELS):
        first = CLASSES.index("core")
        weights["stem.0.weight"] = torch.cat([stem[:, : len(CHANNELS)], torch.zeros_like(stem[:, :1])], dim=1)
        weights |= {name: weights[name][first:] for name in ("head.weight", "head.bias")}
    network.load_state_dict(weights)
    return network


SUBREGIONS = Task(SHIPPED, _begin, simulate_box, augment_box, loss, core_dice, (len(CHANNELS) + 1, *SHAPE))
