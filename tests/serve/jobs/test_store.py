from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gliotype.errors import InputError, UsageError
from gliotype.serve.jobs import Job, JobStore, State, Worker, exclusive
from gliotype.serve.jobs import store as store_module
from gliotype.serve.jobs import worker as worker_module


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(tmp_path / "queue.sqlite")
    yield opened
    opened.close()


def claimed(store: JobStore, step: str = "predict") -> Job:
    job = store.claim(step)
    assert job is not None
    return job


def test_a_job_goes_through_its_steps_and_keeps_its_values(store: JobStore) -> None:
    assert store.add("a", "predict", {"age": 44.5, "names": ["x"]})
    job = claimed(store)
    assert (job.id, job.state, job.starts, job.data) == (
        "a",
        State.RUNNING,
        1,
        {"age": 44.5, "names": ["x"]},
    )
    assert store.advance(job, "send")
    assert store.claim("predict") is None
    job = claimed(store, "send")
    assert (job.step, job.starts, job.failures, job.data["age"]) == ("send", 1, 0, 44.5)
    assert store.finish(job, State.DONE, data={"sent": 4})
    done = store.get("a")
    assert done is not None
    assert (done.state, done.data, done.reason) == (State.DONE, {"sent": 4}, None)


def test_the_same_id_is_added_once(store: JobStore) -> None:
    assert store.add("a", "predict", {"n": 1})
    assert not store.add("a", "predict", {"n": 2})
    assert [job.data["n"] for job in store.jobs()] == [1]


def test_jobs_start_in_the_order_in_which_they_came(store: JobStore) -> None:
    for name in "cab":
        store.add(name, "predict")
    assert [claimed(store).id for _ in range(3)] == ["c", "a", "b"]
    assert store.claim("predict") is None


def test_a_failure_is_counted_and_waits_until_it_is_due(store: JobStore) -> None:
    store.add("a", "predict")
    assert store.retry(claimed(store), "no memory", 60)
    waiting = store.get("a")
    assert waiting is not None
    assert (waiting.state, waiting.failures, waiting.reason) == (State.WAITING, 1, "no memory")
    assert store.claim("predict") is None
    seconds = store.seconds_until_due("predict")
    assert seconds is not None
    assert 55 < seconds <= 60
    assert store.seconds_until_due("send") is None


def test_a_postponed_start_does_not_count(store: JobStore) -> None:
    store.add("a", "predict")
    store.postpone(claimed(store))
    again = claimed(store)
    assert (again.starts, again.failures) == (1, 0)


def test_only_a_running_job_changes_its_state(store: JobStore) -> None:
    store.add("a", "predict")
    job = claimed(store)
    assert store.finish(job, State.CANCELLED)
    assert not store.finish(job, State.DONE)
    assert not store.retry(job, "late", 0)
    assert not store.advance(job, "send")
    assert not store.update(job, {})
    found = store.get("a")
    assert found is not None
    assert found.state is State.CANCELLED


def test_cancel_and_delete(store: JobStore) -> None:
    store.add("a", "predict")
    store.add("b", "predict")
    assert claimed(store).id == "a"
    assert not store.cancel("a")
    assert store.cancel("b")
    assert not store.delete("a")
    assert store.delete("b")
    assert [job.id for job in store.jobs()] == ["a"]


def test_what_a_killed_server_was_running_waits_again(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from gliotype.serve.jobs import JobStore\n"
        "store = JobStore(Path(sys.argv[1]))\n"
        "store.add('a', 'predict', {'n': 1})\n"
        "store.claim('predict')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    file = tmp_path / "queue.sqlite"
    assert subprocess.run([sys.executable, "-c", script, str(file)]).returncode == -9
    store = JobStore(file)
    assert [(job.id, job.state) for job in store.jobs()] == [("a", State.RUNNING)]
    assert [job.id for job in store.recover()] == ["a"]
    again = claimed(store)
    assert (again.starts, again.data) == (2, {"n": 1})
    store.close()


def test_a_job_at_which_the_server_always_dies_is_set_aside(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_STARTS", 2)
    store.add("a", "predict")
    claimed(store)
    store.recover()
    claimed(store)
    store.recover()
    found = store.get("a")
    assert found is not None
    assert (found.state, found.reason) == (State.FAILED, "the server was killed 2 times meanwhile")


def test_a_running_server_can_be_looked_at(store: JobStore, tmp_path: Path) -> None:
    store.add("a", "predict")
    reader = JobStore(tmp_path / "queue.sqlite", read_only=True)
    assert [job.id for job in reader.jobs()] == ["a"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.add("b", "predict")
    reader.close()


def test_what_is_not_a_queue_of_this_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot open the queue"):
        JobStore(tmp_path / "missing.sqlite", read_only=True)
    database = sqlite3.connect(tmp_path / "later.sqlite")
    database.execute("PRAGMA user_version = 7")
    database.execute("CREATE TABLE jobs (id TEXT)")
    database.close()
    with pytest.raises(InputError, match=r"has version 7, and this Gliotype needs 1"):
        JobStore(tmp_path / "later.sqlite")


def test_one_server_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(UsageError, match="in use by another"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_worker_takes_jobs_as_they_come_and_stops(store: JobStore) -> None:
    seen, both = [], threading.Event()

    def handle(job: Job) -> None:
        seen.append(job.id)
        store.finish(job, State.DONE)
        if len(seen) == 2:
            both.set()

    worker = Worker(store, "predict", handle)
    worker.start()
    store.add("other", "send")
    store.add("a", "predict")
    store.add("b", "predict")
    assert both.wait(120)
    worker.stop()
    worker.join(120)
    assert not worker.is_alive()
    assert seen == ["a", "b"]


def test_idle_workers_sleep(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(store, "claim", lambda step: asked.append(step) or JobStore.claim(store, step))
    workers = [Worker(store, step, lambda job: None) for step in ("predict", "send", "commit")]
    for worker in workers:
        worker.start()
    due = time.monotonic() + 120
    while len(asked) < 3:
        assert time.monotonic() < due
        time.sleep(0.01)
    time.sleep(0.3)
    before_stopping = sorted(asked)
    for worker in workers:
        worker.stop()
        worker.join(120)
    assert before_stopping == ["commit", "predict", "send"]


def test_a_worker_survives_a_full_disk(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def claim(step: str) -> Job | None:
        if not failed:
            failed.append(step)
            raise sqlite3.OperationalError("database or disk is full")
        return JobStore.claim(store, step)

    def handle(job: Job) -> None:
        store.finish(job, State.DONE)
        done.set()

    failed: list[str] = []
    done = threading.Event()
    monkeypatch.setattr(worker_module, "PAUSE_S", 0.05)
    monkeypatch.setattr(store, "claim", claim)
    store.add("a", "predict")
    worker = Worker(store, "predict", handle)
    worker.start()
    assert done.wait(120)
    worker.stop()
    worker.join(120)
    assert "the queue cannot be used (OperationalError: database or disk is full)" in caplog.text


def test_a_worker_survives_a_defect_of_its_handler(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    def handle(job: Job) -> None:
        if job.id == "bad":
            raise KeyError("name of a patient")
        store.finish(job, State.DONE)
        done.set()

    done = threading.Event()
    worker = Worker(store, "predict", handle)
    store.add("bad", "predict")
    store.add("good", "predict")
    worker.start()
    assert done.wait(120)
    worker.stop()
    worker.join(120)
    bad = store.get("bad")
    assert bad is not None
    assert (bad.state, bad.failures) == (State.WAITING, 1)
    assert "KeyError" in str(bad.reason)
    assert "defect at bad: KeyError in" in caplog.text
    assert "patient" not in caplog.text
