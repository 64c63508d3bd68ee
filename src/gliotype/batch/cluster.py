"""Predict the studies of a batch on a Dask cluster, through any loss of workers and a restart of the scheduler.

Every worker predicts in a process of its own (`StudyProcess`), one for each of its threads, so that a study that
crashes costs no worker. All workers must see the studies and OUT under the same paths.
"""

from __future__ import annotations

import importlib
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gliotype.batch.executor import Executor, Outcome
from gliotype.batch.faults import check_room, inputs_seen
from gliotype.batch.fingerprint import take_fingerprint
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import CHILD
from gliotype.batch.record import Record, failed, record_failure
from gliotype.batch.worker import predict_on_worker
from gliotype.errors import OutputError, UsageError
from gliotype.flag import Flag

CONNECT_S = 30.0
"""The scheduler must answer within this time at the start."""

RECONNECT_S = 600.0
"""A scheduler that went away is waited for so long."""

QUEUED_PER_THREAD = 4
"""Studies handed to the scheduler for each thread of the workers; the others wait here, which keeps its load small."""


MOST_TRIES = 3
"""A failure that may be a machine's is recorded after so many tries, each on another machine where there is one."""

MOST_DOUBTS = 3
"""A worker is closed after so many such failures in a row, as long as there are others."""


@dataclass
class _Left:
    """The studies without an outcome, and what befell them, through all connections.

    Attributes:
        jobs: by their ids.
        tries: how often a study failed through what may be a machine's fault.
        avoided: workers on which it did.
        doubts: of each worker, how many such failures it gave in a row.
        alone: studies with which Dask lost several workers: each is tried once more when nothing else runs, since Dask
            suspects whatever waited on those workers.
    """

    jobs: dict[str, StudyJob]
    tries: Counter[str] = field(default_factory=Counter)
    avoided: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    doubts: Counter[str] = field(default_factory=Counter)
    alone: set[str] = field(default_factory=set)


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
            UsageError: if the scheduler does not answer, or workers have no Gliotype.
            OutputError: if results cannot be written, or no worker is left that can predict.
        """
        left = _Left({job.id: job for job in jobs})
        wait_s = CONNECT_S
        while left.jobs and not self._finish.is_set():
            # A connection may be lost within any call; what was on its way is handed out again.
            with connected(self._address, wait_s, self._stop) as client, suppress(OSError, CancelledError):
                for outcome in self._feed(client, left, settings):
                    del left.jobs[outcome[0].id]
                    yield outcome
            wait_s = RECONNECT_S

    def _feed(self, client: Any, left: _Left, settings: BatchSettings) -> Iterator[Outcome]:
        """Keep the workers busy until nothing is left, or the connection is."""
        waiting = [job for job in left.jobs.values() if job.id not in left.alone][::-1]
        running: dict[str, Any] = {}
        while client.status == "running" and not self._stop.is_set():
            if self._finish.is_set():
                waiting.clear()
            elif not waiting and not running and left.alone & left.jobs.keys():
                waiting.append(left.jobs[min(left.alone & left.jobs.keys())])
            if not waiting and not running:
                return
            threads = sum(client.nthreads().values())
            while waiting and len(running) < max(1, QUEUED_PER_THREAD * threads):
                job = waiting.pop()
                future = self._submit(client, job, left, settings)
                if future is None:
                    return
                running[job.id] = future
            for study_id in [name for name, future in running.items() if future.done()]:
                outcome = _outcome(client, left, left.jobs[study_id], running.pop(study_id), settings)
                if outcome is not None:
                    yield outcome
                elif study_id not in left.alone:
                    waiting.append(left.jobs[study_id])
            time.sleep(0.05)

    def _submit(self, client: Any, job: StudyJob, left: _Left, settings: BatchSettings) -> Any:
        """Hand a study to the scheduler, for other workers than those on which it failed; None if it is gone."""
        avoided = left.avoided[job.id]
        others = [worker for worker in client.nthreads() if worker not in avoided] if avoided else None
        try:
            return client.submit(
                predict_on_worker,
                job.plain(),
                settings.plain(),
                self._child,
                pure=False,
                retries=0,
                workers=others or None,
                allow_other_workers=bool(others),
            )
        except Exception:
            # Dask raises what is no OSError where the connection was lost since its status was read.
            if client.status == "running":
                raise
            return None


def _outcome(client: Any, left: _Left, job: StudyJob, future: Any, settings: BatchSettings) -> Outcome | None:
    """Say how a study ended; None if it is to be tried again."""
    if future.status == "error":
        return _lost(left, job, future, settings)
    if future.status != "finished":
        return None
    answer = future.result()
    worker = answer["worker"]
    if "error" in answer:
        # It would fail one study after the other.
        check_room(settings.output)
        _close_worker(client, worker)
        if not set(client.nthreads()) - {worker}:
            raise OutputError(answer["error"])
        return None
    record = Record.from_text(answer["record"])
    outcome = record, bool(answer["kept"])
    # A study that cannot be read here either was named wrongly or is protected.
    if record.suspect is None or not inputs_seen(job):
        left.doubts[worker] = 0
        return outcome
    left.doubts[worker] += 1
    left.tries[job.id] += 1
    left.avoided[job.id].add(worker)
    if left.doubts[worker] >= MOST_DOUBTS and set(client.nthreads()) - {worker}:
        _close_worker(client, worker)
    return outcome if left.tries[job.id] == MOST_TRIES else None


def _close_worker(client: Any, worker: str) -> None:
    """Close a worker that cannot predict."""
    client.retire_workers([worker], close_workers=True)


def _lost(left: _Left, job: StudyJob, future: Any, settings: BatchSettings) -> Outcome | None:
    """Try a study again for which Dask has only an error, and let it fail when that helps no more.

    Raises:
        UsageError: if the workers have no Gliotype, or another version.
    """
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        if job.id not in left.alone:
            left.alone.add(job.id)
            return None
        reason = (
            "the workers that predicted it were lost again and again, at last with no other study on them"
        )
    elif isinstance(error, OSError):
        left.tries[job.id] += 1
        if left.tries[job.id] < MOST_TRIES:
            return None
        reason = f"it failed on its workers again and again ({error.strerror or type(error).__name__})"
    else:
        raise UsageError(
            f"the workers cannot run Gliotype ({type(error).__name__}): install the same version on each, "
            "and let them see the studies and OUT under the same paths"
        )
    known = take_fingerprint(job, settings, None)
    failure = failed(job, f"{reason}: run gliotype predict on it alone", 1, known)
    suspect = "a worker" if isinstance(error, OSError) else None
    return record_failure(settings.output, job, replace(failure, suspect=suspect))


@contextmanager
def connected(address: str, wait_s: float, stop: Flag) -> Iterator[Any]:
    """Connect to a scheduler, which may only just be starting.

    Args:
        address: of the scheduler.
        wait_s: how long it is waited for.
        stop: set to wait no longer.

    Raises:
        UsageError: if it does not answer, or the address has no host and port.
    """
    distributed = importlib.import_module("distributed")

    end = time.monotonic() + wait_s
    client: Any = None
    while client is None:
        try:
            _check_listening(address)
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


def _check_listening(address: str) -> None:
    """Make sure that something listens at a scheduler's address: a client that fails to connect lives on to the end.

    Raises:
        UsageError: if the address has no host and port.
        OSError: if nothing listens there.
    """
    if address.startswith("inproc://"):
        return
    try:
        host, port = importlib.import_module("distributed.comm").get_address_host_port(address)
    except ValueError as error:
        raise UsageError(
            f"{address[:100]} is not the address of a Dask scheduler: write tcp://HOST:PORT, as the scheduler prints it"
        ) from error
    socket.create_connection((host, port), timeout=5).close()
