"""Check the voxels of an image before it is used, and correct the little that can be corrected."""

from __future__ import annotations

import numpy as np

from gliotype.errors import InputError
from gliotype.read.geometry import MAX_SKEW_MM, deskew, skew_mm
from gliotype.read.series import Loaded
from gliotype.volume import Array, Volume


def compact(array: Array) -> Array:
    """Keep integers that fit as int16, everything else as float32 (infinite where it does not fit).

    Example:
        >>> compact(np.array([1, 40000], np.uint16)).dtype.name
        'float32'
        >>> compact(np.array([1, 2], np.uint8)).dtype.name
        'int16'
    """
    if array.dtype.kind in "iub" and array.max() <= 32767 and array.min() >= -32768:
        return array.astype(np.int16, copy=False)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def validate(volume: Volume, source: str) -> Loaded:
    """Refuse an image without content; replace a few non-finite voxels by 0; straighten a skewed grid.

    Args:
        volume: voxels as read.
        source: its name in messages.

    Raises:
        InputError: if all voxels are the same, or none is a finite number.
    """
    array = compact(volume.array)
    warnings = []
    finite = np.isfinite(array)
    if not finite.any():
        raise InputError(f"{source} holds no number, only NaN: export or convert it again")
    if not finite.all():
        bad = 100.0 * (1.0 - float(finite.mean()))
        warnings.append(f"{source}: {bad:.2g} % of the voxels were not finite numbers and were set to 0.")
        array = np.where(finite, array, np.float32(0))
    if array.min() == array.max():
        value = float(array.flat[0])
        raise InputError(
            f"{source} is constant (every voxel is {value:g}): it holds no image, export it again"
        )
    skew = skew_mm(volume.grid)
    if skew > MAX_SKEW_MM:
        warnings.append(
            f"{source}: its axes are not at right angles (gantry tilt or a skewed affine, {skew:.0f} mm "
            "at the far corner); it was resampled onto a rectangular grid."
        )
    return Loaded(deskew(Volume(array, volume.affine)), tuple(warnings))
