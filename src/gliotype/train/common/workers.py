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


def minutes_left(seconds: float, done: int, total: int) -> float:
    """Estimate the minutes that remain if the rest goes as fast as what is done.

    Args:
        seconds: that the parts which are done have taken, 0 or more.
        done: number of parts that are done, 1 or more.
        total: number of all parts.

    Example:
        >>> minutes_left(120.0, 2, 10)
        8.0
    """
    return seconds / done * (total - done) / 60
