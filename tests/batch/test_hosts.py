"""A batch on several hosts, made of network namespaces: workers lost and added, a full disk, a scheduler restarted."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gliotype.batch.record import State, read_records
from gliotype.cli.batch import SOME_FAILED
from support.batch_client import FILE as CLIENT
from support.dask_parts import WAIT_S, DaskParts, end, wait_until

from .conftest import Studies

HOSTS = ("s", "a", "b", "c")
"""Scheduler and client, and three workers."""

PORT = 8786


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def may_make_hosts() -> bool:
    """Whether this user may make network namespaces and mount file systems."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"gliotype-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    mounted = subprocess.run(["ip", "netns", "exec", name, *mount], capture_output=True, check=False)
    ip("netns", "delete", name)
    return mounted.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
    ),
    pytest.mark.skipif(not may_make_hosts(), reason="network namespaces are not permitted"),
]


@pytest.fixture
def hosts() -> Iterator[dict[str, tuple[str, ...]]]:
    """Make hosts 10.213.7.1 to .4 on one switch; lend the command that runs another one on each."""
    names = {host: f"gliotype-{os.getpid()}-{host}" for host in HOSTS}
    with ExitStack() as stack:
        for number, (host, name) in enumerate(names.items(), 1):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
            if host == "s":
                ip("-n", name, "link", "add", "switch", "type", "bridge")
                ip("-n", name, "link", "set", "switch", "up")
                ip("-n", name, "address", "add", "10.213.7.1/24", "dev", "switch")
                continue
            port = f"port{number}"
            ip("-n", name, "link", "add", "net", "type", "veth", "peer", "name", port, "netns", names["s"])
            ip("-n", names["s"], "link", "set", port, "master", "switch", "up")
            ip("-n", name, "address", "add", f"10.213.7.{number}/24", "dev", "net")
            ip("-n", name, "link", "set", "net", "up")
        yield {host: ("ip", "netns", "exec", name) for host, name in names.items()}


def test_hosts_are_lost_added_and_full_and_every_study_is_done(
    studies: Studies, hosts: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    jobs = studies(**{f"s{number:02d}": "wait 0.3" for number in range(9)}, t="bad")
    said = tmp_path / "said.txt"

    def records() -> int:
        return len(list((tmp_path / "out/records").glob("*.json")))

    with DaskParts(tmp_path) as parts:
        address, scheduler = parts.scheduler("10.213.7.1", PORT, inside=hosts["s"])
        assert address == f"tcp://10.213.7.1:{PORT}"
        first = parts.worker(address, "--no-nanny", inside=hosts["a"])
        # The disk for temporary files of this host holds 1 MB.
        (tmp_path / "disk").mkdir()
        small = f'mount -t tmpfs -o size=1m tmpfs {tmp_path}/disk && TMPDIR={tmp_path}/disk exec "$@"'
        full = parts.worker(address, "--no-nanny", inside=(*hosts["b"], "sh", "-c", small, "sh"))
        batch = parts.start(CLIENT, str(tmp_path), "scheduler", address, inside=hosts["s"], said=said)
        # It is asked to predict, and is closed instead of failing one study after the other.
        full.wait(timeout=WAIT_S)
        wait_until(lambda: records() >= 2)
        end(scheduler)
        # Dask's workers end with their scheduler.
        first.wait(timeout=WAIT_S)
        parts.scheduler("10.213.7.1", PORT, inside=hosts["s"])
        # A worker of another host takes its place.
        parts.worker(address, "--no-nanny", inside=hosts["c"])
        assert batch.wait(timeout=WAIT_S) == SOME_FAILED, said.read_text()
    found = {record.id: record for record in read_records(tmp_path / "out")}
    assert set(found) == {job.id for job in jobs}
    failed = {name for name, record in found.items() if record.state is State.FAILED}
    assert failed == {"t"}, said.read_text()
