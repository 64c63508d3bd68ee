"""Folders for files that are not complete yet: removed when their block ends, and swept after a run that was killed.

Each folder is locked by the process that made it for as long as that lives. A folder without an owner was left by a
killed run: the next run that works in the same place removes it. Where the file system has no locks, nothing is swept.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gliotype.errors import OutputError

if sys.platform != "win32":
    import fcntl

PREFIX = ".gliotype-"
"""Begins the name of every folder that is not complete yet."""

_NAME = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Lend an empty folder, which only this user may enter, where the system keeps temporary files.

    Raises:
        OutputError: if there is no place for temporary files, or nothing can be written there.
    """
    with ExitStack() as stack:
        try:
            path = stack.enter_context(locked_folder(Path(tempfile.gettempdir())))
        except OSError as error:
            why = error.strerror or str(error)
            raise OutputError(
                f"no folder for temporary files can be made ({why}): set TMPDIR to a folder that can be written"
            ) from error
        yield path


@contextmanager
def locked_folder(parent: Path, recover: Callable[[Path], None] = lambda folder: None) -> Iterator[Path]:
    """Lend an empty folder within another, and remove it at the end; sweep those of killed runs first.

    Args:
        parent: an existing folder.
        recover: called with the folder of a killed run before that is removed.

    Raises:
        OSError: if the folder cannot be made.
    """
    sweep(parent, recover)
    path, lock = parent / _random_name(), None
    try:
        path.mkdir(mode=0o700)
        while (lock := _lock_of_new(path)) is None:
            path = parent / _random_name()
            path.mkdir(mode=0o700)
        yield path
    finally:
        _remove(path)
        if lock is not None:
            os.close(lock)


def sweep(parent: Path, recover: Callable[[Path], None] = lambda folder: None) -> None:
    """Remove the folders that killed runs of this user left in a folder; those of live runs stay.

    Args:
        parent: where they lie; nothing happens if it cannot be listed.
        recover: called with each before it is removed.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(parent) as entries:
        names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        for name in names:
            _sweep_one(parent / name, recover)


def _sweep_one(folder: Path, recover: Callable[[Path], None]) -> None:
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                recover(folder)
                _remove(folder)
        finally:
            os.close(lock)


def _random_name() -> str:
    return f"{PREFIX}{secrets.token_hex(8)}"


def _lock_of_new(folder: Path) -> int | None:
    """Lock a folder just made; None if another run has swept it in between."""
    if sys.platform == "win32":
        return -1
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        return lock
    if folder.exists() and os.stat(folder).st_ino == os.fstat(lock).st_ino:
        return lock
    os.close(lock)
    return None


def _remove(folder: Path) -> None:
    """Remove a folder and all in it; a signal that comes meanwhile is obeyed afterwards."""
    try:
        _remove_tree(folder)
    except BaseException:
        _remove_tree(folder)
        raise


def _remove_tree(folder: Path) -> None:
    """Remove what can be removed, also from folders that came without the right to write in them."""

    def make_writable(remove: Callable[[str], object], path: str, _: object) -> None:
        with suppress(OSError):
            for place in (os.path.dirname(path), path):
                os.chmod(place, stat.S_IRWXU)
            remove(path)

    shutil.rmtree(folder, onerror=make_writable)
