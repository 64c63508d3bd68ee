"""Whether the disks of this machine have room for a study: if not, the machine is at fault, and not the study."""

from __future__ import annotations

import errno
import shutil
import socket
import tempfile
from pathlib import Path

from gliotype.errors import OutputError

ROOM_BYTES = 64_000_000
"""Room for temporary files, and for the results, below which no study is begun."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_room(output: Path, error: BaseException | None = None) -> None:
    """Check that temporary files and results of a study find room.

    Args:
        output: folder of the results (OUT); what does not exist yet is not looked at.
        error: at which the study ended, if it did: it or one of its causes may tell of a full disk.

    Raises:
        OutputError: if a disk is full, or there is no place for temporary files; it names the machine and the folder.
    """
    host = socket.gethostname()
    try:
        temporary = Path(tempfile.gettempdir())
        for folder, remedy in ((temporary, "set TMPDIR"), (output, "choose another folder")):
            free = shutil.disk_usage(folder).free if folder.exists() else ROOM_BYTES
            if free < ROOM_BYTES:
                raise OutputError(
                    f"{host} has only {free / 1e6:.0f} MB left in {folder}: make room there, or {remedy}"
                )
    except OSError as cause:
        raise OutputError(
            f"{host} has no place for temporary files or results ({cause.strerror}): make room there, or set TMPDIR"
        ) from cause
    if error is not None and tells_of_full_disk(error):
        raise OutputError(f"a disk of {host} is full: make room in {temporary} and {output}") from error


def tells_of_full_disk(error: BaseException) -> bool:
    """Say whether an error, or one of its causes, is that a disk or a quota is full.

    Example:
        >>> tells_of_full_disk(OSError(errno.ENOSPC, "no space")), tells_of_full_disk(ValueError())
        (True, False)
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return False
