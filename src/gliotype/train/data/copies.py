"""Find the same patient under two names: by a name in common, or by the same image, without reading every image.

The last eight bytes of a gzip file are the checksum and the length of what it holds, whatever its name, its date and
its compression. Only files that agree in them are read.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Hashable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import TypeVar

Who = TypeVar("Who", bound=Hashable)

_TRAILER = 8
_HEADER = 352
"""Bytes of a NIfTI file before its voxels."""


def find_twice(
    names: Mapping[Who, frozenset[str]], images: Mapping[Who, tuple[Path, ...]]
) -> dict[tuple[Who, Who], str]:
    """Find the patients who are there twice, and say by what they are recognised.

    Args:
        names: all names of each patient, each written one way.
        images: files of each patient.

    Example:
        >>> find_twice({"a": frozenset({"tcga-2-3"}), "b": frozenset({"tcga-2-3", "b"})}, {})
        {('a', 'b'): 'both are tcga-2-3'}
    """
    seen: dict[str, Who] = {}
    twice: dict[tuple[Who, Who], str] = {}
    for who, own in names.items():
        for name in sorted(own):
            if (other := seen.setdefault(name, who)) != who:
                twice.setdefault((other, who), f"both are {name}")
    for first, second, file in find_copies(images):
        twice.setdefault((first, second), f"both have the image {file.name}")
    return twice


def find_copies(images: Mapping[Who, tuple[Path, ...]]) -> Iterator[tuple[Who, Who, Path]]:
    """Find the patients who have an image in common.

    An image without any signal, as some cohorts put in place of a missing sequence, is nobody's.

    Args:
        images: files of each patient.

    Yields:
        Two patients, and the file of the second; each pair once.
    """
    alike: dict[bytes, list[tuple[Who, Path]]] = {}
    for who, files in images.items():
        for file in files:
            if trailer := _trailer(file):
                alike.setdefault(trailer, []).append((who, file))
    seen: set[tuple[Who, Who]] = set()
    hashes: dict[Path, str | None] = {}
    for group in alike.values():
        for (first, one), (second, other) in combinations(group, 2):
            if first == second or (first, second) in seen:
                continue
            for file in (one, other):
                if file not in hashes:
                    hashes[file] = _content_hash(file)
            if hashes[one] is not None and hashes[one] == hashes[other]:
                seen.add((first, second))
                yield first, second, other


def _trailer(file: Path) -> bytes:
    """Return the last bytes of a file; none of one that cannot be read, of which its reader will tell."""
    try:
        with file.open("rb") as stream:
            stream.seek(-min(_TRAILER, file.stat().st_size), os.SEEK_END)
            return stream.read()
    except OSError:
        return b""


def _content_hash(file: Path) -> str | None:
    """Hash what a file holds; None of one that is damaged or has no signal."""
    try:
        with gzip.open(file) as stream:
            content = stream.read()
    except (OSError, EOFError, zlib.error):
        return None
    return hashlib.sha256(content).hexdigest() if content[_HEADER:].strip(b"\0") else None
