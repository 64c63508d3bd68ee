"""Whole-head label maps as anatomies, kept in one compact file for the workers of a training run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gliotype.simulate.anatomy import Anatomy
from gliotype.simulate.label_maps import label_map_files, read_label_map
from gliotype.volume import Volume


def read_anatomies(folder: Path, white_matter: Volume, cache: Path) -> list[Anatomy]:
    """Read a folder of FreeSurfer-numbered whole-head label maps (``*.nii.gz``), aligned to MNI152.

    Args:
        folder: where the label maps lie.
        white_matter: white-matter fraction of the template.
        cache: an .npz file that is read instead when it exists, and written otherwise.

    Raises:
        InputError: if the folder holds no label map, or one that is no head.
    """
    if cache.exists():
        with np.load(cache) as kept:
            n = len(kept.files) // 3
            return [Anatomy(Volume(kept[f"t{i}"], kept[f"a{i}"]), kept[f"m{i}"]) for i in range(n)]
    anatomies = [read_label_map(file, white_matter) for file in label_map_files(folder)]
    arrays: dict[str, Any] = {}
    for i, anatomy in enumerate(anatomies):
        tissue = anatomy.tissue
        arrays |= {f"t{i}": tissue.array, f"a{i}": tissue.affine, f"m{i}": anatomy.mni_from_world}
    aside = cache.with_name(f"{cache.stem}.part{os.getpid()}.npz")
    np.savez_compressed(aside, **arrays)
    aside.replace(cache)
    return anatomies
