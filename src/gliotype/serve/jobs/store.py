"""Jobs in SQLite: what is waiting, running, done or set aside, through any end of the server."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gliotype.errors import InputError

SCHEMA = 1
MAX_STARTS = 10
"""Starts of one step after which a job whose server keeps being killed meanwhile is set aside."""


class State(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Job:
    """One job, as it was when it was read.

    Attributes:
        id: safe as a file name; tells nothing about a patient.
        step: what is to be done next, such as ``"predict"``.
        state: of that step; `State.DONE` means that no step is left.
        data: the owner's own values, which JSON can hold.
        starts: of this step.
        failures: of this step.
        due: before when it does not start, in seconds since 1970.
        reason: why it failed, last time or for good, or what else is to be said.
        created: in seconds since 1970.
        changed: when it last changed its state, in seconds since 1970.
    """

    id: str
    step: str
    state: State
    data: Mapping[str, Any]
    starts: int
    failures: int
    due: float
    reason: str | None
    created: float
    changed: float


_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, step TEXT NOT NULL, state TEXT NOT NULL, data TEXT NOT NULL,
  starts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  reason TEXT, created REAL NOT NULL, changed REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, step, due);
"""
_COLUMNS = "id, step, state, data, starts, failures, due, reason, created, changed"


class JobStore:
    """The jobs of one server; its threads may share it.

    Attributes:
        changed: notified whenever a job may have become ready; it guards every method.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        """Open a store; make it if it is missing.

        Args:
            file: of the database.
            read_only: look at the store of a server that may be running.

        Raises:
            InputError: if it cannot be opened, or another version of Gliotype made it.
        """
        self.changed = threading.Condition(threading.RLock())
        try:
            self._database = sqlite3.connect(
                f"{file.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                timeout=30,
                isolation_level=None,
                check_same_thread=False,
            )
            if not read_only:
                self._make()
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise InputError(f"cannot open the queue {file} ({error}): name the folder of a queue") from error
        if version != SCHEMA:
            raise InputError(
                f"the queue {file} has version {version}, and this Gliotype needs {SCHEMA}: choose another folder"
            )

    def _make(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        if self._database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            self._database.executescript(f"BEGIN; {_TABLE} PRAGMA user_version = {SCHEMA}; COMMIT;")

    def close(self) -> None:
        """Close the database."""
        with self.changed:
            self._database.close()

    def add(self, id: str, step: str, data: Mapping[str, Any] | None = None) -> bool:  # noqa: A002
        """Add a job that may start at once.

        Returns:
            False if there is a job of this id already; it stays as it is.
        """
        now = time.time()
        with self._changing() as database:
            added = database.execute(
                "INSERT OR IGNORE INTO jobs (id, step, state, data, due, created, changed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id, step, State.WAITING, json.dumps(data or {}), now, now, now),
            )
        return added.rowcount == 1

    def claim(self, step: str) -> Job | None:
        """Start the job that has been due for longest, if one is due."""
        now = time.time()
        with self._changing(notify=False) as database:
            rows = database.execute(
                f"UPDATE jobs SET state = ?, starts = starts + 1, changed = ? WHERE id = (SELECT id FROM jobs"
                f" WHERE state = ? AND step = ? AND due <= ? ORDER BY due, created LIMIT 1) RETURNING {_COLUMNS}",
                (State.RUNNING, now, State.WAITING, step, now),
            ).fetchall()
        return _job(rows[0]) if rows else None

    def seconds_until_due(self, step: str) -> float | None:
        """Seconds until the next waiting job is due, 0 or more; None if no job is waiting."""
        with self.changed:
            (due,) = self._database.execute(
                "SELECT min(due) FROM jobs WHERE state = ? AND step = ?", (State.WAITING, step)
            ).fetchone()
        return None if due is None else max(0.0, due - time.time())

    def advance(
        self, job: Job, step: str, data: Mapping[str, Any] | None = None, delay_s: float = 0.0
    ) -> bool:
        """Move a running job to another step; `data` replaces its values if given.

        This method and those below return False, and do nothing, if the job is not running (any more).
        """
        due = time.time() + delay_s
        return self._leave(job, State.WAITING, step=step, data=data, starts=0, failures=0, due=due)

    def finish(
        self, job: Job, state: State, reason: str | None = None, data: Mapping[str, Any] | None = None
    ) -> bool:
        """End a running job for good, in one of `ENDED`."""
        return self._leave(job, state, reason=reason, data=data)

    def retry(self, job: Job, reason: str, delay_s: float, data: Mapping[str, Any] | None = None) -> bool:
        """Count a failure of a running job and let it wait for another try."""
        failures, due = job.failures + 1, time.time() + delay_s
        return self._leave(job, State.WAITING, reason=reason, data=data, failures=failures, due=due)

    def postpone(self, job: Job, delay_s: float = 0.0, data: Mapping[str, Any] | None = None) -> bool:
        """Let a running job start once more, as if it had not started yet."""
        due = time.time() + delay_s
        return self._leave(job, State.WAITING, data=data, starts=job.starts - 1, due=due, reason=job.reason)

    def update(self, job: Job, data: Mapping[str, Any]) -> bool:
        """Replace the values of a running job."""
        with self._changing() as database:
            done = database.execute(
                "UPDATE jobs SET data = ? WHERE id = ? AND state = ?",
                (json.dumps(data), job.id, State.RUNNING),
            )
        return done.rowcount == 1

    def cancel(self, id: str) -> bool:  # noqa: A002
        """Cancel a waiting job; False if it is not waiting. Who runs a job cancels it by `finish`."""
        with self._changing() as database:
            done = database.execute(
                "UPDATE jobs SET state = ?, changed = ? WHERE id = ? AND state = ?",
                (State.CANCELLED, time.time(), id, State.WAITING),
            )
        return done.rowcount == 1

    def delete(self, id: str) -> bool:  # noqa: A002
        """Forget a job that is not running; False if there is none."""
        with self._changing() as database:
            done = database.execute("DELETE FROM jobs WHERE id = ? AND state != ?", (id, State.RUNNING))
        return done.rowcount == 1

    def get(self, id: str) -> Job | None:  # noqa: A002
        """Return a job, or None if there is none of this id."""
        with self.changed:
            row = self._database.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone()
        return None if row is None else _job(row)

    def jobs(self, prefix: str = "") -> tuple[Job, ...]:
        """Return all jobs whose id begins with a prefix, the oldest first."""
        with self.changed:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE substr(id, 1, ?) = ? ORDER BY created, id",
                (len(prefix), prefix),
            ).fetchall()
        return tuple(_job(row) for row in rows)

    def recover(self) -> tuple[Job, ...]:
        """Let jobs that a killed server was running wait again; those started `MAX_STARTS` times fail instead.

        Call this once when the server starts, after ending what runs of them (`end_orphan`).

        Returns:
            The jobs as they were found.
        """
        now = time.time()
        orphans = tuple(job for job in self.jobs() if job.state is State.RUNNING)
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET state = ?, due = ?, changed = ? WHERE state = ? AND starts < ?",
                (State.WAITING, now, now, State.RUNNING, MAX_STARTS),
            )
            database.execute(
                "UPDATE jobs SET state = ?, reason = ?, changed = ? WHERE state = ?",
                (State.FAILED, f"the server was killed {MAX_STARTS} times meanwhile", now, State.RUNNING),
            )
        return orphans

    def _leave(self, job: Job, state: State, **values: Any) -> bool:
        """Take a running job to another state; values that are None stay as they are, `reason` apart."""
        if values.get("data") is not None:
            values["data"] = json.dumps(values["data"])
        else:
            values.pop("data", None)
        values = {"reason": None, **values, "state": state, "changed": time.time()}
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._changing() as database:
            done = database.execute(
                f"UPDATE jobs SET {columns} WHERE id = ? AND state = ?",
                (*values.values(), job.id, State.RUNNING),
            )
        return done.rowcount == 1

    @contextmanager
    def _changing(self, *, notify: bool = True) -> Iterator[sqlite3.Connection]:
        """Change the database in one transaction; notify who waits for jobs unless none can have become ready."""
        with self.changed:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            if notify:
                self.changed.notify_all()


def _job(row: tuple[Any, ...]) -> Job:
    id_, step, state, data, *others = row
    return Job(id_, step, State(state), json.loads(data), *others)
