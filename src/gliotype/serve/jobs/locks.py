"""Locks on files that end with the last process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliotype.errors import UsageError

_TRIES = 5


def try_lock(file: Path) -> int | None:
    """Lock a file, made if missing, without waiting.

    Returns:
        An open descriptor; the lock lasts until this and every copy of it that a child inherited are closed. None if
        another process holds the lock.

    Raises:
        OSError: if the file cannot be opened or its file system has no locks.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time serve a folder.

    Args:
        folder: existing folder of a queue and its jobs.

    Raises:
        UsageError: if another process serves it.
    """
    for _ in range(_TRIES):
        if (lock := try_lock(folder / "server.lock")) is not None:
            break
        time.sleep(0.1)  # it may only be looked at, or about to end
    else:
        raise UsageError(f"{folder} is in use by another gliotype: stop that one, or choose another folder")
    try:
        yield
    finally:
        os.close(lock)


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file; a file that does not exist is not locked."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
