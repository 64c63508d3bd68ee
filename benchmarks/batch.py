"""What a batch adds to its studies, what survives kills, and whether numbers depend on who predicts.

    python benchmarks/batch.py overhead [--studies N]
    python benchmarks/batch.py kills [--kills N] [--seed N]
    python benchmarks/batch.py poison [--studies N]
    python benchmarks/batch.py same STUDY [STUDY ...] [--threads N]
    python benchmarks/batch.py throughput [--studies N] [--distinct N] [--alone N] [--folder DIR]
    python benchmarks/batch.py networks

``overhead`` and ``kills`` run batches whose prediction is a stand-in that takes no time or a second, so that they
measure the batch alone; 5 % of the studies are poison (they crash, are damaged, or meet a bug). ``kills`` runs a
batch on a Dask cluster, kills its parts at random times with either signal, and starts again what ended.
``poison`` runs a batch of stand-ins of which every twentieth is a damaged study of ``make fuzz`` that readers refuse,
given to the prediction itself.
``same`` predicts real studies by `gliotype predict`, by a batch with one and two processes, and on a Dask cluster,
and compares every number, outline and map bit for bit.
``throughput`` predicts N simulated raw studies with one and with two processes of one thread each: studies for each
hour of a core, efficiency (the second rate over the first), seconds of a study and what the batch adds to it (the
start of a process included), its processor time, and the peak memory of a process in the first and the last quarter
of the studies. With
--folder an interrupted run is resumed. Of the N studies only --distinct are simulated, if that is given, and used
again under other names; one process predicts the first --alone of them.
``networks`` times Model 1 on one and on two patients in one call, on one thread.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.memory import available_bytes
from gliotype.batch.pool import Pool
from gliotype.batch.record import Record, State, read_records
from gliotype.batch.run import Tally, run_batch
from gliotype.study import STRUCTURAL
from support.batch_child import COMMAND
from support.batch_client import FILE as CLIENT
from support.dask_parts import DaskParts, descendants
from support.same_ways import predict_in_every_way

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


CORPUS = ("NIfTI", "DICOM classic", "DICOM enhanced")
"""Sets of ``make fuzz`` whose inputs are folders of a study, which readers may refuse."""


def poison(count: int) -> None:
    """Predict stand-ins and damaged studies, and print how they ended, each kind of damage with its sentences."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        jobs = make_studies(root, count, "fine")
        damaged = {job.id: CORPUS[n // 20 % len(CORPUS)] for n, job in enumerate(jobs) if n % 20 == 7}
        seeds = {name: refused(name) for name in CORPUS}
        for study, name in damaged.items():
            shutil.rmtree(root / "studies" / study)
            (root / "studies" / study).mkdir()
            for relative, content in next(seeds[name]).items():
                (root / "studies" / study / relative).write_bytes(content)
        started = time.perf_counter()
        run_batch(jobs, BatchSettings(root / "out"), Pool(2, COMMAND))
        seconds = time.perf_counter() - started
        records = {record.id: record for record in read_records(root / "out")}
        good = [records[job.id].state for job in jobs if job.id in records and job.id not in damaged]
        print(f"{count} studies, {len(damaged)} damaged; {1000 * seconds / count:.0f} ms a study")
        print(f"good: {good.count(State.DONE)} done, {good.count(State.FAILED)} failed")
        print(f"{'damaged':16}{'studies':>9}{'failed':>9}{'sentences':>11}{'bugs':>9}")
        for name in CORPUS:
            own = [records[study] for study in damaged if damaged[study] == name and study in records]
            errors = [record.error or "" for record in own if record.state is State.FAILED]
            bugs = sum("bug in Gliotype" in error for error in errors)
            print(f"{name:16}{len(own):9d}{len(errors):9d}{len(set(errors)):11d}{bugs:9d}")
        for study in damaged:
            print(f"  {records[study].error}")


def refused(name: str) -> Iterator[Mapping[str, bytes]]:
    """Yield the files of those inputs of a set that readers refuse."""
    from fuzz.child import outcome
    from fuzz.inputs import SETS

    for seed in itertools.count():
        if outcome(name, seed)["outcome"] == "refused":
            yield SETS[name].make(random.Random(f"{name} {seed}"))


ROLES = ("client", "scheduler", "nanny", "worker", "study")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
ENDED = (0, 6)
"""Exit codes of a batch that has come to its end."""


class Cluster:
    """A scheduler, two workers with their nannies and the client of a batch, started again whenever one ends."""

    def __init__(self, parts: DaskParts, root: Path) -> None:
        self._parts, self._root = parts, root
        self.address, self._scheduler = parts.scheduler("127.0.0.1", 0)
        self._nannies = [parts.worker(self.address) for _ in range(2)]
        self._client = self._batch()

    def _batch(self) -> subprocess.Popen[bytes]:
        return self._parts.start(CLIENT, str(self._root), "scheduler", self.address)

    def ended(self) -> bool:
        """Start again what has ended; say whether the batch has come to its end."""
        if self._scheduler.poll() is not None:
            port = int(self.address.rpartition(":")[2])
            _, self._scheduler = self._parts.scheduler("127.0.0.1", port)
        self._nannies = [
            nanny if nanny.poll() is None else self._parts.worker(self.address) for nanny in self._nannies
        ]
        if self._client.poll() is not None:
            if self._client.returncode in ENDED:
                return True
            self._client = self._batch()
        return False

    def processes(self, role: str) -> list[int]:
        """Find the processes of a role; those of workers and studies may just be starting."""
        if role in ("client", "scheduler"):
            return [self._client.pid if role == "client" else self._scheduler.pid]
        if role == "nanny":
            return [nanny.pid for nanny in self._nannies]
        mark = "spawn_main" if role == "worker" else COMMAND[-1]
        return [pid for n in self._nannies for pid, args in descendants(n.pid).items() if mark in args]


def kills(count: int, seed: int) -> None:
    """Kill the parts of a Dask cluster at random times, until a batch is done on it."""
    rng = random.Random(seed)
    plan = [(role, number) for role in ROLES for number in SIGNALS] * -(-count // 10)
    rng.shuffle(plan)
    killed: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder, DaskParts(Path(folder)) as parts:
        root = Path(folder)
        studies = make_studies(root, 8 * count, "wait 1")
        cluster = Cluster(parts, root)
        due = kill_times(rng)
        next_kill = next(due)
        while not cluster.ended():
            time.sleep(0.1)
            if time.monotonic() < next_kill or killed.total() == count:
                continue
            role, number = plan[killed.total()]
            if found := cluster.processes(role):
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(found), number)
                    killed[role, number.name] += 1
                    next_kill = next(due)
        print_kills(killed)
        print_outcome(root, studies)


def kill_times(rng: random.Random) -> Iterator[float]:
    """Yield the time of each kill, 2 to 8 s after the one before."""
    while True:
        yield time.monotonic() + rng.uniform(2, 8)


def print_kills(killed: Counter[tuple[str, str]]) -> None:
    """Print how often which role got which signal."""
    print("killed     " + "".join(f"{number.name:>9}" for number in SIGNALS))
    for role in ROLES:
        print(f"{role:11}" + "".join(f"{killed[role, number.name]:9d}" for number in SIGNALS))


def print_outcome(root: Path, studies: tuple[StudyJob, ...]) -> None:
    """Print what is lost, half-written or in the table twice, and how often work was done again."""
    records = {record.id: record for record in read_records(root / "out")}
    poison = {job.id for n, job in enumerate(studies) if n % 20 == 7}
    done = {name for name, record in records.items() if record.state is State.DONE}
    with (root / "out/predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = Counter(row["subject"] for row in csv.DictReader(stream))
    whole = [
        name
        for name in done
        if (root / "out" / name / "prediction.json").read_text(encoding="utf-8") == name
        and (root / "out" / name / "thumbnail.jpg").read_bytes() == b"picture"
    ]
    runs = Counter((root / "predicted.txt").read_text(encoding="utf-8").split())
    print(f"studies {len(studies)}, of which poison {len(poison)}; records {len(records)}")
    wrongly = sorted(set(records) - done - poison)
    print(f"lost: {len(studies) - len(records)}; wrongly failed: {len(wrongly)}")
    for name in wrongly:
        print(f"  {name}: {records[name].error}")
    print(f"rows in predictions.csv: {rows.total()}, twice: {sum(n > 1 for n in rows.values())}")
    print(
        f"half-written: {len(done) - len(whole)}; aside folders left: {len(list((root / 'out').rglob('.gliotype-*')))}"
    )
    print(f"predicted again, as no record was written yet: {runs.total() - len(runs)}")


def same(sources: list[Path], threads: int) -> None:
    """Predict studies in four ways, on as many threads each, and compare all that is written."""
    with tempfile.TemporaryDirectory() as folder, DaskParts(Path(folder)) as parts:
        for way in predict_in_every_way(sources, Path(folder), parts, threads):
            busy = statistics.median(record.seconds["total"] for record in way.records)
            files = sorted({file for files in way.differing.values() for file in files})
            print(
                f"{way.name:9}: {len(way.records)} studies, {way.seconds:.0f} s, a study {busy:.1f} s; "
                f"files that differ: {files or 'none'}"
            )
        print(f"compared: {sorted(file.name for file in (Path(folder) / 'predict/s0').iterdir())}")


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def raw_study(folder: Path, number: int, distinct: int) -> str:
    """Make a raw study in a folder unless it is there, and return its name; after the distinct ones, make links."""
    from gliotype.simulate import demo_study

    seed, again = 1 + number % distinct, number // distinct
    name = f"s{seed:05d}" + (f"-{again}" if again else "")
    study = folder / "studies" / name
    if not study.exists():
        aside = folder / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        if again:
            shutil.copytree(folder / "studies" / f"s{seed:05d}", aside, copy_function=os.link)
        else:
            demo_study(aside, seed, sequences=STRUCTURAL)
        study.parent.mkdir(exist_ok=True, parents=True)
        aside.rename(study)
    return name


def throughput(count: int, folder: Path, distinct: int | None, alone: int | None) -> None:
    """Predict simulated raw studies by one and by two processes of one thread each, and print what a core does.

    What is simulated and predicted stays in the folder, so that an interrupted run is resumed.

    Args:
        count: studies for two processes.
        folder: of studies and results.
        distinct: how many of them are simulated; the others are these again, under names of their own. None for all.
        alone: studies for one process; None for as many.
    """
    distinct = min(distinct or count, count)
    names = [raw_study(folder, n, distinct) for n in range(count)]
    jobs = studies_in_folder(folder / "studies", but=folder / "out", named=True)[0]
    jobs = tuple(job for name in names for job in jobs if job.id == name)
    print(f"{distinct} simulated raw studies of four series; load average {os.getloadavg()[0]:.1f}")
    print(
        f"{'processes':>9}{'done':>6}{'a core-hour':>13}{'efficiency':>12}{'s a study':>11}"
        f"{'overhead s':>12}{'processor s':>13}{'GB first':>10}{'GB last':>9}"
    )
    single = 0.0
    for processes, some in ((1, jobs[:alone]), (2, jobs)):
        out, clock = folder / f"out-{processes}", folder / f"seconds-{processes}.txt"
        started = time.perf_counter()

        def write_down(tally: Tally, record: Record, kept: bool, clock: Path = clock) -> None:
            nonlocal started
            if not kept:
                now = time.perf_counter()
                with clock.open("a", encoding="utf-8") as stream:
                    stream.write(f"{now - started} {record.peak_bytes or 0}\n")
                started = now

        before = processor_seconds()
        tally = run_batch(some, BatchSettings(out, threads=1), Pool(processes), progress=write_down)
        with (folder / f"processor-{processes}.txt").open("a+", encoding="utf-8") as stream:
            stream.write(f"{processor_seconds() - before}\n")
            stream.seek(0)
            processor = sum(map(float, stream))
        rows = [line.split() for line in clock.read_text(encoding="utf-8").split("\n") if line]
        wall, peaks = sum(float(row[0]) for row in rows), [int(row[1]) / 1e9 for row in rows]
        busy = [record.seconds["total"] for record in read_records(out) if record.state is State.DONE]
        rate = 3600 * len(rows) / (wall * processes)
        single = single or rate
        quarter = max(1, len(peaks) // 4)
        print(
            f"{processes:9d}{tally.done + tally.kept:6d}{rate:13.0f}{rate / single:12.2f}"
            f"{statistics.median(busy):11.1f}{(wall * processes - sum(busy)) / len(rows):12.2f}"
            f"{processor / len(rows):13.2f}"
            f"{statistics.median(peaks[:quarter]):10.2f}{statistics.median(peaks[-quarter:]):9.2f}"
        )


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
    parser.add_argument("what", choices=("overhead", "kills", "poison", "same", "throughput", "networks"))
    parser.add_argument("study", nargs="*", type=Path)
    parser.add_argument("--studies", type=int, help="default: 1000, and 200 for throughput")
    parser.add_argument("--distinct", type=int)
    parser.add_argument("--alone", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    match arguments.what:
        case "overhead":
            overhead(arguments.studies or 1000)
        case "kills":
            kills(arguments.kills, arguments.seed)
        case "poison":
            poison(arguments.studies or 1000)
        case "throughput" if arguments.folder is not None:
            throughput(arguments.studies or 200, arguments.folder, arguments.distinct, arguments.alone)
        case "throughput":
            with tempfile.TemporaryDirectory() as folder:
                throughput(arguments.studies or 200, Path(folder), arguments.distinct, arguments.alone)
        case "networks":
            networks()
        case _:
            same(arguments.study, arguments.threads)


if __name__ == "__main__":
    main()
