"""Faults of a machine or of the network are no fault of a study: none of them leaves the record of a failure."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gliotype.batch import cluster, fingerprint, study
from gliotype.batch.cluster import Cluster
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.pool import Pool
from gliotype.batch.process import StudyProcess
from gliotype.batch.record import State, failed, read_record, read_records, record_failure
from gliotype.batch.run import Tally, run_batch
from gliotype.batch.study import run_study
from gliotype.batch.worker import predict_on_worker
from gliotype.errors import InputError, OutputError, WeightsError
from gliotype.flag import Flag
from support.batch_child import COMMAND, STAND_INS

from .conftest import Studies

Answer = dict[str, Any] | Exception
Worker = Callable[[StudyJob, BatchSettings], Answer]


class Future:
    """A task that has ended, with an answer or an error."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = "error" if isinstance(answer, Exception) else "finished"

    def done(self) -> bool:
        return True

    def result(self) -> Answer:
        return self._answer

    def exception(self) -> Answer:
        return self._answer


def fine(job: StudyJob, settings: BatchSettings) -> Answer:
    record, kept = run_study(job, settings)
    return {"record": record.text(), "kept": kept, "worker": "fine"}


def full(job: StudyJob, settings: BatchSettings) -> Answer:
    return {"error": "a disk of full is full", "worker": "full"}


def at(worker: str, cause: Exception, but: str = "") -> Worker:
    """A worker on which every study meets an error that names another one as its cause."""

    def answer(job: StudyJob, settings: BatchSettings) -> Answer:
        def predict(*_: object, **__: object) -> None:
            raise InputError("the image cannot be read: export it again") from cause

        with pytest.MonkeyPatch.context() as patch:
            if job.id not in but:
                patch.setattr(study, "predict", predict)
            return {**fine(job, settings), "worker": worker}  # type: ignore[dict-item]

    return answer


def raising(*errors: Exception, of: str = "abcde") -> Worker:
    """A worker that raises errors at some studies, one after the other, and then is fine."""
    left = list(errors)

    def answer(job: StudyJob, settings: BatchSettings) -> Answer:
        return left.pop(0) if left and job.id in of else fine(job, settings)

    return answer


class Client:
    """A client of some workers; each study goes to the first that it may go to."""

    def __init__(self, lost_at: int = 10**9, **workers: Worker) -> None:
        self.status = "running"
        self._workers = workers or {"fine": fine}
        self._calls_left = lost_at
        self.retired: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def nthreads(self) -> dict[str, int]:
        self._calls_left -= 1
        if self._calls_left < 0:
            raise OSError("in <TCP tcp://10.0.0.1:1 -> tcp://10.0.0.1:8786>: Stream is closed")
        return dict.fromkeys(self._workers, 1)

    def submit(self, call: object, job: Any, settings: Any, child: object, **options: Any) -> Future:
        worker = (options["workers"] or list(self._workers))[0]
        self.asked.append((worker, job["id"]))
        return Future(self._workers[worker](StudyJob.from_plain(job), BatchSettings.from_plain(settings)))

    def retire_workers(self, workers: list[str], *, close_workers: bool) -> None:
        for worker in workers:
            if self._workers.pop(worker, None):
                self.retired.append(worker)


class Closing(Client):
    """A client whose connection ends as a study is handed out, which Dask says by an error of its own."""

    def submit(self, call: object, job: Any, settings: Any, child: object, **options: Any) -> Future:
        self.status = "closed"
        raise Exception("Client is closed. Can't send update-graph message.")


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, studies: Studies, tmp_path: Path) -> Callable[..., Tally]:
    """Predict five studies with a stand-in through these clients, one for each connection."""
    for name, stand_in in STAND_INS.items():
        monkeypatch.setattr(study, name, stand_in)

    def predict(*clients: Client, **changed: str) -> Tally:
        left = iter(clients)

        @contextmanager
        def connected(*_: object) -> Iterator[Client]:
            yield next(left)

        monkeypatch.setattr(cluster, "connected", connected)
        jobs = studies(**dict.fromkeys("abcde", "fine") | changed)
        return run_batch(jobs, BatchSettings(tmp_path / "out"), Cluster("tcp://10.0.0.1:8786", COMMAND))

    return predict


def failures(tmp_path: Path) -> dict[str, str]:
    """Why studies failed, by their ids."""
    return {r.id: r.error or "" for r in read_records(tmp_path / "out") if r.state is State.FAILED}


def test_a_scheduler_lost_within_a_call_is_connected_to_again(on: Callable[..., Tally]) -> None:
    tally = on(Client(lost_at=1), Client(lost_at=0), Closing(), Client())
    assert (tally.done + tally.kept, tally.failed) == (5, 0)


def test_a_full_worker_is_closed_and_its_studies_are_predicted_elsewhere(on: Callable[..., Tally]) -> None:
    client = Client(full=full, fine=fine)
    tally = on(client)
    assert (tally.done, tally.failed) == (5, 0)
    assert client.retired == ["full"]


def test_a_batch_ends_when_its_last_worker_is_full(on: Callable[..., Tally], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a disk of full is full"):
        on(Client(full=full))
    assert not list(read_records(tmp_path / "out"))


@pytest.mark.slow
def test_a_study_is_tried_again_when_its_task_raises_an_error_of_the_system(
    on: Callable[..., Tally], tmp_path: Path
) -> None:
    tally = on(Client(fine=raising(OSError(errno.EIO, "Input/output error"), TimeoutError())))
    assert (tally.done, tally.failed) == (5, 0)
    # It is never tried for ever: the failure is recorded, and the next run tries it again.
    stale = [OSError(errno.ESTALE, "Stale file handle")] * cluster.MOST_TRIES
    assert on(Client(fine=raising(*stale, of="b")), b="fine 2").failed == 1
    assert "again and again (Stale file handle)" in failures(tmp_path)["b"]
    again = on(Client(), b="fine 2")
    assert (again.done, again.kept, again.failed) == (1, 4, 0)


def test_studies_of_a_worker_that_lost_its_mount_are_predicted_elsewhere(on: Callable[..., Tally]) -> None:
    client = Client(lost=at("lost", OSError(errno.ESTALE, "Stale file handle")), fine=fine)
    tally = on(client)
    assert (tally.done, tally.failed) == (5, 0)
    assert client.retired == ["lost"]
    # No study returns to where it failed.
    assert len(set(client.asked)) == len(client.asked)


def test_a_study_that_no_machine_can_read_fails_with_its_sentence(
    on: Callable[..., Tally], tmp_path: Path
) -> None:
    damaged = OSError(errno.EIO, "Input/output error")
    client = Client(one=at("one", damaged, but="abde"), two=at("two", damaged, but="abde"))
    tally = on(client)
    assert (tally.done, tally.failed) == (4, 1)
    assert failures(tmp_path) == {"c": "the image cannot be read: export it again"}
    assert [worker for worker, name in client.asked if name == "c"] == ["one", "two", "one"]
    assert not client.retired


def test_a_study_of_its_own_fault_is_not_tried_again(on: Callable[..., Tally], tmp_path: Path) -> None:
    client = Client(one=at("one", ValueError("damaged"), but="abde"), two=fine)
    assert on(client).failed == 1
    assert [worker for worker, name in client.asked if name == "c"] == ["one"]


def test_a_study_whose_workers_were_lost_is_tried_once_more_alone(
    on: Callable[..., Tally], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    killed = distributed.KilledWorker("c", None, 3)
    client = Client(fine=raising(killed, of="c"))
    tally = on(client)
    assert (tally.done, tally.failed) == (5, 0)
    assert client.asked[-1] == ("fine", "c")
    assert on(Client(fine=raising(killed, killed, of="c")), c="fine 2").failed == 1
    assert "at last with no other study on them" in failures(tmp_path)["c"]


def test_a_worker_asks_its_process_for_what_one_or_two_jobs_would(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(address="tcp://10.0.0.2:1"))
    (job,) = studies(a="fine")
    settings = BatchSettings(tmp_path / "out", threads=3)
    (tmp_path / "out/records").mkdir(parents=True)
    record = failed(job, "it was asked for", 1, None).text()
    child = f"""
import json, sys
from pathlib import Path
print(flush=True)
with Path({str(tmp_path / "asked")!r}).open("a") as log:
    print(sys.argv[1:], sys.stdin.readline(), end="", file=log)
print(json.dumps({{"record": {record!r}, "kept": False}}), flush=True)
"""
    command = (sys.executable, "-c", child)
    for jobs in (1, 2):
        assert len(list(Pool(jobs, command).run([job], settings))) == 1
    assert predict_on_worker(job.plain(), settings.plain(), command)["record"] == record
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert '"threads": 3' in asked[0]


def test_a_process_that_answers_before_anyone_listens_is_heard(studies: Studies, tmp_path: Path) -> None:
    (job,) = studies(a="fine")
    answer = json.dumps({"record": failed(job, "it was asked for", 1, None).text(), "kept": False})
    child = f"import sys; sys.stdin.readline(); sys.stdout.write('\\n' + {answer!r} + '\\n')"
    with StudyProcess(BatchSettings(tmp_path / "out"), Flag(), (sys.executable, "-c", child)) as process:
        assert process.run(job)[0].error == "it was asked for"


@pytest.mark.parametrize("lost", ["results", "processes"])
def test_a_worker_that_does_not_see_out_or_starts_no_process_is_at_fault(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(address="tcp://10.0.0.2:1"))
    (job,) = studies(a="fine")
    settings = BatchSettings(tmp_path / "out")
    child: tuple[str, ...] = COMMAND
    if lost == "processes":
        (tmp_path / "out/records").mkdir(parents=True)
        child = (str(tmp_path / "no-python"),)
    answer = predict_on_worker(job.plain(), settings.plain(), child)
    assert answer["worker"] == "tcp://10.0.0.2:1"
    assert ("does not see" if lost == "results" else "cannot predict (No such file") in answer["error"]
    assert not list(read_records(tmp_path / "out"))


def test_damaged_weights_are_no_fault_of_a_study(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights() -> None:
        raise WeightsError("the weights are damaged: install gliotype again")

    monkeypatch.setattr(fingerprint, "_weights", weights)
    with pytest.raises(WeightsError):
        run_study(studies(a="fine")[0], BatchSettings(tmp_path / "out"))
    assert not list(read_records(tmp_path / "out"))


def test_a_folder_that_cannot_be_written_fails_its_study_alone(
    on: Callable[..., Tally], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/c").write_text("a file where the folder should be", encoding="utf-8")
    tally = on(Client())
    assert (tally.done, tally.failed) == (4, 1)
    assert "cannot write the results" in failures(tmp_path)["c"]


def test_a_study_predicted_elsewhere_meanwhile_has_not_failed(
    on: Callable[..., Tally], studies: Studies, tmp_path: Path
) -> None:
    on(Client())
    (job,) = (job for job in studies() if job.id == "a")
    record = read_record(tmp_path / "out", "a")
    assert record is not None
    failure = failed(job, "its process was killed", 1, record.fingerprint)
    assert record_failure(tmp_path / "out", job, failure) == (record, True)
    assert (tmp_path / "out/a/prediction.json").exists()


@pytest.mark.parametrize(("number", "runs"), [(signal.SIGTERM, 2), (signal.SIGSEGV, 1)])
def test_a_process_killed_twice_costs_no_study_and_one_that_crashed_twice_does(
    studies: Studies, tmp_path: Path, number: int, runs: int
) -> None:
    (job,) = studies(a="fine")
    child = f"""
import os, signal, sys
from pathlib import Path
print(flush=True)
sys.stdin.readline()
count = Path({str(tmp_path / "count")!r})
count.write_text(count.read_text() + "x" if count.exists() else "x")
if len(count.read_text()) <= 2:
    os.kill(os.getpid(), {int(number)})
print('{{"error": "it came so far", "exit_code": 3}}', flush=True)
"""
    settings = BatchSettings(tmp_path / "out")
    with StudyProcess(settings, Flag(), (sys.executable, "-c", child)) as process:
        if runs == 2:
            with pytest.raises(OutputError, match="it came so far"):
                process.run(job)
        else:
            record, _ = process.run(job)
            assert "ended by SIGSEGV" in (record.error or "")


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
