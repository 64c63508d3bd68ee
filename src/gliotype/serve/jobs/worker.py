"""A thread that takes the jobs of one step, one after the other, and sleeps while none is due."""

from __future__ import annotations

import logging
import sqlite3
import threading
import traceback
from collections.abc import Callable

from gliotype.serve.jobs.store import Job, JobStore, State

MAX_DEFECTS = 3
"""Defects at one step of a job after which it is set aside."""

PAUSE_S = 10.0
"""Pause before another try where the queue itself cannot be used."""

_LOGGER = logging.getLogger(__name__)


def back_off_s(failures: int, first_s: float, most_s: float) -> float:
    """Seconds to wait after the given number of failures: four times as long after each, up to a limit.

    Example:
        >>> [back_off_s(failures, 60, 3600) for failures in (1, 2, 3, 4, 5)]
        [60.0, 240.0, 960.0, 3600, 3600]
    """
    return min(most_s, first_s * 4.0 ** min(failures - 1, 30))


class Worker(threading.Thread):
    """Takes jobs until it is stopped."""

    def __init__(self, store: JobStore, step: str, handle: Callable[[Job], None]) -> None:
        """Make a worker; `start` lets it work.

        Args:
            store: of the jobs.
            step: whose jobs it takes.
            handle: works on a running job and takes it to its next state. If it raises, which is logged as a defect,
                the job is tried again later, `MAX_DEFECTS` times in all.
        """
        super().__init__(name=f"gliotype-{step}", daemon=True)
        self._store, self._step, self._handle = store, step, handle
        self._stopping = False

    def run(self) -> None:
        """Work; see `threading.Thread`."""
        while not self._stopping:
            try:
                job = self._next()
                if job is not None:
                    self._work_on(job)
            except (sqlite3.Error, OSError) as error:
                # Such as a full disk: what is running is taken up at the next start at the latest.
                _LOGGER.error("the queue cannot be used (%s: %s)", type(error).__name__, error)
                self._pause(PAUSE_S)

    def _work_on(self, job: Job) -> None:
        try:
            self._handle(job)
        except Exception as error:  # noqa: BLE001 - a defect at one job must not end the service
            # The message of a defect may hold a patient's name; where it arose does not.
            place = traceback.extract_tb(error.__traceback__)[-1]
            name = type(error).__name__
            _LOGGER.error("defect at %s: %s in %s:%s", job.id, name, place.filename, place.lineno)
            reason = f"this is a bug in Gliotype ({name}): see the log"
            if job.failures + 1 < MAX_DEFECTS:
                self._store.retry(job, reason, back_off_s(job.failures + 1, 60, 3600))
            else:
                self._store.finish(job, State.FAILED, reason)

    def _pause(self, seconds: float) -> None:
        """Wait until stopped, at most for a time."""
        with self._store.changed:
            self._store.changed.wait_for(lambda: self._stopping, seconds)

    def stop(self) -> None:
        """Take no further job; the one at hand is finished by who handles it."""
        with self._store.changed:
            self._stopping = True
            self._store.changed.notify_all()

    def _next(self) -> Job | None:
        """Wait for the next job; None when stopped."""
        with self._store.changed:
            while not self._stopping:
                if (job := self._store.claim(self._step)) is not None:
                    return job
                self._store.changed.wait(self._store.seconds_until_due(self._step))
        return None
