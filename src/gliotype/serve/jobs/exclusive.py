"""One process at a time serves a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gliotype.errors import UsageError
from gliotype.locks import try_lock

_TRIES = 5


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
        time.sleep(0.1)  # another process may only be testing it, or be about to end
    else:
        raise UsageError(f"{folder} is in use by another gliotype: stop that one, or choose another folder")
    try:
        yield
    finally:
        os.close(lock)
