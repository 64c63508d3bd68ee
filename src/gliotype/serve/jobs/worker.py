"""A thread that takes the jobs of one step, one after the other, and sleeps while none is due."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

from gliotype.serve.jobs.store import Job, JobStore, State

MAX_DEFECTS = 3
"""Defects at one step of a job after which it is set aside."""

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
        while (job := self._next()) is not None:
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
