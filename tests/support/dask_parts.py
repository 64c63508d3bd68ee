"""The parts of a Dask cluster as processes of their own, on this machine or in network namespaces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

WAIT_S = 120.0
"""Time for a part to start on a busy machine."""


class DaskParts:
    """Starts schedulers, workers and clients; all that still run end with the block."""

    def __init__(self, folder: Path) -> None:
        """Name the folder in which they run."""
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them all."""
        for process in self._started:
            end(process)

    def start(
        self,
        *arguments: str,
        inside: Sequence[str] = (),
        said: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command of this Python in a session of its own.

        Args:
            arguments: of Python.
            inside: command in front of it, such as ``ip netns exec NAME``.
            said: file for what it prints; nowhere otherwise.
        """
        with open(os.devnull if said is None else said, "ab") as stream:
            process = subprocess.Popen(
                [*inside, sys.executable, *arguments],
                cwd=self._folder,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def scheduler(
        self, host: str, port: int, inside: Sequence[str] = ()
    ) -> tuple[str, subprocess.Popen[bytes]]:
        """Start a scheduler and wait for it; return its address. Port 0 is any free one."""
        file = self._folder / f"scheduler-{len(self._started)}.txt"
        module = ("-m", "distributed.cli.dask_scheduler", "--host", host, "--port", str(port))
        process = self.start(*module, "--no-dashboard", inside=inside, said=file)
        wait_until(lambda: b"Scheduler at:" in file.read_bytes())
        address = file.read_text().partition("Scheduler at:")[2].split()[0]
        return address, process

    def worker(self, address: str, *options: str, inside: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a worker of one thread."""
        module = ("-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard")
        return self.start(*module, *options, inside=inside)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a part and what belongs to its group, if it has not ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for something.

    Raises:
        TimeoutError: if it does not come within `WAIT_S`.
    """
    limit = time.monotonic() + WAIT_S
    while not reached():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {WAIT_S:g} s in vain")
        time.sleep(0.05)


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        below = {int(row[0]): row[2] for row in rows if len(row) == 3 and int(row[1]) in parents}
        found |= below
        parents = set(below)
    return found
