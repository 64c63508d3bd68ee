from __future__ import annotations

import csv
import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gliotype.batch import study
from gliotype.batch.executor import Executor, Outcome
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.pool import Pool
from gliotype.batch.quality import quality_page
from gliotype.batch.record import Record, State, read_record, read_records
from gliotype.batch.run import Tally, default_processes, run_batch
from gliotype.batch.study import run_study
from gliotype.errors import OutputError, UsageError
from gliotype.locks import file_lock
from gliotype.result import Result
from support import batch_child
from support.batch_child import COMMAND, RELEASE

from .conftest import Studies


def predict(jobs: tuple[StudyJob, ...], settings: BatchSettings) -> Tally:
    return run_batch(jobs, settings, Pool(2, COMMAND))


class Here(Executor):
    """Predicts in this process, one study after the other."""

    def run(self, jobs: Sequence[StudyJob], settings: BatchSettings) -> Iterator[Outcome]:
        for job in jobs:
            yield run_study(job, settings)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Stand in for the prediction in this process, as the children of `COMMAND` do in theirs."""
    for name, stand_in in batch_child.STAND_INS.items():
        monkeypatch.setattr(study, name, stand_in)
    return Here()


def test_nothing_of_a_study_is_left_when_the_next_one_is_predicted(
    here: Here, studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cycle:
        itself: Cycle

    left: list[weakref.ref[Cycle]] = []

    def predict(source: Path, **options: Any) -> Result:
        assert [each() for each in left] == [None] * len(left)
        cycle = Cycle()
        cycle.itself = cycle
        left.append(weakref.ref(cycle))
        return batch_child.predict(source, **options)

    monkeypatch.setattr(study, "predict", predict)
    gc.disable()
    try:
        outcomes = list(here.run(studies(a="fine", b="fine", c="fine"), BatchSettings(tmp_path / "out")))
    finally:
        gc.enable()
    assert [record.state for record, _ in outcomes] == [State.DONE] * 3
    assert len(left) == 3


def predicted(tmp_path: Path) -> list[str]:
    file = tmp_path / "predicted.txt"
    return sorted(file.read_text().split()) if file.exists() else []


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_one_study_never_fails_the_others(studies: Studies, tmp_path: Path) -> None:
    jobs = studies(a="fine", b="bad", c="crash", d="bug", f="fine")
    settings = BatchSettings(tmp_path / "out")
    tally = predict(jobs, settings)
    assert (tally.done, tally.failed, tally.kept) == (2, 3, 0)
    errors = {row["subject"]: row["error"] for row in rows(tmp_path / "out/failures.csv")}
    assert "holds nothing" in errors["b"]
    assert str(tmp_path) not in errors["b"]
    assert "ended by SIGKILL" in errors["c"]
    assert "this is a bug in Gliotype (ZeroDivisionError)" in errors["d"]
    assert "Doe" not in errors["d"]
    assert [row["subject"] for row in rows(tmp_path / "out/predictions.csv")] == ["a", "f"]
    assert {row["call"] for row in rows(tmp_path / "out/predictions.csv")} == {"wildtype"}
    assert {row["subject"]: row["state"] for row in rows(tmp_path / "out/studies.csv")}["d"] == "failed"
    assert json.loads((tmp_path / "out/summary.json").read_text())["calls"] == {"wildtype": 2}
    assert "loci.Insula" in rows(tmp_path / "out/measurements.csv")[0]
    assert not list((tmp_path / "out").rglob(".gliotype-*"))

    # Nothing has changed: nothing is predicted again, unless that is asked for.
    before = predicted(tmp_path)
    again = predict(jobs, settings)
    assert (again.done, again.failed, again.kept, predicted(tmp_path)) == (0, 3, 2, before)
    (tmp_path / "studies/b/behaviour").write_text("fine")
    (tmp_path / "studies/a/behaviour").write_text("bad")
    changed = predict(jobs, settings)
    assert changed.done == 1
    assert [row["subject"] for row in rows(tmp_path / "out/predictions.csv")] == ["b", "f"]
    assert not (tmp_path / "out/a").exists()


@pytest.mark.slow
def test_a_study_that_takes_too_long_fails(studies: Studies, tmp_path: Path) -> None:
    tally = predict(studies(e="hang"), BatchSettings(tmp_path / "out", timeout_s=0.2))
    assert (tally.done, tally.failed, tally.kept) == (0, 1, 0)
    assert "longer than 0.2 s" in rows(tmp_path / "out/failures.csv")[0]["error"]
    assert not list((tmp_path / "out").rglob(".gliotype-*"))


def test_a_failure_is_repeated_only_when_asked_for(studies: Studies, here: Here, tmp_path: Path) -> None:
    jobs = studies(a="bad")
    run_batch(jobs, BatchSettings(tmp_path / "out"), here)
    file = next((tmp_path / "out/records").glob("*.json"))
    first = file.stat().st_mtime_ns
    assert run_batch(jobs, BatchSettings(tmp_path / "out"), here).failed == 1
    assert file.stat().st_mtime_ns == first
    assert run_batch(jobs, BatchSettings(tmp_path / "out", retry_failed=True), here).failed == 1
    assert file.stat().st_mtime_ns > first


def test_shards_share_out_the_studies_and_the_last_one_sees_all(
    studies: Studies, here: Here, tmp_path: Path
) -> None:
    jobs = studies(a="fine", b="fine", c="fine")
    settings = BatchSettings(tmp_path / "out")
    assert [run_batch(jobs, settings, here, shard=(part, 2)).studies for part in (1, 2)] == [2, 1]
    assert predicted(tmp_path) == ["a", "b", "c"]
    assert len(rows(tmp_path / "out/predictions.csv")) == 3
    with pytest.raises(UsageError, match="3/2 is not one"):
        run_batch(jobs, settings, here, shard=(3, 2))


@pytest.mark.slow
def test_memory_beyond_the_limit_fails_the_study(studies: Studies, tmp_path: Path) -> None:
    tally = predict(
        studies(a="memory", b="fine"), BatchSettings(tmp_path / "out", memory_bytes=2_000_000_000)
    )
    assert (tally.done, tally.failed) == (1, 1)
    record = read_record(tmp_path / "out", "a")
    assert record is not None
    assert "more memory than 2 GB" in (record.error or "")


def test_two_runs_do_not_write_to_one_folder(studies: Studies, tmp_path: Path) -> None:
    jobs = studies(a="fine")
    (tmp_path / "out").mkdir()
    with (
        file_lock(tmp_path / "out/.batch-1-of-1.lock", wait=False),
        pytest.raises(UsageError, match="another gliotype"),
    ):
        predict(jobs, BatchSettings(tmp_path / "out"))


def test_an_output_that_cannot_be_written_is_refused_at_once(studies: Studies, tmp_path: Path) -> None:
    jobs = studies(a="fine")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        predict(jobs, BatchSettings(tmp_path / "out"))
    assert predicted(tmp_path) == []


BATCH = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal
from pathlib import Path
from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import BatchSettings
from gliotype.batch import study
from gliotype.batch.pool import Pool
from gliotype.cli.batch import run
root = Path(sys.argv[1])
studies, _ = studies_in_folder(root / "studies", but=root / "out", named=True)
run(studies, BatchSettings(root / "out"), Pool(2, sys.argv[2:]))
"""


def start(tmp_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BATCH, str(tmp_path), *COMMAND]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(tmp_path: Path, count: int) -> None:
    end = time.monotonic() + 120
    while len(predicted(tmp_path)) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_nothing_is_lost_or_done_twice_when_the_batch_is_killed(studies: Studies, tmp_path: Path) -> None:
    studies(**{f"s{number}": "wait 0.2" for number in range(8)})
    for count in (1, 4):
        with start(tmp_path) as process:
            wait_for(tmp_path, count)
            os.kill(process.pid, signal.SIGKILL)
    with start(tmp_path) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    records = list(read_records(tmp_path / "out"))
    assert [record.id for record in records] == [f"s{number}" for number in range(8)]
    assert all(record.state is State.DONE for record in records)
    # A study that was running when its batch was killed is predicted once more; no other one is.
    assert len(predicted(tmp_path)) <= 8 + 2 * 2
    assert len(rows(tmp_path / "out/predictions.csv")) == 8


@pytest.mark.slow
def test_the_first_interrupt_finishes_what_is_running(studies: Studies, tmp_path: Path) -> None:
    studies(s0="fine", **{f"s{number}": "hold" for number in range(1, 6)})
    with start(tmp_path) as process:
        wait_for(tmp_path, 1)
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = ""
        while "Ctrl-C once more ends them" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        (tmp_path / "studies" / RELEASE).touch()
        said += process.communicate(timeout=120)[1]
    assert "not begun: run the same command again" in said
    done = len(list(read_records(tmp_path / "out")))
    # The first one, the one that the other process had begun, and perhaps one that began before the interrupt.
    assert 2 <= done == len(predicted(tmp_path)) <= 3


def test_a_record_survives_its_text() -> None:
    record = Record(
        "a", "a", State.DONE, ("/x",), "mutant", 0.9, (0.8, 0.95), measurements={"shape.x": None, "y": 1.5}
    )
    assert Record.from_text(record.text()) == record
    for damaged in ("", "[]", '{"schema": 2}', '{"schema": 1}', "{"):
        with pytest.raises(ValueError, match=r"record|version|Expecting|schema|int"):
            Record.from_text(damaged)


def test_cores_are_shared_out() -> None:
    assert default_processes(3, 2) == (3, 2)
    processes, threads = default_processes(None, None)
    assert processes >= 1
    assert threads >= 1
    assert default_processes(1, None)[0] == 1


def test_the_page_of_outlines_holds_every_study_and_no_markup_of_theirs() -> None:
    page = quality_page(
        (
            Record("a</script><b>", "a", State.DONE, call="no_tumour", warnings=("x < y",)),
            Record("b", "b", State.FAILED, error="it is <broken>"),
            Record("c", "c", State.DONE, call="mutant", probability=0.9, volume_ml=0.4),
            Record("d", "d", State.DONE, call="indeterminate", volume_ml=0.0, reasons=("No brain.",)),
        )
    )
    data = page.partition('id="data">')[2].partition("</script>")[0]
    rows = {row["id"]: row for row in json.loads(data)}
    assert rows["a</script><b>"]["flags"] == ["no tumour was found", "x < y"]
    assert rows["b"]["flags"] == ["it is <broken>"]
    assert rows["b"]["pic"] is None
    assert rows["c"]["flags"] == ["the outline has only 0.4 ml"]
    assert rows["d"]["flags"] == ["no tumour was found", "No brain."]
    assert "<broken>" not in page
