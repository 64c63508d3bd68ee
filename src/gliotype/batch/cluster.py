"""Predict the studies of a batch on a Dask cluster, through any loss of workers and a restart of the scheduler.

Every worker predicts in a process of its own (`StudyProcess`), one for each of its threads, so that a study that
crashes costs no worker. All workers must see the studies and OUT under the same paths.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from gliotype.batch.executor import Executor, Outcome
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import CHILD
from gliotype.batch.record import Record, failed, write_record
from gliotype.batch.room import check_room
from gliotype.batch.worker import predict_on_worker
from gliotype.errors import OutputError, UsageError
from gliotype.flag import Flag

CONNECT_S = 30.0
"""The scheduler must answer within this time at the start."""

RECONNECT_S = 600.0
"""A scheduler that went away is waited for so long."""

QUEUED_PER_THREAD = 4
"""Studies handed to the scheduler for each thread of the workers; the others wait here, which keeps its load small."""


class Cluster(Executor):
    """Predicts studies on the workers of a Dask scheduler."""

    def __init__(self, address: str, child: Sequence[str] = CHILD) -> None:
        """Name the scheduler, such as ``tcp://10.0.0.1:8786``, and the command by which workers predict."""
        super().__init__()
        self._address, self._child = address, tuple(child)

    def run(self, jobs: Sequence[StudyJob], settings: BatchSettings) -> Iterator[Outcome]:
        """Yield the outcome of each study as it ends, in whatever order.

        Args:
            jobs: the studies.
            settings: of the batch.

        Raises:
            UsageError: if the scheduler does not answer.
            OutputError: if results cannot be written, or no worker is left that can predict.
        """
        left = {job.id: job for job in jobs}
        wait_s = CONNECT_S
        while left and not self._finish.is_set():
            # A connection may be lost within any call; what was on its way is handed out again.
            with connected(self._address, wait_s, self._stop) as client, suppress(OSError, CancelledError):
                for outcome in self._feed(client, left, settings):
                    del left[outcome[0].id]
                    yield outcome
            wait_s = RECONNECT_S

    def _feed(self, client: Any, left: Mapping[str, StudyJob], settings: BatchSettings) -> Iterator[Outcome]:
        """Keep the workers busy until nothing is left, or the connection is."""
        waiting = list(left.values())[::-1]
        running: dict[str, Any] = {}
        while (waiting or running) and client.status == "running" and not self._stop.is_set():
            if self._finish.is_set():
                waiting.clear()
            threads = sum(client.nthreads().values())
            while waiting and len(running) < max(1, QUEUED_PER_THREAD * threads):
                job = waiting.pop()
                running[job.id] = client.submit(
                    predict_on_worker, job.plain(), settings.plain(), self._child, pure=False, retries=0
                )
            for study_id in [name for name, future in running.items() if future.done()]:
                future = running.pop(study_id)
                if future.status == "finished":
                    answer = future.result()
                    if "error" in answer:
                        _give_up_worker(client, answer, settings)
                        waiting.append(left[study_id])
                        continue
                    yield Record.from_text(answer["record"]), bool(answer["kept"])
                elif future.status == "error":
                    yield from _failure(left[study_id], future, settings)
                else:
                    waiting.append(left[study_id])
            time.sleep(0.05)


def _give_up_worker(client: Any, answer: Mapping[str, Any], settings: BatchSettings) -> None:
    """Close a worker that cannot predict, such as one whose disk is full: it would fail one study after the other.

    Raises:
        OutputError: if no other worker is left, or the results find no room here either.
    """
    check_room(settings.output)
    client.retire_workers([answer["worker"]], close_workers=True)
    if not set(client.nthreads()) - {answer["worker"]}:
        raise OutputError(answer["error"])


def _failure(job: StudyJob, future: Any, settings: BatchSettings) -> Iterator[Outcome]:
    """Let a study fail that cost several workers; a worker that cannot work at all ends the batch."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, OSError | KilledWorker):
        reason = "the workers that predicted it were lost again and again: run gliotype predict on it alone"
        yield write_record(settings.output, failed(job, reason, 1, None)), False
        return
    raise UsageError(
        f"the workers cannot run Gliotype ({type(error).__name__}): install the same version on each, "
        "and let them see the studies and OUT under the same paths"
    )


@contextmanager
def connected(address: str, wait_s: float, stop: Flag) -> Iterator[Any]:
    """Connect to a scheduler, which may only just be starting.

    Args:
        address: of the scheduler.
        wait_s: how long it is waited for.
        stop: set to wait no longer.

    Raises:
        UsageError: if it does not answer.
    """
    distributed = importlib.import_module("distributed")

    end = time.monotonic() + wait_s
    client: Any = None
    while client is None:
        try:
            client = distributed.Client(address, timeout="5s", set_as_default=False, name="gliotype-batch")
        except (OSError, TimeoutError, ValueError) as error:
            if isinstance(error, ValueError) or stop.is_set() or time.monotonic() > end:
                raise UsageError(
                    f"no Dask scheduler answers at {address}: start one (dask scheduler), or correct --scheduler"
                ) from error
            time.sleep(1.0)
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=5)
