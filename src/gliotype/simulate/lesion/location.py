"""Where tumours start: lobes by class of tumour, and within a lobe white matter before grey."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from gliotype.atlas import atlas
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.tissue import Tissue
from gliotype.volume import Grid

REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "frontal": ("frontal",),
        "temporal": ("temporal",),
        "parietal": ("parietal",),
        "insula": ("insula",),
        "occipital": ("occipital",),
        "deep": ("thalamus", "caudate", "putamen", "pallidum"),
    }
)
"""Regions in which a tumour can start, and the atlas structures of each; what remains of the brain is "other"."""

CENTRES: Mapping[GliomaType, tuple[float, ...]] = MappingProxyType(
    {
        GliomaType.GLIOBLASTOMA: (0.29, 0.30, 0.19, 0.05, 0.06, 0.07, 0.04),
        GliomaType.WILDTYPE_LOWER_GRADE: (0.28, 0.30, 0.15, 0.09, 0.04, 0.10, 0.04),
        GliomaType.ASTROCYTOMA: (0.54, 0.20, 0.10, 0.10, 0.02, 0.02, 0.02),
        GliomaType.OLIGODENDROGLIOMA: (0.66, 0.14, 0.11, 0.06, 0.01, 0.01, 0.01),
    }
)
"""Proportion of tumours of a class that start in each of `REGIONS`, and in the rest of the brain.

Design values that reproduce the loci of Severance's patients roughly (Choi 2021): mutants prefer the frontal lobe.
"""

_GREY_FOR_WHITE = 0.25
"""A tumour starts in a voxel of grey matter this often for once in one of white matter."""


def draw_seeds(
    rng: np.random.Generator, tissue: NDArray[np.uint8], grid: Grid, glioma: GliomaType, n: int
) -> NDArray[np.intp]:
    """Draw where the foci of a tumour start.

    Args:
        rng: source of randomness.
        tissue: codes of the healthy head.
        grid: on which it lies, in MNI152 coordinates.
        glioma: class of tumour.
        n: number of foci; each chooses its region for itself.

    Returns:
        Even-numbered voxel indices, (n, 3), in white or grey matter.
    """
    parenchyma = [Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.DEEP_GREY, Tissue.BRAINSTEM]
    candidates = 2 * np.argwhere(np.isin(tissue[::2, ::2, ::2], parenchyma))
    region = _region(nib.affines.apply_affine(grid.affine, candidates))
    white = tissue[tuple(candidates.T)] == Tissue.WHITE_MATTER
    weight = np.where(white, 1.0, _GREY_FOR_WHITE)
    total = np.bincount(region, weight, minlength=len(REGIONS) + 1)
    weight *= (np.array(CENTRES[glioma]) / np.maximum(total, 1e-9))[region]
    return np.asarray(candidates[rng.choice(len(candidates), size=n, p=weight / weight.sum())])


def _region(points: NDArray[np.floating]) -> NDArray[np.intp]:
    """Number of the region of each point (n, 3) in MNI152; the last is "other"."""
    labels, codes = atlas.structures()
    number = np.full(max(codes.values()) + 1, len(REGIONS), np.intp)
    for index, names in enumerate(REGIONS.values()):
        number[[codes[name] for name in names]] = index
    at = np.rint(nib.affines.apply_affine(np.linalg.inv(labels.affine), points)).astype(int)
    at = np.clip(at, 0, np.array(labels.array.shape) - 1)
    return np.asarray(number[np.asarray(labels.array)[tuple(at.T)]])
