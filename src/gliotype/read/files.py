"""Open what the caller named: a folder, a zip or one file, as a list of files and their format."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError

_NIFTI_MAGIC = (b"n+1\0", b"ni1\0")
_NIFTI2_MAGIC = (b"n+2\0", b"ni2\0")


class Format(StrEnum):
    """What a file holds, as far as its first bytes and its name tell."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    OTHER = "other"


@dataclass(frozen=True)
class Found:
    """One file of a study.

    Attributes:
        path: where it lies now.
        relative: its path inside the study, with forward slashes.
        format: what it holds.
    """

    path: Path
    relative: str
    format: Format


def printable(name: str) -> str:
    r"""Return a file name that every text can hold: bytes that are no UTF-8, as old exports have, become U+FFFD.

    Example:
        >>> printable("M\udcfcller/T1.nii.gz") == "M\ufffdller/T1.nii.gz"
        True
    """
    return os.fsencode(name).decode("utf-8", errors="replace")


@contextmanager
def open_source(source: Path) -> Iterator[tuple[Found, ...]]:
    """List the files of a folder, of a zip (unpacked for as long as the context lasts), or one file.

    Raises:
        InputError: if there is nothing to read there, or the zip is damaged, encrypted or unsafe.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist: check the path")
    if source.is_dir():
        yield _listed(source, str(source))
    elif zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory(prefix="gliotype-") as folder:
            _unzip(source, Path(folder))
            yield _listed(Path(folder), str(source))
    elif source.suffix.lower() == ".zip":
        raise InputError(
            f"{source} is not a readable zip: it is damaged or incomplete, copy or pack it again"
        )
    else:
        found = Found(source, printable(source.name), sniff(source))
        if found.format is Format.OTHER:
            raise InputError(
                f"{source} is neither DICOM nor NIfTI nor a zip: "
                "give a folder, a zip, a .nii(.gz) or a DICOM file"
            )
        yield (found,)


def sniff(path: Path) -> Format:
    """Tell the format of a file from its first bytes, or from its name where the bytes say nothing.

    A text named ``.nii`` counts as NIfTI, so that reading it says what is wrong with it.
    """
    name = path.name.lower()
    if name == "dicomdir":
        return Format.OTHER
    try:
        with path.open("rb") as stream:
            head = stream.read(352)
        if head[:2] == b"\x1f\x8b" and not name.endswith(".nii.gz"):
            with gzip.open(path) as stream:
                head = stream.read(352)
    except (OSError, EOFError, zlib.error):
        head = b""
    if head[128:132] == b"DICM" or _starts_like_bare_dicom(head):
        return Format.DICOM
    if head[344:348] in _NIFTI_MAGIC or head[4:8] in _NIFTI2_MAGIC:
        return Format.OTHER if name.endswith(".img") else Format.NIFTI
    if name.endswith((".nii", ".nii.gz")):
        return Format.NIFTI
    return Format.DICOM if name.endswith((".dcm", ".ima")) else Format.OTHER


def _starts_like_bare_dicom(head: bytes) -> bool:
    """Recognise a data set without preamble: group 0008, a low element, as explicit or implicit VR."""
    if len(head) < 12 or head[:2] != b"\x08\x00" or head[3] != 0 or head[2] > 0x60:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or head[6:8] == b"\0\0"


def _listed(root: Path, name: str) -> tuple[Found, ...]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        for file in sorted(files):
            path = Path(folder, file)
            if not file.startswith(".") and path.is_file():
                found.append(Found(path, printable(path.relative_to(root).as_posix()), sniff(path)))
    if not found:
        raise InputError(f"{name} is empty: give the folder or zip that holds the images")
    if all(f.format is Format.OTHER for f in found):
        raise InputError(
            f"{name} holds no image among its {len(found)} files (first: {found[0].relative}): "
            "give DICOM, or NIfTI as .nii or .nii.gz"
        )
    return tuple(found)


def _unzip(source: Path, folder: Path) -> None:
    """Unpack a zip into an empty folder, refusing members that would leave it."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            for member in members:
                parts = PurePosixPath(member.filename.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[:1]:
                    raise InputError(
                        f"{source} holds a member outside its own folder ({member.filename}): "
                        "do not trust this zip, pack the study again"
                    )
                if member.flag_bits & 1:
                    raise InputError(
                        f"{source} is encrypted: unpack it with its password and give the folder"
                    )
            need = sum(member.file_size for member in members)
            if need > shutil.disk_usage(folder).free:
                raise InputError(
                    f"{source} needs {need / 1e9:.1f} GB unpacked, more than is free in {folder.parent}: "
                    "make room, or set TMPDIR to another disk"
                )
            archive.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise InputError(f"{source} cannot be unpacked ({error}): copy or pack it again") from error
