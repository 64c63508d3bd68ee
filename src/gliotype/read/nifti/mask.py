"""Read a mask that the caller gives: of the tumour, or of arteries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gliotype.errors import GeometryError, InputError
from gliotype.paths import as_path
from gliotype.read.files import Format, Found, require_file, sniff
from gliotype.read.geometry import MAX_SKEW_MM, skew_mm
from gliotype.read.nifti.image import read_nifti, read_voxels
from gliotype.text import printable
from gliotype.volume import Volume

MAX_LABEL = 32767
"""Largest value of a mask."""


def read_mask(path: str | Path) -> Volume:
    """Read a label map or binary mask from a NIfTI file.

    Args:
        path: a .nii or .nii.gz file.

    Returns:
        The labels as int16, 3D.

    Raises:
        InputError: if the file is not a readable 3D NIfTI image, or holds other than whole numbers.
        GeometryError: if its affine is missing, singular or skewed.
    """
    path = as_path(path)
    require_file(path, f"the mask {path}")
    if sniff(path) is not Format.NIFTI:
        raise InputError(f"the mask {path} is not NIfTI: give a .nii or .nii.gz file")
    found = Found(path, printable(path.name), Format.NIFTI)
    series = read_nifti(found, {})
    if series.problem is not None or series.grid is None:
        raise series.problem or InputError(f"the mask {path} has no geometry: give it with an affine")
    if series.info.frames > 1:
        raise InputError(f"the mask {path} has {series.info.frames} frames: give one 3D mask")
    if skew_mm(series.grid) > MAX_SKEW_MM:
        raise GeometryError(f"the mask {path} lies on a skewed grid: resample it onto the image's")
    values = read_voxels(found)
    if not np.isfinite(values).all():
        raise InputError(
            f"the mask {path} holds NaN or infinite values: give whole numbers, 0 outside of what it marks"
        )
    if not np.array_equal(values, np.round(values)):
        raise InputError(f"the mask {path} holds fractions: give whole numbers, 0 outside of what it marks")
    low, high = values.min(), values.max()
    if low < 0 or high > MAX_LABEL:
        beyond = low if low < 0 else high
        raise InputError(f"the mask {path} holds the value {beyond:.6g}: give labels from 0 to {MAX_LABEL}")
    return Volume(values.astype(np.int16), series.grid.affine)
