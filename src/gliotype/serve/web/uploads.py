"""Write what the page sends into files: names that stay inside their folder, bytes that stay within limits."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError
from gliotype.read.limits import MAX_ZIP_MEMBERS, max_zip_bytes

MAX_FILE_BYTES = 8_000_000_000
"""Of one file."""
MAX_FILES = MAX_ZIP_MEMBERS
"""Of one study."""
SPARE_BYTES = 2_000_000_000
"""Of the disk that an upload leaves free."""

_BUFFER = 1 << 20
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MAX_DEPTH, _MAX_PATH, _MAX_NAME = 16, 1000, 200


class TooLargeError(InputError):
    """An upload is larger than a limit, or than the disk."""


def upload_path(name: str) -> PurePosixPath:
    r"""Check the path of a file inside its study, as the browser has it.

    Raises:
        InputError: if it is not a plain relative path.

    Example:
        >>> upload_path("exam/AX T1 post/0001.dcm").parts
        ('exam', 'AX T1 post', '0001.dcm')
        >>> upload_path("../../etc/passwd")
        Traceback (most recent call last):
        gliotype.errors.InputError: a file name leads outside of its folder or holds a character that is not allowed...
    """
    parts = name.split("/")
    plain = (
        0 < len(parts) <= _MAX_DEPTH
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_PATH
        and all(_is_plain(part) for part in parts)
    )
    if not plain:
        raise InputError(
            "a file name leads outside of its folder or holds a character that is not allowed: rename the file"
        )
    return PurePosixPath(*parts)


def _is_plain(part: str) -> bool:
    """Whether a part of a path is a name on every system: no way up, no drive, no device, nothing invisible."""
    return (
        part not in ("", ".", "..")
        and len(part.encode("utf-8", "surrogatepass")) <= _MAX_NAME
        and not part.startswith((".gliotype", "~"))
        and not part.endswith((".", " "))
        and not re.search(r'[\\:*?"<>|]', part)
        and not _DEVICE.fullmatch(part)
        and not any(unicodedata.category(character)[0] == "C" for character in part)
    )


@dataclass
class Meter:
    """Counts what one study has received."""

    files: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, folder: Path) -> Meter:
        """Count what lies in a folder."""
        sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
        return cls(len(sizes), sum(sizes))

    def admit(self, folder: Path, announced: int | None) -> None:
        """Refuse a file before its first byte is read.

        Args:
            folder: where it will lie.
            announced: its size, as the request says; None where it does not.

        Raises:
            TooLargeError: if there is no room for it.
        """
        if self.files >= MAX_FILES:
            raise TooLargeError(f"the study has more than {MAX_FILES:,} files: give one study")
        self.check(announced or 0)
        if shutil.disk_usage(folder).free - (announced or 0) < SPARE_BYTES:
            raise TooLargeError("the disk is full: make room and try again")

    def check(self, size: int) -> None:
        """Refuse a file whose size has gone beyond what one file, or the study, may have.

        Raises:
            TooLargeError: if it has.
        """
        if size > MAX_FILE_BYTES:
            raise TooLargeError(
                f"a file may have {MAX_FILE_BYTES / 1e9:g} GB at most: give a folder or a smaller zip"
            )
        if self.bytes + size > max_zip_bytes():
            raise TooLargeError(f"a study may have {max_zip_bytes() / 1e9:g} GB at most: give one study")


async def write_stream(chunks: AsyncIterator[bytes], file: Path, meter: Meter, announced: int | None) -> int:
    """Write the body of a request into a file, which appears when it is complete.

    Args:
        chunks: the body as it comes.
        file: its folder is created if missing.
        meter: of the study; it counts the file when it is complete.
        announced: size of the body, if the request says it.

    Returns:
        Its size.

    Raises:
        TooLargeError: as soon as a limit is passed; nothing is left of the file then.
        InputError: if a folder has the name of the file, or a file that of its folder.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise IsADirectoryError
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InputError("a file and a folder of the study have the same name: rename one") from None
    meter.admit(file.parent, announced)
    part, size = file.with_name(f".{secrets.token_hex(8)}.part"), 0
    try:
        with part.open("wb") as stream:
            buffer = bytearray()
            async for chunk in chunks:
                size += len(chunk)
                meter.check(size)
                buffer += chunk
                if len(buffer) >= _BUFFER:
                    await asyncio.to_thread(stream.write, bytes(buffer))
                    buffer.clear()
            stream.write(buffer)
        replaced = file.stat().st_size if file.exists() else None
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    meter.bytes += size - (replaced or 0)
    meter.files += replaced is None
    return size
