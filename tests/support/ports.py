"""Ports of this machine that stay with a test for as long as it needs them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


def reserve() -> socket.socket:
    """Return a socket that reserves a port without listening on it.

    Connections to the port are refused. A server that sets SO_REUSEADDR, as pynetdicom and Orthanc do, may listen on
    it, end, and listen again; nobody is given it by the system meanwhile.
    """
    reserving = socket.socket()
    reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserving.bind(("127.0.0.1", 0))
    return reserving


@contextmanager
def reserved_port() -> Iterator[int]:
    """Lend the number of a reserved port; see `reserve`."""
    with reserve() as reserving:
        yield int(reserving.getsockname()[1])
