"""Sending results to a DICOMweb service by STOW-RS."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from gliotype.serve.node.deliver import Commitment
from gliotype.serve.node.settings import WebTarget

AUTHORIZATION_VARIABLE = "GLIOTYPE_STOW_AUTHORIZATION"
"""Environment variable that holds the value of the header Authorization, such as ``Bearer ...``."""

_TIMEOUT_S = 120.0
_CHUNK_BYTES = 1_048_576
_MAX_ANSWER_BYTES = 1_048_576
_FAILED = "00081198"


class WebDelivery:
    """Sends by STOW-RS, each object in a request of its own."""

    def __init__(self, target: WebTarget) -> None:
        """Make a way to a target."""
        self._target, self._parts = target, urlsplit(target.url)
        self._guard = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._stopped = False

    def send(self, files: Sequence[Path], accepted: Callable[[Path], None]) -> str | None:
        """See `Delivery.send`."""
        problems = []
        connection = self._connect()
        try:
            for file in files:
                if self._stopped:
                    return "the node was stopped"
                problem = self._store(connection, file)
                if problem is None:
                    accepted(file)
                else:
                    problems.append(problem)
        except (OSError, http.client.HTTPException) as error:
            return f"{self._target} cannot be reached ({type(error).__name__})"
        finally:
            connection.close()
        return "; ".join(sorted(set(problems))) or None

    def commit(self, files: Sequence[Path]) -> Commitment:
        """See `Delivery.commit`; DICOMweb has no such thing."""
        return Commitment(None, offered=False)

    def stop(self) -> None:
        """See `Delivery.stop`."""
        with self._guard:
            self._stopped = True
            if self._connection is not None and self._connection.sock is not None:
                with suppress(OSError):
                    self._connection.sock.shutdown(2)

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._parts.hostname), self._parts.port, timeout=_TIMEOUT_S)
        with self._guard:
            self._connection = connection
        return connection

    def _store(self, connection: http.client.HTTPConnection, file: Path) -> str | None:
        """Send one file; return why it was not accepted."""
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
            "Accept": "application/dicom+json",
        }
        if AUTHORIZATION_VARIABLE in os.environ:
            headers["Authorization"] = os.environ[AUTHORIZATION_VARIABLE]
        connection.request("POST", f"{self._parts.path}/studies", _body(head, file, tail), headers)
        answer = connection.getresponse()
        text = answer.read(_MAX_ANSWER_BYTES)
        if answer.status in (200, 202) and not _has_failures(text):
            return None
        return f"{self._target} refused an object with the status {answer.status}"


def _body(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    yield tail


def _has_failures(text: bytes) -> bool:
    """Whether the answer of a service lists objects that it did not store; what is not JSON lists none."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    datasets = answer if isinstance(answer, list) else [answer]
    return any(isinstance(each, dict) and bool(each.get(_FAILED, {}).get("Value")) for each in datasets)
