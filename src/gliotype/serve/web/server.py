"""Start the page on this machine."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from gliotype.errors import UsageError
from gliotype.serve.jobs import exclusive
from gliotype.serve.web.app import make_app
from gliotype.serve.web.cases import CaseFolder
from gliotype.serve.web.runs import Runs

HOST = "127.0.0.1"
MAX_CONNECTIONS = 64


def serve(root: Path, *, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve the page until a signal ends it.

    Args:
        root: folder of the cases; created if missing.
        port: to listen on; 0 for any that is free.
        on_ready: called with the address of the page, which holds the token of this start.

    Raises:
        UsageError: if the port is taken, or another server uses the folder.
    """
    cases = CaseFolder(root)
    with exclusive(cases.private), listen(port) as listener:
        number = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            make_app(cases, Runs(cases), token, number),
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
        )
        on_ready(f"http://{HOST}:{number}/?token={token}")
        uvicorn.Server(config).run(sockets=[listener])


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine; 0 for any that is free.

    Raises:
        UsageError: if it is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} cannot be used ({error.strerror}): choose another with --port, or 0 for any"
        ) from error
    return listener
