"""The whole of a batch: who predicts, what is counted meanwhile, and the tables at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gliotype.atomic_files import check_writable, output_errors
from gliotype.batch.executor import Executor
from gliotype.batch.group import write_group
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.memory import available_bytes
from gliotype.batch.record import RECORDS, Record, State
from gliotype.errors import UsageError
from gliotype.locks import file_lock
from gliotype.runtime import available_threads

BYTES_PER_STUDY = 2_000_000_000
"""Memory set aside for each study that is predicted at the same time."""


@dataclass
class Tally:
    """How far a batch is.

    Attributes:
        studies: number of all.
        done: predicted now.
        kept: predicted by an earlier run, from the same input with the same settings.
        failed: now or, with the same input and settings, in an earlier run.
    """

    studies: int
    done: int = 0
    kept: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Number of studies whose end is known."""
        return self.done + self.kept + self.failed

    def count(self, record: Record, *, kept: bool) -> None:
        """Count one more."""
        if record.state is State.FAILED:
            self.failed += 1
        elif kept:
            self.kept += 1
        else:
            self.done += 1


def run_batch(
    jobs: Sequence[StudyJob],
    settings: BatchSettings,
    executor: Executor,
    *,
    shard: tuple[int, int] = (1, 1),
    progress: Callable[[Tally, Record, bool], None] = lambda tally, record, kept: None,
) -> Tally:
    """Predict many studies into OUT and write its tables.

    Each study has a folder, written whole or not at all, and a record, written last. A study whose record names the
    same input, settings and weights is not predicted again.

    Args:
        jobs: all studies of the batch, whatever the shard.
        settings: of the batch.
        executor: predicts them.
        shard: which part of how many is predicted here: (2, 5) is every fifth study from the second on.
        progress: called after each study.

    Returns:
        How the studies of this shard ended.

    Raises:
        UsageError: if another run writes this shard to OUT, or the shard is not one.
        OutputError: if something cannot be written to OUT.
    """
    part, parts = shard
    if not 1 <= part <= parts:
        raise UsageError(f"the shard {part}/{parts} is not one: give 1/{parts} to {parts}/{parts}")
    own = jobs[part - 1 :: parts]
    tally = Tally(len(own))
    check_writable(settings.output / RECORDS)
    output = settings.output
    with output_errors(output):
        (output / RECORDS).mkdir(parents=True, exist_ok=True)
        with file_lock(output / f".batch-{part}-of-{parts}.lock", wait=False) as alone:
            if not alone:
                raise UsageError(
                    "another gliotype batch is writing to OUT: wait for it, stop it, or choose another folder"
                )
            try:
                for record, kept in executor.run(own, settings):
                    tally.count(record, kept=kept)
                    progress(tally, record, kept)
            finally:
                # One at a time, so that the last of several shards has seen every record.
                with file_lock(output / ".tables.lock", wait=True):
                    write_group(output)
    return tally


def default_processes(jobs: int | None, threads: int | None) -> tuple[int, int]:
    """Choose what is not given: how many studies are predicted at the same time, and on how many threads each.

    Args:
        jobs: number of studies, if given; else one for each core, as far as the memory lasts.
        threads: of each study, if given; else the cores shared out.
    """
    cores, free = available_threads(), available_bytes()
    fitting = cores if free is None else max(1, free // BYTES_PER_STUDY)
    processes = jobs or max(1, min(cores // (threads or 1), fitting))
    return processes, threads or max(1, cores // processes)
