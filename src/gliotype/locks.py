"""Locks on files, which end with the last process that holds them, however it ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def file_lock(file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock on a file within the block.

    Where the file system has no locks, as some network file systems, no process is excluded.

    Args:
        file: made if missing; it stays.
        wait: until another process releases it.

    Yields:
        Whether it is held: False if another process holds it and `wait` is False.

    Raises:
        OSError: if the file cannot be opened.
    """
    descriptor = _open(file)
    try:
        try:
            locked = _flock(descriptor, wait=wait)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            locked = True
        yield locked
    finally:
        os.close(descriptor)


def try_lock(file: Path) -> int | None:
    """Lock a file, made if missing, without waiting.

    Returns:
        An open descriptor; the lock lasts until this and every copy of it that a child inherited are closed. None if
        another process holds the lock.

    Raises:
        OSError: if the file cannot be opened or its file system has no locks.
    """
    descriptor = _open(file)
    try:
        locked = _flock(descriptor, wait=False)
    except OSError:
        os.close(descriptor)
        raise
    if not locked:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file; a file that does not exist is not locked."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, wait=False, shared=True)
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def _flock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock an open file; False if another process holds it. Windows has no such locks: nothing is excluded."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
