from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from support import stand_in_predict

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed: pip install 'gliotype[node]'")

from gliotype.serve.node.node import Node
from gliotype.serve.node.settings import DicomTarget, NodeLimits, NodeSettings, Sender
from support.dicom_peer import ARCHIVE, Archive, archive, send

STAND_IN = (sys.executable, stand_in_predict.__file__)


@pytest.fixture
def target() -> Iterator[Archive]:
    """An archive that listens."""
    with archive() as lent:
        yield lent


@pytest.fixture
def settings(tmp_path: Path, target: Archive) -> NodeSettings:
    """A node for the archive, with a stand-in for predictions and short pauses; `complete` ends a study."""
    return NodeSettings(
        folder=tmp_path / "node",
        target=DicomTarget(ARCHIVE, "127.0.0.1", target.port),
        senders=(Sender(ARCHIVE, None),),
        port=0,
        quiet_s=3600,
        limits=NodeLimits(free_bytes=0),
        command=STAND_IN,
        retry_s=(0.2, 0.2),
    )


@pytest.fixture
def start(settings: NodeSettings, target: Archive) -> Iterator[Callable[..., Node]]:
    """Start a node with changed settings; it ends with the test."""
    nodes = []

    def started(**changes: Any) -> Node:
        node = Node(replace(settings, **changes))
        node.start()
        nodes.append(node)
        target.node_port = node.port
        return node

    yield started
    for node in nodes:
        node.stop()


def complete(node: Node) -> None:
    """Let what the node has received so far be complete, as if nothing more had come for the quiet time."""
    inbox = node._inbox
    with inbox.changed:
        for study in inbox._studies.values():
            study.latest = -math.inf
        inbox.changed.notify_all()


def send_whole(node: Node, datasets: Iterable[Dataset]) -> list[int]:
    """Send objects after which no more of their studies come; return the status of each."""
    statuses = send(node.port, datasets)
    complete(node)
    return statuses
