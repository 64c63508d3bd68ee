"""A node as the only thing that its process does: log on stderr, until a signal ends it."""

from __future__ import annotations

import logging
import signal
import threading

from gliotype.flag import Flag
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
    ended = Flag()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in ENDING}
    try:
        with Node(settings):
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_end_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """Log that a thread ended by an error: pynetdicom lets a connection end so; the message may quote what was sent."""
    _LOGGER.warning("a connection ended by %s", arguments.exc_type.__name__)
