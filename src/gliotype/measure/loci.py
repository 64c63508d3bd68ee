"""Where the tumour lies: the percentage of it in each of six structures of the MNI152 atlas.

Choi 2021 used the same six names, as mean probabilities (%) in FSL's MNI Structural Atlas. That atlas may not
be shipped; the numbers here are percentages of the tumour's volume in a label map, and are not comparable
with Choi's means (a wholly frontal tumour reads 100 here and about 40 there).
"""

from __future__ import annotations

from types import MappingProxyType

import nibabel as nib
import numpy as np

from gliotype.atlas.atlas import structures
from gliotype.volume import Matrix, Volume

LOCI_UNITS = MappingProxyType(
    dict.fromkeys(("Frontal", "Insula", "Occipital", "Parietal", "Temporal", "Thalamus"), "%")
)
"""The six structures in Choi's order, and the unit of each."""


def loci(mask: Volume, mni_from_mask: Matrix) -> dict[str, float | None]:
    """Look every voxel of a mask up in the atlas.

    Args:
        mask: non-zero inside.
        mni_from_mask: transform, world (RAS mm) of the mask to MNI152.

    Returns:
        Percent of the mask's voxels in each structure of `LOCI_UNITS`; they need not add up to 100, since
        tumours also lie in other structures. All None for an empty mask.

    Example:
        >>> thalamus = np.eye(4); thalamus[:3, 3] = (-12, -18, 8)
        >>> loci(Volume(np.ones((1, 1, 1)), thalamus), np.eye(4))["Thalamus"]
        100.0
    """
    voxels = np.argwhere(mask.array)
    if len(voxels) == 0:
        return dict.fromkeys(LOCI_UNITS)
    labels, codes = structures()
    atlas_from_mask = np.linalg.inv(labels.affine) @ mni_from_mask @ mask.affine
    at = np.rint(nib.affines.apply_affine(atlas_from_mask, voxels)).astype(int)
    within = ((at >= 0) & (at < labels.array.shape)).all(axis=1)
    found = labels.array[tuple(at[within].T)]
    return {name: 100 * float((found == codes[name.lower()]).sum()) / len(voxels) for name in LOCI_UNITS}
