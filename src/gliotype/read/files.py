"""Open what the caller named: a folder, a zip or one file, as a list of files and their format."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError
from gliotype.read.limits import (
    FREE_OF_RATIO_BYTES,
    MAX_ZIP_BYTES_VARIABLE,
    MAX_ZIP_MEMBERS,
    MAX_ZIP_RATIO,
    max_zip_bytes,
)
from gliotype.read.parsing import UNREADABLE, reading, reason_of
from gliotype.temporary import temporary_folder
from gliotype.text import printable

GZIP_MAGIC = b"\x1f\x8b"
_NIFTI_MAGIC = (b"n+1\0", b"ni1\0")
_NIFTI2_MAGIC = (b"n+2\0", b"ni2\0")


class Format(StrEnum):
    """What a file holds, as far as its first bytes and its name show."""

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


@contextmanager
def open_source(source: Path) -> Iterator[tuple[Found, ...]]:
    """List the files of a folder, of a zip (unpacked for as long as the context lasts), or one file.

    Raises:
        InputError: if there is nothing to read there, or the zip is damaged, encrypted, unsafe or beyond the limits.
    """
    if _kind_of(source) == "folder":
        yield _listed(source, str(source))
    elif _is_zip(source):
        with temporary_folder() as folder:
            _unzip(source, folder)
            yield _listed(folder, str(source))
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


def require_file(path: Path, name: str) -> None:
    """Refuse a path at which there is no regular file that can be read.

    Args:
        path: what the caller named.
        name: what to call it in the message.

    Raises:
        InputError: if it is missing, a folder, a pipe or a device.
    """
    if _kind_of(path, name) == "folder":
        raise InputError(f"{name} is a folder: give a file")


def _kind_of(path: Path, name: str | None = None) -> str:
    """Return ``"folder"`` or ``"file"``, and refuse everything else before it is opened: a pipe never ends."""
    name = name or _shortened(str(path))
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise InputError(f"{name} is a link that leads nowhere: check where it points") from None
        raise InputError(f"{name} does not exist: check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened ({reason_of(error)[:60]}): check the path") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{name} is a pipe, a socket or a device, not a file: give a folder, a zip or a file"
        )
    return "file"


def _shortened(name: str) -> str:
    """Keep a name short enough for a message.

    Example:
        >>> len(_shortened(10_000 * "a")), _shortened("a/T1.nii")
        (203, 'a/T1.nii')
    """
    return name if len(name) <= 200 else f"{name[:100]}...{name[-100:]}"


def _is_zip(source: Path) -> bool:
    try:
        return zipfile.is_zipfile(source)
    except UNREADABLE:
        return False


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
        if head[:2] == GZIP_MAGIC and not name.endswith(".nii.gz"):
            with gzip.open(path) as stream:
                head = stream.read(352)
    except (OSError, EOFError, zlib.error):
        head = b""
    if starts_like_dicom(head):
        return Format.DICOM
    if head[344:348] in _NIFTI_MAGIC or head[4:8] in _NIFTI2_MAGIC:
        return Format.OTHER if name.endswith((".img", ".img.gz")) else Format.NIFTI
    if name.endswith((".nii", ".nii.gz")):
        return Format.NIFTI
    return Format.DICOM if name.endswith((".dcm", ".ima", ".dcm.gz", ".ima.gz")) else Format.OTHER


def starts_like_dicom(head: bytes) -> bool:
    """Recognise DICOM by its magic, or a data set without preamble by its first element.

    Without preamble the file begins with group 0002 or 0008 and a low element, as explicit or implicit VR.
    """
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return True
    if len(head) < 12 or head[:2] not in (b"\x08\x00", b"\x02\x00") or head[3] != 0 or head[2] > 0x60:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or head[6:8] == b"\0\0"


def _listed(root: Path, name: str) -> tuple[Found, ...]:
    found = []
    linked: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        linked += [printable(f) for f in folders if Path(folder, f).is_symlink()]
        for file in sorted(files):
            path = Path(folder, file)
            if not file.startswith(".") and path.is_file():
                found.append(Found(path, printable(path.relative_to(root).as_posix()), sniff(path)))
    if not found and linked:
        raise InputError(
            f"{name} holds nothing but links to other folders, which are not followed: "
            "give the folder to which the link leads"
        )
    if not found:
        raise InputError(f"{name} is empty: give the folder or zip that holds the images")
    if all(f.format is Format.OTHER for f in found):
        raise InputError(
            f"{name} holds no image among its {len(found)} files (first: {found[0].relative}): "
            "give DICOM, or NIfTI as .nii or .nii.gz"
        )
    return tuple(found)


def _unzip(source: Path, folder: Path) -> None:
    """Unpack a zip into an empty folder, refusing members that would leave it and more than the limits allow."""
    sentence = f"{source} cannot be unpacked ({{reason}}): copy or pack it again"
    with reading(sentence, RuntimeError, zipfile.BadZipFile), zipfile.ZipFile(source) as archive:
        members = [member for member in archive.infolist() if member.filename.strip("/\\")]
        for member in members:
            parts = PurePosixPath(member.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[:1]:
                raise InputError(
                    f"{source} holds a member outside its own folder ({_shortened(printable(member.filename))}): "
                    "do not trust this zip, pack the study again"
                )
            if member.flag_bits & 1:
                raise InputError(f"{source} is encrypted: unpack it with its password and give the folder")
        _refuse_bomb(source, folder, members)
        archive.extractall(folder, members)


def _refuse_bomb(source: Path, folder: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip that would fill the disk; no member unpacks to more than the zip says of it."""
    need = sum(member.file_size for member in members)
    if len(members) > MAX_ZIP_MEMBERS:
        raise InputError(
            f"{source} holds {len(members):,} files, more than the limit of {MAX_ZIP_MEMBERS:,}: "
            "unpack it and give the folder of one study"
        )
    if need > max_zip_bytes():
        raise InputError(
            f"{source} unpacks to {need / 1e9:.1f} GB, more than the limit of {max_zip_bytes() / 1e9:.1f} GB: "
            f"give one study, or set {MAX_ZIP_BYTES_VARIABLE} to allow more"
        )
    packed = source.stat().st_size
    if need > max(FREE_OF_RATIO_BYTES, MAX_ZIP_RATIO * packed):
        raise InputError(
            f"{source} unpacks to {need / packed:,.0f} times its size, more than the limit of {MAX_ZIP_RATIO}, "
            "which no images do: do not trust this zip, or unpack it and give the folder"
        )
    if need > shutil.disk_usage(folder).free:
        raise InputError(
            f"{source} needs {need / 1e9:.1f} GB unpacked, more than is free in {folder.parent}: "
            "make room, or set TMPDIR to another disk"
        )
