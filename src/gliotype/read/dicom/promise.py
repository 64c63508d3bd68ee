"""Compare what a DICOM header promises with the limits, and with what the file can hold, before anything is decoded."""

from __future__ import annotations

import struct
from itertools import islice

from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import RLELossless

from gliotype.errors import InputError
from gliotype.read.dicom.frame import Frame
from gliotype.read.limits import MAX_RLE_RATIO, MAX_SIDE, refuse_more_voxels

_SEARCHED = 4096
_MAX_STREAMS = 10_000
_SIZES = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2", b"\xff\xc3", b"\xff\xf7")
"""Markers of JPEG and JPEG-LS after which height and width follow."""


def refuse_oversized(frames: list[Frame], source: str) -> None:
    """Refuse an image whose slices or number of voxels are beyond the limits.

    Raises:
        InputError: naming the limit.
    """
    rows, columns = frames[0].size
    if not 2 <= min(rows, columns) <= max(rows, columns) <= MAX_SIDE:
        raise InputError(
            f"{source}: its slices have {rows} x {columns} voxels, where 2 to {MAX_SIDE} along each side are read: "
            "export the series again"
        )
    refuse_more_voxels(source, (rows, columns, len(frames)))


def refuse_false_promise(dataset: Dataset, source: str) -> None:
    """Refuse a file whose pixels would take more room than the limits allow, or than its content can fill.

    Raises:
        InputError: if rows, columns and frames are beyond the limits, or the compressed pixels are of another size.
    """
    rows, columns, frames = int(dataset.Rows), int(dataset.Columns), int(dataset.get("NumberOfFrames") or 1)
    refuse_more_voxels(source, (rows, columns, frames))
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    packed = len(dataset.PixelData)
    promised = rows * columns * frames * max(1, int(dataset.BitsAllocated) // 8)
    if syntax == RLELossless and promised > MAX_RLE_RATIO * packed:
        raise InputError(
            f"{source}: its header promises {promised:,} bytes of pixels, which its {packed:,} bytes of RLE "
            "cannot hold: export it again"
        )
    for stream in islice(generate_fragments(dataset.PixelData), _MAX_STREAMS):
        size = _size_of(stream[:_SEARCHED])
        if size is not None and size[0] * size[1] > 4 * rows * columns:
            raise InputError(
                f"{source}: its compressed pixels claim {size[0]} x {size[1]}, its header {rows} x {columns}: "
                "export it again"
            )


def _size_of(stream: bytes) -> tuple[int, int] | None:
    """Return the rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream claims, or None.

    Example:
        >>> _size_of(bytes.fromhex("ffd8 ffc3 000b 10 0040 0080 01"))
        (64, 128)
    """
    at = stream.find(b"\xff\x51")
    if stream[:2] == b"\xff\x4f" and 0 < at <= len(stream) - 14:
        columns, rows = struct.unpack(">II", stream[at + 6 : at + 14])
        return rows, columns
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        if stream[at : at + 2] in _SIZES:
            rows, columns = struct.unpack(">HH", stream[at + 5 : at + 9])
            return rows, columns
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None
