"""Read a DICOM data set from a file as PACS, archives and anonymisers leave it: bare, without preamble, gzipped."""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from pathlib import Path
from typing import IO, Any

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from gliotype.errors import InputError
from gliotype.read.files import GZIP_MAGIC, Found
from gliotype.read.limits import MAX_DEFLATE_RATIO, MAX_UNPACKED_FILE_BYTES

_HEAD_BYTES = 4096
_CHUNK = 1 << 20
_PREAMBLE = bytes(128)


def read_dataset(found: Found, **options: Any) -> FileDataset:
    """Read a data set with pydicom, whatever precedes it.

    A data set without file meta information gets the transfer syntax in which it proved to be written.

    Args:
        found: the file; it may be gzipped, or lack its preamble or its file meta information.
        **options: of `pydicom.dcmread`.

    Raises:
        InputError: if the file unpacks to more than the limit.
        ValueError, OSError and others of pydicom: if it is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(found) as stream:
            dataset = pydicom.dcmread(stream, force=True, **options)
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


class _Clamped(io.BufferedReader):
    """A file of which no more is asked for than there is: an element may claim to be 4 GB long."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _CHUNK:
            size = min(size, max(0, self._size - self.tell()))
        return super().read(size)


def _opened(found: Found) -> IO[bytes]:
    """Open what pydicom can read: the file, or its content in memory where that must be changed first."""
    with found.path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head[:2] == GZIP_MAGIC:
        with gzip.open(found.path) as unpacked:
            content = _bounded(unpacked, found.relative)
        return io.BytesIO(_PREAMBLE + content if content[:4] == b"DICM" else content)
    if head[:4] == b"DICM":
        return io.BytesIO(_PREAMBLE + found.path.read_bytes())
    if DeflatedExplicitVRLittleEndian.encode() in head:
        _refuse_deflate_bomb(found)
    return _Clamped(found.path)


def _bounded(stream: gzip.GzipFile, source: str) -> bytes:
    chunks, size = [], 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        _refuse_size(size, source)
        chunks.append(chunk)
    return b"".join(chunks)


def _refuse_deflate_bomb(found: Found) -> None:
    """Count what a deflated data set unpacks to, before pydicom unpacks it at once."""
    if found.path.stat().st_size * MAX_DEFLATE_RATIO <= MAX_UNPACKED_FILE_BYTES:
        return
    with found.path.open("rb") as stream:
        pydicom.filereader.read_preamble(stream, force=True)
        pydicom.filereader._read_file_meta_info(stream)
        inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := stream.read(_CHUNK):
            while chunk:
                size += len(inflate.decompress(chunk, _CHUNK))
                _refuse_size(size, found.relative)
                chunk = inflate.unconsumed_tail


def _refuse_size(size: int, source: str) -> None:
    if size > MAX_UNPACKED_FILE_BYTES:
        raise InputError(
            f"{source} unpacks to more than the limit of {MAX_UNPACKED_FILE_BYTES / 1e9:g} GB for one compressed "
            "file: unpack it, and give the images of one study"
        )
