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
from gliotype.train.common.cache_key import digest
from gliotype.volume import Volume


@cache
def read_anatomies(folder: Path | None, keep: Path | None) -> tuple[Anatomy, ...]:
    """Read a folder of whole-head label maps (FreeSurfer numbers, ``*.nii.gz``), aligned to MNI152.

    Args:
        folder: where the label maps lie; the shipped template is the only head when None.
        keep: folder in which the aligned heads are kept, in a file named after the label maps' content, and from which
            they are read the next time; nothing is kept when None.

    Raises:
        InputError: if the folder holds no label map, or one that is no head.
    """
    if folder is None:
        return (template_anatomy(),)
    files = label_map_files(folder)
    kept = None if keep is None else keep / f"anatomies-{digest(label_map_hashes(folder))}.npz"
    if kept is not None and kept.exists():
        return _read(kept)
    white_matter = atlas.tissue(atlas.Tissue.WHITE)
    anatomies = tuple(read_label_map(file, white_matter) for file in files)
    if kept is not None:
        _write(anatomies, kept)
    return anatomies


def _read(file: Path) -> tuple[Anatomy, ...]:
    with reading_cached(file), np.load(file) as kept:
        n = len(kept.files) // 3
        return tuple(Anatomy(Volume(kept[f"t{i}"], kept[f"a{i}"]), kept[f"m{i}"]) for i in range(n))


def _write(anatomies: tuple[Anatomy, ...], file: Path) -> None:
    """Write anatomies into one file, replaced at once when complete."""
    arrays: dict[str, Any] = {}
    for i, anatomy in enumerate(anatomies):
        tissue = anatomy.tissue
        arrays |= {f"t{i}": tissue.array, f"a{i}": tissue.affine, f"m{i}": anatomy.mni_from_world}
    with atomic_write(file) as aside:
        np.savez_compressed(aside, **arrays)
