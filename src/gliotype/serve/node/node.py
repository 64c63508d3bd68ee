"""The service: it receives, lets the steps work through the queue, and ends in good order."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import ExitStack

from gliotype.atomic_files import output_errors
from gliotype.serve.jobs import JobStore, Worker, end_orphan, exclusive
from gliotype.serve.jobs.worker import PAUSE_S
from gliotype.serve.node.deliver import Delivery, DicomDelivery
from gliotype.serve.node.inbox import Inbox
from gliotype.serve.node.receiver import Receiver
from gliotype.serve.node.reports import CommitmentReports
from gliotype.serve.node.settings import DicomTarget, NodeSettings
from gliotype.serve.node.steps import COMMIT, PREDICT, SEND, SORT, Steps
from gliotype.serve.node.stow import WebDelivery

QUEUE = "queue.sqlite"
_CLEAR_EVERY_S, _LOG_EVERY_S = 900.0, 60.0
_JOIN_S = 30.0
_LOGGER = logging.getLogger("gliotype.node")


class Node:
    """A node; ``with Node(settings):`` runs it."""

    def __init__(self, settings: NodeSettings) -> None:
        """Make a node; `start` or ``with`` lets it work."""
        self._settings = settings
        self._stack = ExitStack()
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return self._receiver.port

    def __enter__(self) -> Node:
        """Start; see `start`."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; see `stop`."""
        self.stop()

    def start(self) -> None:
        """Take up what an earlier run left, and listen.

        Raises:
            UsageError: if another node serves the folder.
            InputError: if the queue in the folder is not one of this version.
            OutputError: if the folder cannot be written, or the address is not free.
        """
        settings = self._settings
        with self._stack:
            with output_errors(settings.folder):
                settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._stack.enter_context(exclusive(settings.folder))
                self._inbox = Inbox(settings.folder, settings.quiet_s, settings.limits)
            self._store = JobStore(settings.folder / QUEUE)
            self._stack.callback(self._store.close)
            self._recover()
            reports = CommitmentReports()
            self._steps = Steps(settings, self._store, self._delivery(reports))
            self._receiver = Receiver(settings, self._inbox, reports)
            self._receiver.start()
            self._stack.callback(self._receiver.stop)
            self._start_threads()
            self._opened = self._stack.pop_all()
        _LOGGER.info("%s listens on %s:%d", settings.aet, settings.host, self.port)

    def stop(self) -> None:
        """Receive no more, let what runs wait for the next start, and end."""
        self._stopping.set()
        with self._inbox.changed:
            self._inbox.changed.notify_all()
        for worker in self._workers:
            worker.stop()
        self._steps.stop()
        for thread in (*self._workers, self._collector):
            thread.join(_JOIN_S)
        self._opened.close()
        _LOGGER.info("stopped")

    def _delivery(self, reports: CommitmentReports) -> Delivery:
        target = self._settings.target
        if isinstance(target, DicomTarget):
            return DicomDelivery(target, self._settings.aet, reports)
        return WebDelivery(target)

    def _recover(self) -> None:
        """End orphans, let their jobs wait again, and take up studies that were moved but not entered."""
        folders = [path for path in self._inbox.jobs.iterdir() if path.is_dir()]
        for folder in folders:
            end_orphan(folder)
        for job in self._store.recover():
            _LOGGER.warning("%s: the node was killed at the step %s, which starts again", job.id, job.step)
        for folder in sorted(folders):
            self._store.add(folder.name, SORT)

    def _start_threads(self) -> None:
        steps = self._steps
        handlers = {SORT: steps.sort, PREDICT: steps.predict, SEND: steps.send, COMMIT: steps.commit}
        self._workers = [Worker(self._store, step, handle) for step, handle in handlers.items()]
        self._collector = threading.Thread(target=self._collect, name="gliotype-collect", daemon=True)
        for thread in (*self._workers, self._collector):
            thread.start()

    def _collect(self) -> None:
        """Enter complete studies into the queue, and delete what is old, until stopped."""
        clear_at = 0.0
        while not self._stopping.is_set():
            try:
                for job in self._inbox.take_complete():
                    self._store.add(job, SORT)
                self._receiver.log_refusals()
                if time.monotonic() >= clear_at:
                    self._steps.clear_old()
                    self._inbox.clear_stale()
                    clear_at = time.monotonic() + _CLEAR_EVERY_S
                due = self._inbox.seconds_until_complete()
            except (sqlite3.Error, OSError) as error:
                _LOGGER.error("the folder of the node cannot be used (%s)", error)
                due = PAUSE_S
            with self._inbox.changed:
                if not self._stopping.is_set():
                    self._inbox.changed.wait(_LOG_EVERY_S if due is None else min(due, _LOG_EVERY_S))
