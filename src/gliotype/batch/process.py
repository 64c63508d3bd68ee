"""A process that predicts one study after the other, watched from outside: it may crash, hang or eat memory."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from gliotype.batch.faults import check_room
from gliotype.batch.fingerprint import take_fingerprint
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.record import Record, failed, record_failure
from gliotype.errors import OutputError, WeightsError
from gliotype.flag import Flag

CHILD = (sys.executable, "-m", "gliotype.batch.child")

STUDIES_PER_PROCESS = 100
"""A process is replaced after so many studies, so that nothing can pile up in it."""

START_S = 300.0
"""Time for the imports of a new process."""

_STEP_S = 0.5


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The batch was asked to stop at once."""


class _End(StrEnum):
    """How a process ended that gave no record."""

    LATE = "late"
    CRASHED = "crashed"
    KILLED = "killed"
    NOT_STARTED = "not started"


_MOST = {_End.LATE: 1, _End.CRASHED: 2, _End.KILLED: 3, _End.NOT_STARTED: 2}
"""A study is given up after so many ends of a kind. One who kills processes may hit the same study twice."""

_FROM_OUTSIDE = (
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()),
)
"""Signals that others send: a user, a cluster, or a system that runs out of memory."""


@dataclass(frozen=True)
class _Lost:
    """Why a process gave no record."""

    end: _End
    reason: str


class StudyProcess:
    """Predicts studies in a child process; a new one takes the place of one that died."""

    def __init__(self, settings: BatchSettings, stop: Flag, child: Sequence[str] = CHILD) -> None:
        """Make it; the child starts with the first study.

        Args:
            settings: of the batch.
            stop: when set, a running study is ended at once.
            child: command of the child, to which the limit of memory is added; see `gliotype.batch.child`.
        """
        self._settings, self._stop, self._command = settings, stop, (*child, str(settings.memory_bytes))
        self._child: subprocess.Popen[bytes] | None = None
        self._served, self._starting, self._received = 0, True, b""

    def run(self, job: StudyJob) -> tuple[Record, bool]:
        """Predict a study, again if its process dies; `gliotype.batch.study.run_study` says what comes back.

        A study that crashes its process twice, or takes too long, fails, and so does one whose process is killed three
        times; its record says how.

        Raises:
            Stopped: if `stop` was set meanwhile.
            OutputError: if its record cannot be written, a disk is full, or no process starts on this machine.
            WeightsError: if weights are missing or corrupt on this machine.
        """
        check_room(self._settings.output)
        ends: Counter[_End] = Counter()
        while isinstance(answer := self._ask(job), _Lost):
            ends[answer.end] += 1
            if ends[answer.end] == _MOST[answer.end]:
                break
        else:
            return answer
        check_room(self._settings.output)
        if answer.end is _End.NOT_STARTED:
            raise OutputError(
                f"no process that predicts starts on {socket.gethostname()}: run gliotype info there, or raise --memory"
            )
        failure = failed(job, answer.reason, 1, take_fingerprint(job, self._settings, None))
        return record_failure(self._settings.output, job, failure)

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            self._child.wait()
            self._child = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def _ask(self, job: StudyJob) -> tuple[Record, bool] | _Lost:
        """Send a study and wait for its record; why none came, where its process was lost."""
        child = self._running()
        request = json.dumps({"study": job.plain(), "settings": self._settings.plain()}) + "\n"
        assert child.stdin is not None
        try:
            child.stdin.write(request.encode())
            child.stdin.flush()
            ready = self._line(child, START_S) if self._starting else b"\n"
            self._starting = ready != b"\n"
            line = self._line(child, self._settings.timeout_s) if ready == b"\n" else b""
        except BrokenPipeError:
            line = b""
        if line.endswith(b"\n"):
            self._served += 1
            answer = json.loads(line)
            if "error" in answer:
                fault = WeightsError if answer["exit_code"] == WeightsError.exit_code else OutputError
                raise fault(answer["error"])
            return Record.from_text(answer["record"]), bool(answer["kept"])
        late, started = line == b"timeout", not self._starting
        if not late:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
        code = child.returncode
        self.close()
        if not started:
            return _Lost(_End.NOT_STARTED, _reason(code))
        if late:
            limit = f"{self._settings.timeout_s:g} s"
            return _Lost(
                _End.LATE, f"it took longer than {limit}: allow more with --timeout and --retry failed"
            )
        return _Lost(
            _End.KILLED if code is not None and -code in _FROM_OUTSIDE else _End.CRASHED, _reason(code)
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and (
            self._served >= STUDIES_PER_PROCESS or self._child.poll() is not None
        ):
            self.close()
        if self._child is None:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._served, self._starting, self._received = 0, True, b""
        return self._child

    def _line(self, child: subprocess.Popen[bytes], most_s: float) -> bytes:
        """Wait for a line; what came before its end if the process dies, ``timeout`` if it takes too long."""
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        end = time.monotonic() + most_s
        while b"\n" not in self._received:
            if self._stop.is_set():
                self.close()
                raise Stopped
            if time.monotonic() >= end:
                return b"timeout"
            ready, _, _ = select.select([descriptor], [], [], _STEP_S)
            if ready:
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    return self._received
                self._received += chunk
        # More may have come: a busy parent finds the answer right behind the line that says that the process is ready.
        line, end_of_line, self._received = self._received.partition(b"\n")
        return line + end_of_line


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        more = ", as systems do that run out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{more}: run gliotype predict on it alone, or exclude it"
    return "its process ended without an answer: run gliotype predict on it alone, or exclude it"
