"""Worker processes that make patients in parallel."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor


def workers(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes.

    They are spawned, not forked: a fork of a process in which OpenVINO or torch has started its threads may wait
    forever for a lock that one of them held. They end with this process, also when it is killed.

    Args:
        jobs: how many.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=end_with_parent)


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it has ended, however that came."""
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
