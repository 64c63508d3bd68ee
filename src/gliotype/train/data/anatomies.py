"""Heads to simulate patients in, kept in one compact file for the workers of a training run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gliotype.atlas import atlas
from gliotype.atomic_files import atomic_write, reading_cached
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.head.label_maps import label_map_files, label_map_hashes, read_label_map
from gliotype.simulate.head.template import template_anatomy
from gliotype.train.common.cache_key import cache_key
from gliotype.volume import Volume


@cache
def read_anatomies(folder: Path | None, cache: Path | None) -> tuple[Anatomy, ...]:
    """Read a folder of whole-head label maps (FreeSurfer numbers, ``*.nii.gz``), aligned to MNI152.

    Args:
        folder: where the label maps lie; the shipped template is the only head when None.
        cache: folder in which the aligned heads are cached, in a file named after the label maps' content; nothing is
            cached when None.

    Raises:
        InputError: if the folder holds no label map, or one that is no head.
    """
    if folder is None:
        return (template_anatomy(),)
    files = label_map_files(folder)
    cached = None if cache is None else cache / f"anatomies-{cache_key(label_map_hashes(folder))}.npz"
    if cached is not None and cached.exists():
        return _read(cached)
    white_matter = atlas.tissue(atlas.Tissue.WHITE)
    anatomies = tuple(read_label_map(file, white_matter) for file in files)
    if cached is not None:
        _write(anatomies, cached)
    return anatomies


def _read(file: Path) -> tuple[Anatomy, ...]:
    with reading_cached(file), np.load(file) as arrays:
        n = len(arrays.files) // 3
        return tuple(Anatomy(Volume(arrays[f"t{i}"], arrays[f"a{i}"]), arrays[f"m{i}"]) for i in range(n))


def _write(anatomies: tuple[Anatomy, ...], file: Path) -> None:
    """Write anatomies into one file, replaced at once when complete."""
    arrays: dict[str, Any] = {}
    for i, anatomy in enumerate(anatomies):
        tissue = anatomy.tissue
        arrays |= {f"t{i}": tissue.array, f"a{i}": tissue.affine, f"m{i}": anatomy.mni_from_world}
    with atomic_write(file) as aside:
        np.savez_compressed(aside, **arrays)
