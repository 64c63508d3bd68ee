"""What a batch adds to its studies, what survives kills, and whether numbers depend on who predicts.

    python benchmarks/batch.py overhead [--studies N]
    python benchmarks/batch.py kills [--kills N]
    python benchmarks/batch.py same STUDY [STUDY ...]
    python benchmarks/batch.py networks

``overhead`` and ``kills`` run batches whose prediction is a stand-in that takes no time or a second, so that they
measure the batch alone; 5 % of the studies are poison (they crash, are damaged, or meet a bug). ``kills`` ends the
batch, one of its children, or its whole group at random moments and starts it again. ``same`` predicts real studies
by `gliotype predict`, by a batch with one and two processes, and on a Dask cluster, and compares every number.
``networks`` times Model 1 on one and on two patients in one call, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from gliotype.batch.executor import Executor
from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.memory import available_bytes
from gliotype.batch.pool import Pool
from gliotype.batch.record import State, read_records
from gliotype.batch.run import run_batch
from support.batch_child import COMMAND

POISON = ("bad", "bug", "crash")


def make_studies(root: Path, count: int, behaviour: str) -> tuple[StudyJob, ...]:
    """Make stand-in studies, every twentieth of which is poison."""
    for number in range(count):
        folder = root / "studies" / f"s{number:05d}"
        folder.mkdir(parents=True)
        poison = POISON[number // 20 % len(POISON)] if number % 20 == 7 else behaviour
        (folder / "behaviour").write_text(poison, encoding="utf-8")
    return studies_in_folder(root / "studies", but=root / "out", named=True)[0]


def overhead(count: int) -> None:
    """Time batches of studies that take no time."""
    print(f"{count} stand-in studies, every twentieth is poison")
    for processes in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            jobs, settings = make_studies(root, count, "fine"), BatchSettings(root / "out")
            before = available_bytes() or 0
            started = time.perf_counter()
            tally = run_batch(jobs, settings, Pool(processes, COMMAND))
            seconds = time.perf_counter() - started
            started = time.perf_counter()
            again = run_batch(jobs, settings, Pool(processes, COMMAND))
            resumed = time.perf_counter() - started
            page = (root / "out/index.html").stat().st_size
            print(
                f"{processes} process(es): {tally.done} done, {tally.failed} failed, "
                f"{1000 * seconds / count:.0f} ms a study; "
                f"again: {again.kept} kept, {1000 * resumed / count:.0f} ms a study; index.html {page / 1e6:.2f} MB; "
                f"memory taken {(before - (available_bytes() or 0)) / 1e6:.0f} MB"
            )


BATCH = """
import sys
from pathlib import Path
from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import BatchSettings
from gliotype.batch.pool import Pool
from gliotype.cli.batch import run
root = Path(sys.argv[1])
studies, _ = studies_in_folder(root / "studies", but=root / "out", named=True)
run(studies, BatchSettings(root / "out"), Pool(2, sys.argv[2:]))
"""


def kills(count: int) -> None:
    """Kill a batch again and again, at random moments, until all its studies are done."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        studies = make_studies(root, 4 * count, "wait 0.5")
        killed: Counter[str] = Counter()
        while True:
            command = [sys.executable, "-c", BATCH, str(root), *COMMAND]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as batch:
                if sum(killed.values()) < count:
                    time.sleep(rng.uniform(2, 9))
                    killed[kill_one(batch, rng)] += 1
                batch.wait()
            if batch.returncode in (0, 6):
                break
        records = list(read_records(root / "out"))
        runs = Counter((root / "predicted.txt").read_text(encoding="utf-8").split())
        left = list((root / "out").rglob(".gliotype-*"))
        poison = sum(number % 20 == 7 for number in range(4 * count))
        print(f"{sum(killed.values())} kills: {dict(killed)}")
        print(f"{len(studies)} studies, {len(records)} records of {len({r.id for r in records})} studies")
        print(f"failed: {sum(r.state is State.FAILED for r in records)}, poison: {poison}")
        print(
            f"predicted more than once (their record was not written yet): {sum(n > 1 for n in runs.values())}"
        )
        print(f"half-written folders left: {len(left)}")


def kill_one(batch: subprocess.Popen[bytes], rng: random.Random) -> str:
    """Kill the batch or one of its children; say which and how."""
    found = subprocess.run(["pgrep", "-P", str(batch.pid)], capture_output=True, text=True, check=False)
    children = [int(pid) for pid in found.stdout.split()]
    number = rng.choice((signal.SIGKILL, signal.SIGTERM))
    if children and rng.random() < 0.4:
        os.kill(rng.choice(children), number)
        return f"child {number.name}"
    os.kill(batch.pid, number)
    return f"batch {number.name}"


@contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """Start a scheduler and two workers as processes; lend the scheduler's address."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    processes = [subprocess.Popen([*dask, "distributed.cli.dask_scheduler", *options], **quiet)]  # type: ignore[call-overload]
    while not file.exists() or not file.stat().st_size:
        time.sleep(0.1)
    address: str = json.loads(file.read_text())["address"]
    worker = [*dask, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]  # type: ignore[call-overload]
    try:
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def same(sources: list[Path]) -> None:
    """Predict studies in four ways, on one thread each, and compare every number."""
    from gliotype.batch.cluster import Cluster

    with tempfile.TemporaryDirectory() as folder, dask_cluster(Path(folder)) as address:
        root = Path(folder)
        jobs = tuple(StudyJob(f"s{n}", f"s{n}", source.absolute()) for n, source in enumerate(sources))
        for job in jobs:
            command = [
                sys.executable,
                "-m",
                "gliotype",
                "predict",
                str(job.source),
                "--id",
                job.id,
                "--threads",
                "1",
            ]
            subprocess.run([*command, "-o", str(root / "predict" / job.id)], check=True, capture_output=True)
        ways: dict[str, Executor] = {"batch, 1": Pool(1), "batch, 2": Pool(2), "Dask": Cluster(address)}
        for name, executor in ways.items():
            started = time.perf_counter()
            run_batch(jobs, BatchSettings(root / name, threads=1), executor)
            seconds = time.perf_counter() - started
            busy = [record.seconds["total"] for record in read_records(root / name)]
            differing = [
                job.id for job in jobs if numbers(root / name / job.id) != numbers(root / "predict" / job.id)
            ]
            print(
                f"{name:9}: {len(jobs)} studies, {seconds:.0f} s, a study {statistics.median(busy):.1f} s; "
                f"prediction.json differs in {len(differing)}"
            )


def numbers(folder: Path) -> dict[str, object]:
    """Everything in ``prediction.json`` but the seconds."""
    document: dict[str, object] = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    document.pop("seconds")
    return document


def networks(runs: int = 5) -> None:
    """Time one and two patients in one call of Model 1."""
    import numpy as np

    from gliotype.runtime import load_network, use_threads
    from gliotype.segment.model1 import CHANNELS, GRID

    batch = np.random.default_rng(0).random((2, 2 * len(CHANNELS), *GRID.shape), np.float32)
    with use_threads(1):
        network = load_network("model1.onnx")
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(runs):
            for count, seconds in times.items():
                started = time.perf_counter()
                network(batch[:count])
                seconds.append((time.perf_counter() - started) / count)
    one, two = (min(seconds) for seconds in times.values())
    print(
        f"Model 1, one thread: {one:.2f} s a patient alone, {two:.2f} s a patient of two; ratio {two / one:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("overhead", "kills", "same", "networks"))
    parser.add_argument("study", nargs="*", type=Path)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    arguments = parser.parse_args()
    match arguments.what:
        case "overhead":
            overhead(arguments.studies)
        case "kills":
            kills(arguments.kills)
        case "networks":
            networks()
        case _:
            same(arguments.study)


if __name__ == "__main__":
    main()
