"""How much one input may ask for. Every limit is named in the error that it causes.

A header of a few bytes can promise more than any machine holds. Readers therefore compare what a header promises
with these limits, and with what the file can hold, before they allocate or unpack anything.
"""

from __future__ import annotations

import math
import os

from gliotype.errors import InputError, UsageError

MAX_VOXELS = 200_000_000
"""Voxels of one image, all frames together; `MAX_VOXELS_VARIABLE` raises it."""
MAX_VOXELS_VARIABLE = "GLIOTYPE_MAX_VOXELS"

MAX_ZIP_BYTES = 32_000_000_000
"""Size of all files of a zip, unpacked; `MAX_ZIP_BYTES_VARIABLE` raises it."""
MAX_ZIP_BYTES_VARIABLE = "GLIOTYPE_MAX_ZIP_BYTES"
MAX_ZIP_MEMBERS = 200_000
"""Files of a zip."""
MAX_ZIP_RATIO = 100
"""Unpacked over packed size of a zip that is larger than `FREE_OF_RATIO_BYTES`; images reach 2 to 20."""
FREE_OF_RATIO_BYTES = 1_000_000_000

MAX_DEFLATE_RATIO = 1040
"""Unpacked over packed size of a gzip or deflate stream; the format itself cannot exceed 1032."""
MAX_RLE_RATIO = 128
"""Unpacked over packed size of DICOM RLE; the format itself cannot exceed 64."""
MAX_TRAILING_BYTES = 64_000_000
"""What may follow the voxels of a compressed file, unpacked."""
MAX_UNPACKED_FILE_BYTES = 1_000_000_000
"""Size of one gzipped or deflated DICOM file, unpacked."""

MAX_SIDE = 8192
"""Rows or columns of one slice."""
MAX_TILES = 1024
"""Slices of one mosaic."""
MIN_TILE = 8
"""Rows or columns of a slice of a mosaic."""
MAX_SIDECAR_BYTES = 20_000_000
"""Size of a JSON sidecar."""


def max_voxels() -> int:
    """Return the largest number of voxels of one image, from the environment where it says so."""
    return _from_environment(MAX_VOXELS_VARIABLE, MAX_VOXELS)


def max_zip_bytes() -> int:
    """Return the largest unpacked size of a zip in bytes, from the environment where it says so."""
    return _from_environment(MAX_ZIP_BYTES_VARIABLE, MAX_ZIP_BYTES)


def refuse_more_voxels(source: str, shape: tuple[int, ...], itemsize: int = 1) -> None:
    """Refuse an image that is larger than the limit.

    Args:
        source: its name in the message.
        shape: voxels along each axis, time included.
        itemsize: bytes of one voxel; more than 8 count for more than one voxel.

    Raises:
        InputError: naming the limit and how to raise it.

    Example:
        >>> refuse_more_voxels("T1.nii", (240, 240, 155))
    """
    count = math.prod(int(n) for n in shape) * max(1.0, itemsize / 8)
    if count > max_voxels():
        raise InputError(
            f"{source} claims {' x '.join(map(str, shape))} voxels, more than the limit of {max_voxels():,}: "
            f"export it again if that is wrong, or set {MAX_VOXELS_VARIABLE} to allow more"
        )


def _from_environment(variable: str, usual: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
        raise UsageError(f"{variable} is {text[:40]!r}: set it to a whole number above 0, or unset it")
    return int(text)
