from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from gliotype.batch.cluster import Cluster
from gliotype.batch.pool import Pool
from gliotype.flag import Flag


@pytest.mark.parametrize(
    "stop",
    [Flag().set, Pool(1).finish, Pool(1).stop, Cluster("tcp://host:1").finish, Cluster("tcp://host:1").stop],
)
def test_it_may_be_set_by_a_handler_that_interrupts_the_same(stop: Callable[[], None]) -> None:
    """Called again at each of its own lines, as by a second signal, it does not wait for itself."""
    lines = 0

    def interrupt(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            sys.settrace(None)
            stop()
            sys.settrace(interrupt)
        return interrupt

    def interrupted() -> None:
        sys.settrace(interrupt)
        stop()
        sys.settrace(None)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(20.0)
    assert not thread.is_alive()
    assert lines >= 1


def test_waiting_ends_when_it_is_set_elsewhere() -> None:
    flag = Flag()
    thread = threading.Thread(target=flag.wait)
    thread.start()
    assert thread.is_alive()
    flag.set()
    thread.join()
    assert flag.is_set()
