"""Simulated patients, made by worker processes while a network learns."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable, Generator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import Empty
from typing import TypeVar

import numpy as np

from gliotype.errors import GliotypeError
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.train.common.workers import end_with_parent
from gliotype.train.data.anatomies import read_anatomies

Case = TypeVar("Case")

Simulate = Callable[[np.random.Generator, tuple[Anatomy, ...]], Case]
"""Simulates one patient in one of some heads; a function of a module, so that worker processes find it."""


def _simulate_forever(
    simulate: Simulate[Case], queue: mp.Queue[Case], folder: Path | None, cache: Path, seed: int
) -> None:
    end_with_parent()
    anatomies = read_anatomies(folder, cache)
    rng = np.random.default_rng(seed)
    while True:
        queue.put(simulate(rng, anatomies))


def stream(
    simulate: Simulate[Case],
    anatomies: Path | None,
    cache: Path,
    *,
    workers: int,
    pool: int,
    uses: int,
    seed: int,
) -> Generator[list[Case]]:
    """Yield a list of simulated patients that workers keep renewing, until the generator is closed.

    Args:
        simulate: makes one.
        anatomies: folder of whole-head label maps; see `read_anatomies`.
        cache: folder in which the aligned label maps are cached.
        workers: processes.
        pool: patients in the list, once it is full.
        uses: how often the list is yielded between two replacements of its oldest patient.
        seed: of the first worker; the others' follow.

    Raises:
        GliotypeError: if a worker has ended.
    """
    context = mp.get_context("spawn")
    queue: mp.Queue[Case] = context.Queue(maxsize=8)
    simulating = [
        context.Process(
            target=_simulate_forever, args=(simulate, queue, anatomies, cache, seed + worker), daemon=True
        )
        for worker in range(workers)
    ]
    for process in simulating:
        process.start()
    try:
        patients = [_next(queue, simulating) for _ in range(min(16, pool))]
        oldest = 0
        while True:
            if len(patients) < pool:
                patients.append(_next(queue, simulating))
            else:
                patients[oldest] = _next(queue, simulating)
                oldest = (oldest + 1) % pool
            for _ in range(uses):
                yield patients
    finally:
        for process in simulating:
            process.terminate()


LOOK_S = 5.0
"""Seconds of waiting after which the workers are checked."""


def _next(queue: mp.Queue[Case], simulating: list[SpawnProcess]) -> Case:
    """Wait for a patient as long as every worker lives."""
    while True:
        try:
            return queue.get(timeout=LOOK_S)
        except Empty:
            ended = [process for process in simulating if not process.is_alive()]
            if ended:
                raise GliotypeError(
                    f"a process that simulates patients has ended (exit code {ended[0].exitcode}), perhaps because "
                    "memory ran out: run again with fewer --workers to resume from the last checkpoint"
                ) from None
