"""The same studies predicted in four ways: by the command, by a batch in one and in two processes, and on Dask."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gliotype.batch.executor import Executor
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.pool import Pool
from gliotype.batch.record import Record, read_records
from gliotype.batch.run import run_batch
from support.dask_parts import DaskParts
from support.same_results import differing


@dataclass(frozen=True)
class Way:
    """One way to predict, compared with the command.

    Attributes:
        name: of the way.
        seconds: that it took, by the clock.
        records: of its studies.
        differing: by study, the names of files that are not those of the command.
    """

    name: str
    seconds: float
    records: tuple[Record, ...]
    differing: dict[str, list[str]]


def predict_in_every_way(
    sources: Sequence[Path], root: Path, parts: DaskParts, threads: int
) -> Iterator[Way]:
    """Predict studies by `gliotype predict`, then in each other way, and yield how that compares.

    Args:
        sources: folders of the studies.
        root: folder for the results; those of the command are in its folder ``predict``.
        parts: starts a Dask scheduler with two workers.
        threads: on which each study is predicted.
    """
    from gliotype.batch.cluster import Cluster

    jobs = tuple(StudyJob(f"s{n}", f"s{n}", source.absolute()) for n, source in enumerate(sources))
    for job in jobs:
        command = [sys.executable, "-m", "gliotype", "predict", str(job.source), "--id", job.id]
        command += ["--threads", str(threads), "-o", str(root / "predict" / job.id)]
        subprocess.run(command, check=True, capture_output=True)
    address, _ = parts.scheduler("127.0.0.1", 0)
    for _ in range(2):
        parts.worker(address)
    ways: dict[str, Executor] = {"batch, 1": Pool(1), "batch, 2": Pool(2), "Dask": Cluster(address)}
    for name, executor in ways.items():
        started = time.perf_counter()
        run_batch(jobs, BatchSettings(root / name, threads=threads), executor)
        yield Way(
            name,
            time.perf_counter() - started,
            tuple(read_records(root / name)),
            {job.id: differing(root / name / job.id, root / "predict" / job.id) for job in jobs},
        )
