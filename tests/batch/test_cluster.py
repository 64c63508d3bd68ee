from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gliotype.batch.cluster import Cluster
from gliotype.batch.job import BatchSettings
from gliotype.batch.record import read_records
from gliotype.batch.run import run_batch
from gliotype.errors import UsageError
from support.batch_child import COMMAND
from support.ports import reserved_port

from .conftest import Studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
    ),
]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a part of a Dask cluster as a process of its own; all end with the test."""
    with ExitStack() as stack:

        def dask(*arguments: str) -> subprocess.Popen[bytes]:
            quiet = subprocess.DEVNULL
            command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
            process = subprocess.Popen(
                command, cwd=tmp_path, stdout=quiet, stderr=quiet, start_new_session=True
            )
            stack.callback(end, process)
            return process

        yield dask


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def scheduler(start: Start, tmp_path: Path) -> tuple[str, subprocess.Popen[bytes]]:
    file = tmp_path / "scheduler.json"
    process = start(
        "dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    )
    limit = time.monotonic() + 120
    while not file.exists() or not file.stat().st_size:
        assert time.monotonic() < limit
        time.sleep(0.05)
    return json.loads(file.read_text())["address"], process


def worker(start: Start, address: str) -> subprocess.Popen[bytes]:
    return start(
        "dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60"
    )


def predicted(tmp_path: Path) -> list[str]:
    file = tmp_path / "predicted.txt"
    return sorted(file.read_text().split()) if file.exists() else []


@pytest.mark.slow
def test_a_lost_worker_costs_no_study(studies: Studies, start: Start, tmp_path: Path) -> None:
    jobs = studies(**{f"s{number}": "wait 0.3" for number in range(6)}, t="bad", u="crash")
    address, _ = scheduler(start, tmp_path)
    workers = [worker(start, address), worker(start, address)]
    lost: list[bool] = []

    def lose_one(*_: object) -> None:
        if not lost:
            lost.append(True)
            end(workers[0])

    tally = run_batch(jobs, BatchSettings(tmp_path / "out"), Cluster(address, COMMAND), progress=lose_one)
    # What the lost worker had recorded and not yet reported counts as predicted before.
    assert (tally.done + tally.kept, tally.failed) == (6, 2)
    records = {record.id: record for record in read_records(tmp_path / "out")}
    assert len(records) == 8
    assert "SIGKILL" in (records["u"].error or "")
    # Only what the lost worker was at, or had not yet reported, is predicted twice.
    assert len(predicted(tmp_path)) <= 6 + 1
    assert set(predicted(tmp_path)) == {f"s{number}" for number in range(6)}


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_a_sentence(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gliotype.batch.cluster.CONNECT_S", 0.1)
    with reserved_port() as port, pytest.raises(UsageError, match="no Dask scheduler answers"):
        run_batch(
            studies(a="fine"), BatchSettings(tmp_path / "out"), Cluster(f"tcp://127.0.0.1:{port}", COMMAND)
        )
