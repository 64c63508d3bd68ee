"""Limits on connections that pynetdicom itself does not set: on their number, and on size and duration of messages.

pynetdicom reads as many bytes as the head of a message announces, however many these are and however long they take,
and keeps all of a message in memory but the data set of a C-STORE.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from gliotype.serve.node.settings import NodeLimits

MAX_PDU_BYTES = 1_048_576
"""Size of one message of the transport layer; ours ask for at most `OWN_PDU_BYTES`."""

OWN_PDU_BYTES = 131_072

MAX_CONNECTIONS = 100
"""Connections at the same time, whatever they ask for; those beyond are closed at once."""

MAX_IN_MEMORY_BYTES = 1_048_576
"""Size of a command, and of a data set that is not written to disk."""

_HEAD_BYTES = 6


class GuardedSocket(socket.socket):
    """A connection on which a message has limits of size and, once begun, of time."""

    pdu_s = 30.0

    def __init__(self, connection: socket.socket, pdu_s: float) -> None:
        """Take over a connection.

        Args:
            connection: accepted; it is closed for others.
            pdu_s: seconds within which a message, once begun, must have come.
        """
        super().__init__(fileno=connection.detach())
        self.pdu_s = pdu_s
        self.in_memory = self.on_disk = 0
        self.is_cut = False
        self._head = bytearray()
        self._left, self._due = _HEAD_BYTES, 0.0

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive bytes of one message; see `socket.socket.recv`.

        Raises:
            OSError: if the message is too large or takes too long.
        """
        if self._left == _HEAD_BYTES and not self._head:
            self._due = time.monotonic() + self.pdu_s
        self.settimeout(max(0.001, self._due - time.monotonic()))
        data = super().recv(min(size, self._left), flags)
        self.settimeout(self.pdu_s)
        if len(self._head) < _HEAD_BYTES:
            self._head += data
            self._left = _HEAD_BYTES - len(self._head)
            if not self._left:
                self._left = int.from_bytes(self._head[2:], "big")
                if self._left > MAX_PDU_BYTES:
                    raise OSError("the message is too large")
        else:
            self._left -= len(data)
        if not self._left:
            self._head.clear()
            self._left = _HEAD_BYTES
        return data

    def shutdown(self, how: int, /) -> None:
        """End one or both directions; that they have ended is no error, at which pynetdicom would not close."""
        with suppress(OSError):
            super().shutdown(how)

    def disconnect(self) -> None:
        """End the connection at once, whatever is still to be sent or read."""
        self.is_cut = True
        with suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shutdown(socket.SHUT_RDWR)


class GuardedServer(ThreadedAssociationServer):
    """A server that closes connections from addresses that may not send, silent ones, and those beyond a number.

    Attributes:
        limits: on what comes.
        addresses: that may connect; any if empty.
        refused: called with a reason when a connection is closed.
    """

    limits: NodeLimits
    addresses: frozenset[str]
    refused: Callable[[str], None]
    request_queue_size = 64

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection may negotiate an association; see `socketserver.BaseServer`."""
        if self.addresses and client_address[0] not in self.addresses:
            self.refused("its address may not connect")
            return False
        alive = [each for each in self.active_associations if each.dul.is_alive()]
        if len(alive) >= MAX_CONNECTIONS:
            self.refused("there are too many connections")
            return False
        silent = self._silent()
        if len(silent) >= self.limits.associations:
            silent[0].disconnect()
            self.refused("a connection asked for nothing")
        return True

    def cut_silent(self) -> None:
        """End all connections that have asked for nothing yet, which pynetdicom does not do in good order."""
        for each in self._silent():
            each.disconnect()

    def _silent(self) -> list[GuardedSocket]:
        """Connections that have asked for nothing yet, the oldest first."""
        found = map(_silent_connection, self.active_associations)
        return [each for each in found if each is not None]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Count a connection that broke while it was set up; see `socketserver.BaseServer`."""
        self.refused("the connection broke")


class GuardedHandler(RequestHandler):
    """Puts a `GuardedSocket` in the place of each accepted connection."""

    def setup(self) -> None:
        """See `socketserver.BaseRequestHandler`."""
        assert isinstance(self.server, GuardedServer)
        assert isinstance(self.request, socket.socket)
        self.request = GuardedSocket(self.request, self.server.limits.pdu_s)


def connection_of(event: Event) -> GuardedSocket | None:
    """The guarded connection of an event's association; None if it is closed."""
    return _connection(event.assoc)


def _connection(association: Association) -> GuardedSocket | None:
    wrapper = association.dul.socket
    connection = None if wrapper is None else wrapper.socket
    return connection if isinstance(connection, GuardedSocket) else None


def _silent_connection(association: Association) -> GuardedSocket | None:
    """The connection of an association that has asked for nothing yet; None if it has, or is being ended."""
    connection = _connection(association)
    return (
        None
        if association.requestor.primitive is not None or connection is None or connection.is_cut
        else connection
    )


def reject_surplus(event: Event, limits: NodeLimits, refused: Callable[[str], None]) -> None:
    """Reject an association beyond the number that may be open (`evt.EVT_REQUESTED`).

    pynetdicom would count connections that have asked for nothing as well.
    """
    own = event.assoc
    established = [each for each in own.ae.active_associations if each.is_acceptor and each.is_established]
    if len(established) >= limits.associations:
        refused("all associations are in use")
        own.acse.send_reject(0x02, 0x03, 0x02)
        own.kill()


def watch_sizes(
    event: Event, limits: NodeLimits, has_room: Callable[[], bool], refused: Callable[[str], None]
) -> None:
    """Cut a connection whose command or data set exceeds its limit, or for which the disk has no room.

    Args:
        event: a message of the transport layer was received (`evt.EVT_PDU_RECV`).
        limits: on what comes.
        has_room: whether there is space on the disk.
        refused: called with a reason when a connection is cut.
    """
    connection = connection_of(event)
    if connection is None or not isinstance(event.pdu, P_DATA_TF):
        return
    for item in event.pdu.presentation_data_value_items:
        value = item.presentation_data_value or b"\0"
        is_command, is_last = bool(value[0] & 1), bool(value[0] & 2)
        # Of the messages that pynetdicom has begun to decode, only that of a C-STORE goes to disk.
        if is_command or not isinstance(event.assoc.dimse.message, C_STORE_RQ):
            connection.in_memory += len(value)
        else:
            before = connection.on_disk // MAX_PDU_BYTES
            connection.on_disk += len(value)
            if connection.on_disk // MAX_PDU_BYTES > before and not has_room():
                refused("the disk is full")
                connection.disconnect()
        if connection.in_memory > MAX_IN_MEMORY_BYTES or connection.on_disk > limits.instance_bytes:
            refused("an object or command is too large")
            connection.disconnect()
        if is_last:
            connection.in_memory = 0
            connection.on_disk *= is_command
