"""What a hostile or broken sender may try: it is refused, nothing is left behind, and the node lives on."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from pynetdicom.association import Association

from gliotype.serve.node import receiver
from gliotype.serve.node.node import Node
from gliotype.serve.node.settings import NodeLimits, NodeSettings, Sender
from support.dicom_peer import ARCHIVE, cut_after, mr_instance, mr_study, send, wait_until

# pynetdicom leaves the socket of a connection that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

Start = Callable[..., Node]


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as opened:
        yield opened


@contextmanager
def association(port: int, syntax: str = ExplicitVRLittleEndian) -> Iterator[Association]:
    entity = AE(ARCHIVE)
    entity.acse_timeout = entity.network_timeout = 60
    entity.add_requested_context(MRImageStorage, syntax)
    opened = entity.associate("127.0.0.1", port, ae_title="GLIOTYPE")
    try:
        yield opened
    finally:
        opened.abort()


def ends(opened: socket.socket) -> bool:
    """Whether the other side ends the connection, within the time that the connection allows."""
    with suppress(ConnectionResetError):
        while opened.recv(4096):
            pass
    return True


def raw(opened: Association, data: bytes) -> None:
    """Send bytes as they are in an association; that the other side has ended it already is no matter."""
    wrapper = opened.dul.socket
    if wrapper is not None and wrapper.socket is not None:
        with suppress(OSError):
            wrapper.socket.sendall(data)


def data_pdu(value: bytes, context: int = 1) -> bytes:
    """A P-DATA message with one fragment."""
    item = struct.pack(">LB", len(value) + 1, context) + value
    return struct.pack(">BBL", 4, 0, len(item)) + item


def left(settings: NodeSettings) -> list[str]:
    """Names of all files that hold something of a sender."""
    folders = ("temporary", "incoming", "jobs")
    return [
        str(file) for folder in folders for file in (settings.folder / folder).rglob("*") if file.is_file()
    ]


def assert_alive(node: Node) -> None:
    assert send(node.port, mr_study("honest", 1)) == [0]


@pytest.mark.slow
def test_silent_connections_do_not_keep_others_out(start: Start) -> None:
    node = start()
    silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(60)]
    try:
        assert_alive(node)
    finally:
        for each in silent:
            each.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [1, 4, 0x55])
def test_a_message_of_4_gb_is_not_waited_for(start: Start, kind: int) -> None:
    node = start()
    with connection(node.port) as opened:
        opened.sendall(struct.pack(">BBL", kind, 0, 0xFFFFFFFF))
        assert ends(opened)
    assert_alive(node)


def test_a_message_that_trickles_is_cut_off(
    start: Start, settings: NodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limit on a message: the others would let the connection wait for an hour."""
    monkeypatch.setattr(receiver, "_ACSE_S", 3600.0)
    monkeypatch.setattr(receiver, "_NETWORK_S", 3600.0)
    node = start(limits=replace(settings.limits, pdu_s=0.5))
    with connection(node.port) as opened:
        opened.sendall(b"\x01\x00\x00")
        assert ends(opened)
    assert_alive(node)


def test_garbage_in_place_of_a_message(start: Start) -> None:
    node = start()
    with connection(node.port) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ends(opened)
    with connection(node.port) as opened:
        opened.sendall(struct.pack(">BBL", 1, 0, 100) + b"\xff" * 100)
        assert ends(opened)
    assert_alive(node)


def test_a_command_without_end_is_cut_off(start: Start) -> None:
    node = start()
    with association(node.port) as opened:
        for _ in range(20):
            raw(opened, data_pdu(b"\x01" + bytes(100_000)))
        wait_until(lambda: not opened.is_established)
    assert_alive(node)


# With such a connection, a thread of pynetdicom ends by an error of its own.
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning", "ignore:End of file reached"
)
@pytest.mark.parametrize("value", [b"", b"\x03", b"\x03" + b"\xff" * 50, b"\x00abc"])
def test_fragments_that_are_no_message(start: Start, value: bytes) -> None:
    node = start()
    before = threading.active_count()
    with association(node.port) as opened:
        raw(opened, data_pdu(value) + data_pdu(value, context=77))
    assert_alive(node)
    wait_until(lambda: threading.active_count() <= before)


def test_an_object_that_is_too_large_is_cut_off_and_removed(start: Start, settings: NodeSettings) -> None:
    node = start(limits=replace(settings.limits, instance_bytes=2_000_000))
    large = mr_instance("large", 0)
    large.PixelData = bytes(8_000_000)
    assert send(node.port, [large]) == [-1]
    wait_until(lambda: left(settings) == [])
    assert_alive(node)


def test_an_object_that_breaks_off_is_removed(start: Start, settings: NodeSettings) -> None:
    node = start()
    whole = mr_instance("half", 0)
    whole.PixelData = bytes(8_000_000)
    with association(node.port) as opened:
        cut_after(opened, 1_000_000)
        assert "Status" not in opened.send_c_store(whole)
    wait_until(lambda: left(settings) == [])
    assert_alive(node)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
@pytest.mark.parametrize(
    ("keyword", "uid"),
    [
        ("StudyInstanceUID", "../../../../tmp/evil"),
        ("StudyInstanceUID", "/etc/passwd"),
        ("StudyInstanceUID", ""),
        ("StudyInstanceUID", "1" * 65),
        ("SOPInstanceUID", "../../../../tmp/evil"),
        ("SOPInstanceUID", "1.2/../3"),
        ("SOPInstanceUID", ".."),
    ],
)
def test_path_names_in_identifiers(
    start: Start, settings: NodeSettings, tmp_path: Path, keyword: str, uid: str
) -> None:
    node = start()
    assert send(node.port, [mr_instance("evil", 0, 16, **{keyword: uid})]) == [0xA900]
    assert left(settings) == []
    assert {path.name for path in tmp_path.iterdir()} == {"node"}
    assert_alive(node)


def test_an_object_other_than_announced(start: Start, settings: NodeSettings) -> None:
    node, other = start(), mr_instance("other", 0)
    with association(node.port) as opened:
        request = opened.dimse.send_msg

        def announce(message: Any, context: int) -> None:
            message.AffectedSOPInstanceUID = "1.2.3"
            request(message, context)

        opened.dimse.send_msg = announce  # type: ignore[method-assign]
        assert opened.send_c_store(other).Status == 0xA900
    assert left(settings) == []


def test_data_that_are_no_object(start: Start, settings: NodeSettings) -> None:
    node = start()
    with association(node.port) as opened:
        request = opened.dimse.send_msg

        def spoil(message: Any, context: int) -> None:
            message.DataSet = BytesIO(b"\xff" * 5000)
            request(message, context)

        opened.dimse.send_msg = spoil  # type: ignore[method-assign]
        assert opened.send_c_store(mr_instance("spoiled", 0)).Status == 0xC000
    assert left(settings) == []
    assert_alive(node)


def test_deflated_objects_are_not_accepted(start: Start) -> None:
    with association(start().port, DeflatedExplicitVRLittleEndian) as opened:
        assert not opened.is_established
        assert len(opened.rejected_contexts) == 1


@pytest.mark.parametrize(
    "limits", [NodeLimits(study_instances=2, free_bytes=0), NodeLimits(study_bytes=2500, free_bytes=0)]
)
def test_a_study_has_a_largest_size(start: Start, limits: NodeLimits) -> None:
    node = start(limits=limits)
    assert send(node.port, mr_study("big", 4)) == [0, 0, 0xA700, 0xA700]
    assert_alive(node)


def test_nothing_is_received_without_room(start: Start, settings: NodeSettings) -> None:
    node = start(limits=NodeLimits(free_bytes=10**18))
    assert send(node.port, mr_study("full", 1)) == [0xA700]
    assert left(settings) == []


def test_addresses_that_may_not_send_are_closed(start: Start) -> None:
    node = start(senders=(Sender(ARCHIVE, "192.0.2.7"),))
    with connection(node.port) as opened:
        assert ends(opened)
    assert send(node.port, mr_study("x", 1)) == []


def test_a_title_belongs_to_its_address(start: Start, settings: NodeSettings) -> None:
    node = start(senders=(Sender(ARCHIVE, "192.0.2.7"), Sender("OTHER", None)))
    assert send(node.port, mr_study("x", 1)) == [0x0124]
    assert send(node.port, mr_study("x", 1), aet="OTHER") == [0]


def test_more_associations_than_allowed_are_rejected(start: Start, settings: NodeSettings) -> None:
    node = start(limits=replace(settings.limits, associations=2))
    with association(node.port) as one, association(node.port) as two, association(node.port) as three:
        assert (one.is_established, two.is_established, three.is_established) == (True, True, False)
        assert three.is_rejected
    wait_until(lambda: send(node.port, mr_study("after", 1)) == [0])


@pytest.mark.slow
def test_many_associations_leave_nothing_behind(start: Start) -> None:
    node = start()
    before = threading.active_count()
    for number in range(40):
        send(node.port, mr_study("x", 1), aet=("STRANGER", ARCHIVE)[number % 2])
    wait_until(lambda: threading.active_count() <= before)
    assert_alive(node)
