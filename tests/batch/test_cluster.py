from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from gliotype.batch.cluster import Cluster
from gliotype.batch.job import BatchSettings
from gliotype.batch.record import read_records
from gliotype.batch.run import run_batch
from gliotype.errors import UsageError
from support.batch_child import COMMAND
from support.dask_parts import DaskParts, end
from support.ports import reserved_port

from .conftest import Studies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
    ),
]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[DaskParts]:
    with DaskParts(tmp_path) as started:
        yield started


def predicted(tmp_path: Path) -> list[str]:
    file = tmp_path / "predicted.txt"
    return sorted(file.read_text().split()) if file.exists() else []


@pytest.mark.slow
def test_a_lost_worker_costs_no_study(studies: Studies, parts: DaskParts, tmp_path: Path) -> None:
    jobs = studies(**{f"s{number}": "wait 0.3" for number in range(6)}, t="bad", u="crash")
    address, _ = parts.scheduler("127.0.0.1", 0)
    workers = [parts.worker(address, "--no-nanny") for _ in range(2)]
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
