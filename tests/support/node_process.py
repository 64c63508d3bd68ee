"""A node in a process of its own, as it runs in production but for the stand-in for predictions: to be killed.

node_process.py FOLDER PORT AET HOST PORT stand-in|predict
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gliotype.serve.jobs.locks import is_locked
from gliotype.serve.node.service import serve_until_stopped
from gliotype.serve.node.settings import PREDICT, DicomTarget, NodeLimits, NodeSettings, Sender
from gliotype.serve.node.status import StudyStatus, node_status

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_predict.py")))


class NodeProcess:
    """A node in a process of its own; `folder` is its folder, and `port` the one on which it listens."""

    def __init__(self, folder: Path, port: int, target: DicomTarget, *, stand_in: bool = True) -> None:
        self.folder, self.port = folder, port
        place = (target.aet, target.host, str(target.port))
        self._arguments = [str(folder), str(port), *place, "stand-in" if stand_in else "predict"]

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, *self._arguments], stderr=subprocess.DEVNULL
        )
        wait(lambda: is_locked(self.folder / "server.lock") and connects(self.port))

    def end(self, number: signal.Signals) -> int:
        """End it by a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def studies(self) -> list[StudyStatus]:
        """Its studies."""
        return list(node_status(self.folder).studies)

    def memory_mib(self, key: str = "VmHWM") -> float:
        """Its resident memory, the largest so far or (VmRSS) now."""
        return self._status(key) / 1024

    def threads(self) -> int:
        """Its threads."""
        return self._status("Threads")

    def _status(self, key: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(f"{key}:")).split()[1])


def connects(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def wait(condition: Callable[[], bool], seconds: float = 120.0, pause: float = 0.02) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: if it does not in time.
    """
    due = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due, "it did not come about in time"
        time.sleep(pause)


def serve(folder: str, port: str, aet: str, host: str, target_port: str, command: str) -> None:
    """Run a node until it is ended."""
    serve_until_stopped(
        NodeSettings(
            folder=Path(folder),
            target=DicomTarget(aet, host, int(target_port)),
            senders=(Sender(aet, "127.0.0.1"),),
            port=int(port),
            quiet_s=1.0,
            command=STAND_IN if command == "stand-in" else PREDICT,
            limits=NodeLimits(free_bytes=100_000_000),
            retry_s=(0.5, 0.5),
        )
    )


if __name__ == "__main__":
    serve(*sys.argv[1:])
