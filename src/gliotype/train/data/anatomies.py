"""Heads to simulate patients in, cached in one compact file for the workers of a training run."""

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
        cache: folder of the aligned heads (see `align_label_maps`); nothing is cached when None.

    Raises:
        InputError: if the folder holds no label map, or one that is not a head.
    """
    if folder is None:
        return (template_anatomy(),)
    return _align(folder) if cache is None else _read(align_label_maps(folder, cache))


def align_label_maps(folder: Path, cache: Path) -> Path:
    """Align a folder of label maps to MNI152, unless an earlier call has cached them.

    Args:
        folder: of the label maps.
        cache: folder of the file, which is named after the label maps' content.

    Returns:
        The file of the aligned heads.

    Raises:
        InputError: if the folder holds no label map, or one that is not a head.
    """
    file = cache / f"anatomies-{cache_key(label_map_hashes(folder))}.npz"
    if not file.exists():
        _write(_align(folder), file)
    return file


def heads_words(folder: Path | None) -> str:
    """Say in whose heads patients are simulated, for the card of a weight.

    Example:
        >>> heads_words(None)
        'the shipped template'
    """
    return "the shipped template" if folder is None else "whole-head label maps given by the user"


def _align(folder: Path) -> tuple[Anatomy, ...]:
    white_matter = atlas.tissue(atlas.Tissue.WHITE)
    return tuple(read_label_map(file, white_matter) for file in label_map_files(folder))


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
