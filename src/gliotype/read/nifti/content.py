"""Read the header and the voxels of a NIfTI file, of one file or a pair, whatever its name says of its compression."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np

from gliotype.errors import InputError
from gliotype.read.files import GZIP_MAGIC, Found
from gliotype.read.limits import MAX_DEFLATE_RATIO, MAX_TRAILING_BYTES, refuse_more_voxels
from gliotype.volume import Array

_HEADER_BYTES = 540
_CHUNK = 1 << 22
_HEADERS = {
    b"n+1\0": nib.Nifti1Header,
    b"ni1\0": nib.nifti1.Nifti1PairHeader,
    b"n+2\0": nib.Nifti2Header,
    b"ni2\0": nib.nifti2.Nifti2PairHeader,
}
"""By magic: in one file, or in a pair (``.hdr`` and ``.img``), of version 1 or 2."""


def read_nifti_header(found: Found) -> Any:
    """Read the header alone; extensions are passed over.

    Returns:
        A nibabel header.

    Raises:
        InputError: if the file claims more voxels than the limit.
        ValueError: if it is not NIfTI (an Analyze file does not say where right and left are).
    """
    with _opened(found.path) as stream:
        block = stream.read(_HEADER_BYTES)
    second = block[4:8] in (b"n+2\0", b"ni2\0")
    kind: Any = _HEADERS.get(block[4:8] if second else block[344:348])
    if kind is None:
        raise ValueError("no NIfTI header")
    header: Any = kind(block[: kind.template_dtype.itemsize])
    refuse_more_voxels(found.relative, header.get_data_shape(), header.get_data_dtype().itemsize)
    return header


def read_nifti_array(found: Found) -> Array:
    """Read the voxels, scaled by slope and intercept.

    A compressed file is read to its end, which verifies its checksum.

    Raises:
        InputError: if the file claims more voxels than the limit or than it can hold, or unpacks to much more.
        ValueError, OSError and others of nibabel: if it is damaged.
    """
    header = read_nifti_header(found)
    path = _voxel_file(found.path, header)
    offset = int(header.get_data_offset())
    promised = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    with _opened(path) as stream:
        compressed = isinstance(stream, gzip.GzipFile)
        size = path.stat().st_size
        if offset + promised > size * (MAX_DEFLATE_RATIO if compressed else 1):
            raise InputError(
                f"{found.relative} is cut off or damaged within its voxels (its header promises "
                f"{promised:,} bytes, the file has {size:,}): export or copy it again"
            )
        array = np.asanyarray(nib.arrayproxy.ArrayProxy(stream, header, mmap=False))
        if compressed:
            _drain(stream, found.relative)
    return array


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be compressed, whatever its name says."""
    with path.open("rb") as stream:
        compressed = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        if compressed:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield stream


def _voxel_file(path: Path, header: Any) -> Path:
    """Return the file of the voxels: the same one, or the ``.img`` (``.img.gz``) of a pair."""
    if header.is_single:
        return path
    name = path.name.lower().removesuffix(".gz").removesuffix(".hdr")
    for other in sorted(path.parent.iterdir()):
        if other.name.lower() in (f"{name}.img", f"{name}.img.gz") and other.is_file():
            return other
    raise InputError(f"{path.name} is the header of a pair whose .img file is missing: give both files")


def _drain(stream: IO[bytes], source: str) -> None:
    """Read a compressed stream to its end, and refuse one that unpacks to much more than its image."""
    trailing = 0
    while chunk := stream.read(_CHUNK):
        trailing += len(chunk)
        if trailing > MAX_TRAILING_BYTES:
            raise InputError(
                f"{source} unpacks to more than {MAX_TRAILING_BYTES / 1e6:.0f} MB beyond the image that its header "
                "describes: it is damaged, export it again"
            )
