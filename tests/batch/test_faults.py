"""Faults of a machine or of the network are no fault of a study: none of them leaves the record of a failure."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gliotype.batch import cluster, study
from gliotype.batch.cluster import Cluster
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import StudyProcess
from gliotype.batch.record import read_records
from gliotype.batch.run import Tally, run_batch
from gliotype.batch.study import run_study
from gliotype.errors import InputError, OutputError
from gliotype.flag import Flag
from support.batch_child import COMMAND, STAND_INS

from .conftest import Studies


class Future:
    """A task that has ended."""

    status = "finished"

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def done(self) -> bool:
        return True

    def result(self) -> dict[str, Any]:
        return self._answer


class Client:
    """A client of two workers, one of which may be full."""

    status = "running"

    def __init__(self, full: bool = False, lost_at: int = 10**9) -> None:
        self._workers = {"full": 1, "fine": 1} if full else {"fine": 1}
        self._calls_left = lost_at
        self.retired: list[str] = []

    def nthreads(self) -> dict[str, int]:
        self._calls_left -= 1
        if self._calls_left < 0:
            raise OSError("in <TCP tcp://10.0.0.1:1 -> tcp://10.0.0.1:8786>: Stream is closed")
        return dict(self._workers)

    def submit(self, call: Callable[..., Any], job: Any, settings: Any, child: Any, **_: Any) -> Future:
        if "full" in self._workers:
            return Future({"error": "a disk of full is full", "worker": "full"})
        record, kept = run_study(StudyJob.from_plain(job), BatchSettings.from_plain(settings))
        return Future({"record": record.text(), "kept": kept})

    def retire_workers(self, workers: list[str], *, close_workers: bool) -> None:
        for worker in workers:
            if self._workers.pop(worker, None):
                self.retired.append(worker)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, studies: Studies, tmp_path: Path) -> Callable[..., Tally]:
    """Predict five studies with a stand-in through these clients, one for each connection."""
    for name, stand_in in STAND_INS.items():
        monkeypatch.setattr(study, name, stand_in)

    def predict(*clients: Client) -> Tally:
        left = iter(clients)

        @contextmanager
        def connected(*_: object) -> Iterator[Client]:
            yield next(left)

        monkeypatch.setattr(cluster, "connected", connected)
        jobs = studies(**dict.fromkeys("abcde", "fine"))
        return run_batch(jobs, BatchSettings(tmp_path / "out"), Cluster("tcp://10.0.0.1:8786", COMMAND))

    return predict


def test_a_scheduler_lost_within_a_call_is_connected_to_again(on: Callable[..., Tally]) -> None:
    tally = on(Client(lost_at=1), Client(lost_at=0), Client())
    assert (tally.done + tally.kept, tally.failed) == (5, 0)


def test_a_full_worker_is_closed_and_its_studies_are_predicted_elsewhere(on: Callable[..., Tally]) -> None:
    client = Client(full=True)
    tally = on(client)
    assert (tally.done, tally.failed) == (5, 0)
    assert client.retired == ["full"]


def test_a_batch_ends_when_its_last_worker_is_full(on: Callable[..., Tally], tmp_path: Path) -> None:
    client = Client(full=True)
    del client._workers["fine"]
    with pytest.raises(OutputError, match=r"a disk of full is full"):
        on(client)
    assert not list(read_records(tmp_path / "out"))


def test_no_study_fails_because_a_disk_is_full(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(*_: object, **__: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise InputError("the zip cannot be unpacked: unpack it") from error

    monkeypatch.setattr(study, "predict", predict)
    (job,) = studies(a="fine")
    with pytest.raises(OutputError, match=r"a disk of .* is full: make room"):
        run_study(job, BatchSettings(tmp_path / "out"))
    assert not list(read_records(tmp_path / "out"))


def test_no_study_is_begun_where_temporary_files_find_no_room(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = studies(a="fine")
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(folder)._replace(free=1_000_000))
    with (
        StudyProcess(BatchSettings(tmp_path / "out"), Flag(), ("false",)) as process,
        pytest.raises(OutputError, match=r"only 1 MB left in .* set TMPDIR"),
    ):
        process.run(job)


def test_a_machine_on_which_no_process_starts_is_at_fault(studies: Studies, tmp_path: Path) -> None:
    (job,) = studies(a="fine")
    with (
        StudyProcess(BatchSettings(tmp_path / "out"), Flag(), ("false",)) as process,
        pytest.raises(OutputError, match="no process that predicts starts on"),
    ):
        process.run(job)
    assert not list(read_records(tmp_path / "out"))
