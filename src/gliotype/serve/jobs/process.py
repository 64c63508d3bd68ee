"""One job as a process of its own: in its own group, within limits of time and memory, to be stopped at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gliotype.locks import try_lock
from gliotype.serve.jobs import launcher

LOCK = "process.lock"
"""File in a job's folder that its process holds locked, with the id of the process in it."""

STDERR = "stderr.txt"
"""File in a job's folder that receives what its process writes on stderr: progress by stage, and the reason at last."""

GRACE_S = 10.0
"""Time that a process has for clearing up after SIGTERM."""

_TAIL_BYTES = 8192
_MAX_REASON = 500


@dataclass(frozen=True)
class Limits:
    """What one job may use.

    Attributes:
        seconds: wall-clock time.
        memory_bytes: memory that it writes to.
    """

    seconds: float = 3600.0
    memory_bytes: int = 16_000_000_000


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        exit_code: of the process; negative if a signal ended it.
        stopped: whether `JobProcess.stop` was called before it ended.
        timed_out: whether it ran into the limit of time.
        seconds: it ran.
        peak_bytes: its largest resident memory.
        reason: one sentence on why it failed; None for exit code 0.
    """

    exit_code: int
    stopped: bool
    timed_out: bool
    seconds: float
    peak_bytes: int
    reason: str | None


class JobProcess:
    """A running job."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a command.

        Args:
            command: program and arguments.
            folder: existing folder of the job, for its lock and its stderr; the current one of the process.
            limits: of time and memory.
            environment: of the process; that of this process if None.

        Raises:
            RuntimeError: if a process of this job is still running.
            OSError: if it cannot be started.
        """
        lock = try_lock(folder / LOCK)
        if lock is None:
            raise RuntimeError("a process of this job is still running")
        self._folder, self._limits = folder, limits
        self._guard = threading.Lock()
        self._ended = self._stopped = self._timed_out = False
        self._began = time.monotonic()
        try:
            os.truncate(lock, 0)
            with (folder / STDERR).open("wb") as stderr:
                start = (sys.executable, "-I", "-S", launcher.__file__, str(lock), str(limits.memory_bytes))
                self._process = subprocess.Popen(
                    [*start, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    cwd=folder,
                    env=environment,
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)
        self._timers = [threading.Timer(limits.seconds, self._expire)]
        self._start_timer(0)

    def stop(self) -> None:
        """Ask the process to end, and end it by force after `GRACE_S`; returns at once."""
        with self._guard:
            if self._ended or self._stopped:
                return
            self._stopped = True
            self._end_soon()

    def wait(self) -> Outcome:
        """Wait until the process has ended, end what it left of its group, and say how it went."""
        _, status, usage = os.wait4(self._process.pid, 0)
        with self._guard:
            self._ended = True
            self._signal(signal.SIGKILL)
        for timer in self._timers:
            timer.cancel()
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        return Outcome(
            exit_code=code,
            stopped=self._stopped,
            timed_out=self._timed_out,
            seconds=time.monotonic() - self._began,
            peak_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            reason=None if code == 0 else self._reason(code),
        )

    def _expire(self) -> None:
        with self._guard:
            if not self._ended and not self._stopped:
                self._timed_out = True
                self._end_soon()

    def _end_soon(self) -> None:
        self._signal(signal.SIGTERM)
        self._timers.append(threading.Timer(GRACE_S, self._end_now))
        self._start_timer(-1)

    def _end_now(self) -> None:
        with self._guard:
            if not self._ended:
                self._signal(signal.SIGKILL)

    def _start_timer(self, index: int) -> None:
        self._timers[index].daemon = True
        self._timers[index].start()

    def _signal(self, number: signal.Signals) -> None:
        """Signal what is left of the group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _reason(self, code: int) -> str:
        if self._timed_out:
            return f"it took longer than {self._limits.seconds:g} s"
        if self._stopped:
            return "it was stopped"
        said = last_line(self._folder / STDERR)
        if "MemoryError" in said or "bad_alloc" in said:
            return f"it needed more memory than {self._limits.memory_bytes / 1e9:g} GB"
        if said:
            return said
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return f"it ended with exit code {code} without a reason"


def last_line(file: Path) -> str:
    """Return the last line with text of a file of any size, without the name of the program; "" if there is none."""
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return said.removeprefix("gliotype: ")[:_MAX_REASON]


def end_orphan(folder: Path) -> bool:
    """End the process of a job whose server was killed, if it is still running.

    While the lock is held, the group of the process that wrote its id exists, so that no other can have that id.

    Args:
        folder: of the job.

    Returns:
        Whether there was one.
    """
    if not (folder / LOCK).exists():
        return False
    found = False
    while (lock := try_lock(folder / LOCK)) is None:
        found = True
        pid = (folder / LOCK).read_text(encoding="ascii").strip()
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)
        time.sleep(0.02)
    os.close(lock)
    return found
