"""What the gate measures on images and outlines."""

from __future__ import annotations

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.masks import box_around, within_mm
from gliotype.prepare.head import block_means
from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Volume

Mask = NDArray[np.bool_]

BLOCK = 4
"""Voxels of 1 mm along each axis over which images are averaged before they are compared with the atlas."""

FEWEST_BLOCKS = 100
"""Blocks of brain below which nothing can be said."""

EDGE_MM = 3.0
"""Width of the brain's surface, as in the inner signal ratios."""

FLUID_FLAIR, FLUID_T1, FLUID_T2 = 0.6, 0.75, 1.6
"""Signal over white matter: fluid is darker than this on FLAIR and on T1 (or T1c), and brighter on T2."""

SUPPRESSED_FLAIR, FREE_FLUID_T2 = 0.5, 1.5
"""Signal over white matter: fluid that FLAIR suppresses is darker than this on FLAIR, and brighter on T2."""

AWAY_MM = 5.0
"""Distance from the outline beyond which fluid is that of ventricles and sulci."""

CAVITY_RADIUS_MM = 4.0
"""A sphere of this radius fits into a cavity; hardly any sulcus holds one."""

CAVITY_REACH_MM = 3.0
"""A cavity comes as near to the outline as this."""

CAVITY_MARGIN = 16
"""Voxels around the outline in which a cavity is looked for."""

THINNING = 2
"""Every second voxel along each axis shows a cavity well enough, in an eighth of the time."""


def explained_by_anatomy(prepared: PreparedStudy, tumour: Mask) -> float:
    """Measure how much of the images the atlas explains outside the tumour, 0 (nothing) to 1.

    Ranks of the block averages are regressed on the atlas's grey and white matter: what is explained of their
    variance, for the image in which it is most.

    Args:
        prepared: images with their transform to the atlas.
        tumour: the outline, on the same grid.
    """
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    whole = block_means(brain & ~tumour, (BLOCK,) * 3) > 0.99
    if whole.sum() < FEWEST_BLOCKS:
        return 0.0
    centres = apply_affine(prepared.grid.affine, np.argwhere(whole) * BLOCK + (BLOCK - 1) / 2)
    mni = apply_affine(prepared.mni_from_prepared, centres)
    tissues = [_sample(atlas.tissue(t), mni) for t in (atlas.Tissue.WHITE, atlas.Tissue.GREY)]
    design = np.column_stack([np.ones(len(mni)), *tissues])
    images = (block_means(np.asarray(i.array), (BLOCK,) * 3)[whole] for i in prepared.images.values())
    return max((_explained(design, _ranks(values)) for values in images), default=0.0)


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank values from 1; equal ones share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def _explained(design: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the coefficient of determination; 0 for values without any variance."""
    total = float(((values - values.mean()) ** 2).sum())
    if total == 0:
        return 0.0
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    return 1 - float(((values - design @ coefficients) ** 2).sum()) / total


def _sample(volume: Volume, world: NDArray[np.float64]) -> NDArray[np.float64]:
    index = apply_affine(np.linalg.inv(volume.affine), world)
    return np.asarray(ndimage.map_coordinates(np.asarray(volume.array, dtype=np.float32), index.T, order=1))


def edge_fraction(prepared: PreparedStudy, tumour: Mask) -> float:
    """Measure how much of the outline lies within `EDGE_MM` of the brain's surface, or outside the brain.

    Args:
        prepared: with the brain.
        tumour: the outline, not empty.
    """
    box = box_around(tumour, int(EDGE_MM) + 1)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)[box]
    depth = ndimage.distance_transform_edt(brain, sampling=prepared.grid.spacing)
    return float((depth[tumour[box]] <= EDGE_MM).mean())


def suppressed_fluid(prepared: PreparedStudy, tumour: Mask) -> float | None:
    """Measure how much of the brain away from the outline is fluid that FLAIR suppresses.

    Args:
        prepared: with T2 and FLAIR.
        tumour: the outline.

    Returns:
        Fraction of the brain's volume; None without T2 or FLAIR.
    """
    if not {Sequence.T2, Sequence.FLAIR} <= set(prepared.images):
        return None
    thinned = (slice(None, None, THINNING),) * 3
    x, y, z = (THINNING * each for each in prepared.grid.spacing)
    spacing = (x, y, z)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)[thinned]
    outline = tumour[thinned]
    away = brain & ~within_mm(outline, AWAY_MM, spacing) if outline.any() else brain
    t2, flair = (np.asarray(prepared.images[s].array)[thinned] for s in (Sequence.T2, Sequence.FLAIR))
    fluid = (flair[away] < SUPPRESSED_FLAIR) & (t2[away] > FREE_FLUID_T2)
    return float(fluid.mean()) if fluid.size else 0.0


def cavity_ml(prepared: PreparedStudy, tumour: Mask) -> float:
    """Measure the fluid-filled cavities that reach from the outline to the brain's surface.

    A cavity is fluid into which a sphere of `CAVITY_RADIUS_MM` fits, connected, within `CAVITY_REACH_MM` of the outline
    at one place and within `EDGE_MM` of the brain's surface at another. Ventricles and cysts do not reach
    the surface, sulci hold no such sphere.

    Args:
        prepared: with FLAIR and one of T1, T1c and T2; without them 0.
        tumour: the outline, not empty.

    Returns:
        Their volume in ml.
    """
    box = box_around(tumour, CAVITY_MARGIN)
    thinned = tuple(slice(along.start, along.stop, THINNING) for along in box)
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)[thinned]
    images = {s: np.asarray(image.array)[thinned] for s, image in prepared.images.items()}
    others = [s for s in images if s is not Sequence.FLAIR]
    if Sequence.FLAIR not in images or not others:
        return 0.0
    fluid = brain & (images[Sequence.FLAIR] < FLUID_FLAIR)
    for sequence in others:
        image = images[sequence]
        fluid &= image > FLUID_T2 if sequence is Sequence.T2 else image < FLUID_T1
    spacing = tuple(THINNING * each for each in prepared.grid.spacing)
    wide = ndimage.distance_transform_edt(fluid, sampling=spacing) >= CAVITY_RADIUS_MM
    if not wide.any():
        return 0.0
    opened = fluid & (ndimage.distance_transform_edt(~wide, sampling=spacing) < CAVITY_RADIUS_MM)
    near = ndimage.distance_transform_edt(~tumour[thinned], sampling=spacing) <= CAVITY_REACH_MM
    surface = ndimage.distance_transform_edt(brain, sampling=spacing) <= EDGE_MM
    parts, _ = ndimage.label(opened)
    both = np.intersect1d(parts[opened & near], parts[opened & surface])
    return float(np.isin(parts, both[both > 0]).sum()) * THINNING**3 * prepared.grid.voxel_ml
