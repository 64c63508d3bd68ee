"""The atlas that Gliotype ships: templates, tissue maps and structures in MNI152 (ICBM 2009a symmetric).

Everything lies on one RAS+ grid of 1 mm, 197 x 233 x 189 voxels; each file is read once. Origin and licences
are in ``data/README.md``; ``tools/build_atlas.py`` builds the files.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from importlib.resources import as_file, files
from types import MappingProxyType

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from gliotype.study import Sequence
from gliotype.volume import Volume

_WHOLE = 16
"""Value of a voxel that holds nothing but one tissue, in the files of the tissue maps."""


class Tissue(StrEnum):
    """Tissues of which the atlas has a map."""

    GREY = "grey"
    WHITE = "white"
    CSF = "csf"


@cache
def template(sequence: Sequence) -> Volume:
    """Return the average head (with skull and scalp) whose contrast is closest to a sequence's.

    Args:
        sequence: T1 and T1C get the T1 template, FLAIR a likeness of FLAIR, the others the T2 template.
            The likeness is the T1 template outside the brain (bright scalp, dark bone) and the tissue
            maps inside, with white : grey : CSF as 1 : 1.24 : 0.15 (the signal equation at TR 10 s,
            TI 2.5 s, TE 120 ms).

    Returns:
        uint8, 0 to 255.

    Example:
        >>> template(Sequence.T1).grid.shape
        (197, 233, 189)
    """
    if sequence is not Sequence.FLAIR:
        return _read("t1" if sequence in (Sequence.T1, Sequence.T1C) else "t2")
    head = np.asarray(_read("t1").array)
    return brain().with_array(np.where(np.asarray(brain().array), _flair_likeness(), head))


def _flair_likeness() -> NDArray[np.uint8]:
    """Mix the signal of each voxel from its tissues, which come in sixteenths: each mixture is computed once."""
    sixteenths = np.arange(_WHOLE + 1, dtype=np.float32) / _WHOLE
    grey, white = sixteenths[:, np.newaxis], sixteenths[np.newaxis]
    mixed = 160.0 * white + 198.0 * grey + 24.0 * np.clip(1 - grey - white, 0, 1)
    shown = mixed.round().astype(np.uint8).ravel()
    code = np.asarray(_read("grey").array, dtype=np.uint16) * np.uint16(_WHOLE + 1)
    code += np.asarray(_read("white").array)
    return np.asarray(shown[code])


@cache
def brain() -> Volume:
    """Return the brain mask (boolean; with cerebellum, brainstem, ventricles and outer CSF spaces).

    Example:
        >>> round(float(brain().array.sum()) * brain().grid.voxel_ml)
        1887
    """
    mask = _read("brain")
    return mask.with_array(np.asarray(mask.array, dtype=np.bool_))


def tissue(kind: Tissue) -> Volume:
    """Return the fraction of a tissue in each voxel, float32 from 0 to 1, 0 outside the brain.

    CSF is what grey and white matter leave over within the brain mask.
    """
    if kind is not Tissue.CSF:
        fraction = _read(kind.value)
        return fraction.with_array(fraction.array.astype(np.float32) / _WHOLE)
    grey, white = (np.asarray(tissue(k).array, dtype=np.float32) for k in (Tissue.GREY, Tissue.WHITE))
    return brain().with_array(np.where(brain().array, np.clip(1 - grey - white, 0, 1), 0).astype(np.float32))


@cache
def structures() -> tuple[Volume, MappingProxyType[str, int]]:
    """Return the label map of lobes and deep structures, and the code of each name; 0 is none of them.

    Left and right share a code. Lobes hold their white matter; the insula holds the extreme capsule.

    Example:
        >>> labels, codes = structures()
        >>> sorted(codes)[:4]
        ['brainstem', 'caudate', 'cerebellum', 'csf']
    """
    card = json.loads((files("gliotype.atlas") / "data" / "atlas.json").read_text())
    return _read("structures"), MappingProxyType(card["structures"])


@cache
def _read(name: str) -> Volume:
    with as_file(files("gliotype.atlas") / "data" / f"{name}.nii.gz") as path:
        image = nib.Nifti1Image.from_filename(path)
        return Volume(np.asarray(image.dataobj), image.affine)
