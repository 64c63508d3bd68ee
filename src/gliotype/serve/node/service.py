"""A node as the only thing that its process does: log on stderr, until a signal ends it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gliotype.serve.node.node import Node
from gliotype.serve.node.settings import NodeSettings

_LOGGER = logging.getLogger("gliotype.node")
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve_until_stopped(settings: NodeSettings) -> None:
    """Run a node until one of `ENDING` comes; what is being predicted or sent then waits for the next start.

    Raises:
        GliotypeError: see `Node.start`.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("gliotype").setLevel(logging.INFO)
    threading.excepthook = _log_end_of_thread
    with waiting_for(ENDING) as wait, Node(settings):
        wait()


@contextmanager
def waiting_for(numbers: tuple[signal.Signals, ...]) -> Iterator[Callable[[], None]]:
    """Lend a function that waits in the main thread until one of some signals has come since the block began.

    Python writes the number of each signal to a pipe: a handler that released a lock could wait for itself.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(reading, 1)[0] not in numbers:
            pass

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _log_end_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """Log that a thread ended by an error: pynetdicom lets a connection end so; the message may quote what was sent."""
    _LOGGER.warning("a connection ended by %s", arguments.exc_type.__name__)
