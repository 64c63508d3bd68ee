"""Processes that make patients side by side."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def workers(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes.

    They are spawned, not forked: a fork of a process in which OpenVINO or torch has started its threads may wait for
    ever for a lock that one of them held.

    Args:
        jobs: how many.
    """
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
