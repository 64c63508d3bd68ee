"""A node in a process of its own, as it runs in production but for the stand-in for predictions: to be killed.

node_process.py FOLDER PORT AET HOST PORT stand-in|predict
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gliotype.locks import is_locked
from gliotype.serve.node.service import serve_until_stopped
from gliotype.serve.node.settings import PREDICT, DicomTarget, NodeLimits, NodeSettings, Sender
from gliotype.serve.node.status import StudyStatus, node_status
from support.ports import reserved_port

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_predict.py")))


class NodeProcess:
    """A node in a process of its own; `folder` is its folder, and `port` the one on which it listens."""

    def __init__(self, folder: Path, port: int, target: DicomTarget, *, stand_in: bool = True) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None
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
        assert self.process is not None, "start it first"
        self.process.send_signal(number)
        return self.process.wait(120)

    def kill(self) -> None:
        """End it whatever it is doing, if it is running."""
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)

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
        assert self.process is not None, "start it first"
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(f"{key}:")).split()[1])


@contextmanager
def node_process(folder: Path, target: DicomTarget, *, stand_in: bool = True) -> Iterator[NodeProcess]:
    """Lend a node that can be started, on a port of its own; it is killed at the end if it is still running."""
    with reserved_port() as port:
        node = NodeProcess(folder, port, target, stand_in=stand_in)
        try:
            yield node
        finally:
            node.kill()


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
