"""Read a mask that the caller gives: of the tumour, or of arteries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gliotype.errors import GeometryError, InputError
from gliotype.read.files import Format, Found, printable, sniff
from gliotype.read.geometry import MAX_SKEW_MM, skew_mm
from gliotype.read.nifti.image import read_nifti, read_voxels
from gliotype.volume import Volume


def read_mask(path: Path) -> Volume:
    """Read a label map or binary mask from a NIfTI file.

    Args:
        path: a .nii or .nii.gz file.

    Returns:
        The labels as int16, 3D.

    Raises:
        InputError: if the file is no readable 3D NIfTI image, or holds other than whole numbers.
        GeometryError: if its affine is missing, singular or skewed.
    """
    if not path.is_file():
        raise InputError(f"the mask {path} does not exist: check the path")
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
    if not np.isfinite(values).all() or not np.array_equal(values, np.round(values)):
        raise InputError(f"the mask {path} holds fractions: give whole numbers, 0 outside of what it marks")
    return Volume(values.astype(np.int16), series.grid.affine)
