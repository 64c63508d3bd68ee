"""Whose fault a failure is: the machine's or the study's.

What every study would meet on a machine (a full disk, damaged weights) is raised, and no study fails of it. What only
may be the machine's fault (a lost mount or network) is recorded with its name, and the next run tries the study again;
a cluster first tries it on other machines.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gliotype.atomic_files import check_writable
from gliotype.batch.job import StudyJob
from gliotype.batch.record import RECORDS
from gliotype.errors import OutputError, WeightsError

MACHINE_FAULTS = (OutputError, WeightsError)
"""Raised where the machine cannot predict any study."""

ROOM_BYTES = 64_000_000
"""Room for temporary files, and for the results, below which no study is begun."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

_OF_MACHINES = frozenset(
    getattr(errno, name)
    for name in (
        *(
            "EIO",
            "EREMOTEIO",
            "ENXIO",
            "ENODEV",
            "ESTALE",
            "ENOTCONN",
            "ETIMEDOUT",
            "EHOSTDOWN",
            "EHOSTUNREACH",
        ),
        *("ENETDOWN", "ENETUNREACH", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED"),
        *("EMFILE", "ENFILE", "EAGAIN", "ENOMEM"),
    )
    if hasattr(errno, name)
)
"""Errors of disks and networks, and of a system out of files, processes or memory."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on.

    Example:
        >>> [type(error).__name__ for error in causes(KeyError())]
        ['KeyError']
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def may_be_machines(error: BaseException, job: StudyJob) -> bool:
    """Whether an error at a study may be the fault of the machine.

    It may if it tells of a disk or a network, if the study cannot be read here, or if its results cannot be written.

    Args:
        error: at which the study ended.
        job: the study.

    Example:
        >>> job = StudyJob("a", "a")
        >>> may_be_machines(OSError(errno.EIO, "no answer"), job), may_be_machines(ValueError(), job)
        (True, False)
    """
    if isinstance(error, OutputError):
        return True
    if any(isinstance(cause, OSError) and cause.errno in _OF_MACHINES for cause in causes(error)):
        return True
    return not inputs_seen(job)


def inputs_seen(job: StudyJob) -> bool:
    """Whether every file and folder that a study names is there and may be read."""
    return all(os.access(path, os.R_OK) for path in job.inputs)


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


def check_machine(output: Path, error: Exception) -> None:
    """Check that an error at a study is not one that every study would meet on this machine.

    Args:
        output: folder of the results (OUT).
        error: at which the study ended.

    Raises:
        OutputError: if a disk is full, or no temporary files or no records can be written; it names the folder.
    """
    check_room(output, error)
    if isinstance(error, OutputError):
        check_writable(Path(tempfile.gettempdir()))
        check_writable(output / RECORDS)


def tells_of_full_disk(error: BaseException) -> bool:
    """Say whether an error, or one of its causes, is that a disk or a quota is full.

    Example:
        >>> tells_of_full_disk(OSError(errno.ENOSPC, "no space")), tells_of_full_disk(ValueError())
        (True, False)
    """
    return any(isinstance(cause, OSError) and cause.errno in _FULL for cause in causes(error))
