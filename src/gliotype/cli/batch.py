"""``gliotype batch``: many studies, to a folder of results for each and tables over all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from gliotype.cli.hiding import hide_paths_of
from gliotype.cli.options import Model1, MutantAt, Output, Prevalence, Site, WildtypeAt

if TYPE_CHECKING:
    from rich.console import Console

    from gliotype.batch.executor import Executor
    from gliotype.batch.job import BatchSettings, StudyJob
    from gliotype.batch.record import Record
    from gliotype.batch.run import Tally

SOME_FAILED = 6
"""Exit code where some studies failed and all others are done."""

FINISHING = b"\nfinishing the studies that are running; Ctrl-C once more ends them\n"
"""Printed at the first Ctrl-C."""

STDERR = 2
"""File descriptor of stderr."""


class Retry(StrEnum):
    """Values of ``--retry``."""

    FAILED = "failed"


def batch(
    studies: Annotated[
        Path,
        typer.Argument(
            metavar="STUDIES",
            help="Folder that holds a folder or zip per study, a BIDS data set, or a CSV table with one row per study.",
        ),
    ],
    *,
    output: Output,
    sort: Annotated[
        bool,
        typer.Option(
            "--sort", help="Treat STUDIES as unsorted DICOM files, and sort them by patient and study."
        ),
    ] = False,
    use_names: Annotated[
        bool,
        typer.Option(
            "--use-names",
            help="Name each study after its folder or zip instead of a short hash of that name.",
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Studies predicted in parallel; one per core by default.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Threads per study; by default the number of cores divided by --jobs.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Predict only part I of N, for job arrays."),
    ] = None,
    retry: Annotated[
        Retry | None,
        typer.Option(help="Retry studies that failed before, even if nothing has changed."),
    ] = None,
    timeout: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="Time limit for each study.")] = 1800,
    memory: Annotated[float, typer.Option(min=0.5, metavar="GB", help="Memory limit for each study.")] = 8.0,
    prevalence: Prevalence = None,
    mutant_at: MutantAt = 0.8,
    wildtype_at: WildtypeAt = 0.2,
    site: Site = None,
    model1: Model1 = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON on stdout for each study.")
    ] = False,
) -> None:
    """Predict many studies, and skip those already done from the same input."""
    from gliotype.answer.site import read_site
    from gliotype.batch.job import BatchSettings
    from gliotype.batch.run import default_processes
    from gliotype.pipeline import check_options
    from gliotype.predictors import DEFAULT_PREVALENCE
    from gliotype.segment.model1 import use_model1

    hide_paths_of(studies)
    part = (1, 1) if shard is None else shard_numbers(shard)
    thresholds = (wildtype_at, mutant_at)
    check_options(None, None, DEFAULT_PREVALENCE if prevalence is None else prevalence, thresholds)
    if site is not None:
        read_site(site)
    with use_model1(model1):
        pass  # only to say at once that it cannot be used
    processes, each = default_processes(jobs, threads)
    found = find_studies(studies.absolute(), output.absolute(), sort=sort, use_names=use_names)
    settings = BatchSettings(
        output=output.absolute(),
        prevalence=prevalence,
        thresholds=thresholds,
        site=None if site is None else site.absolute(),
        model1=None if model1 is None else model1.absolute(),
        threads=each,
        timeout_s=float(timeout),
        memory_bytes=int(memory * 1e9),
        retry_failed=retry is not None,
    )
    run(found, settings, executor_for(scheduler, processes), part=part, as_json=as_json)


def find_studies(studies: Path, output: Path, *, sort: bool, use_names: bool) -> tuple[StudyJob, ...]:
    """Find the studies of a batch, and say on stderr how they are called and what was left out."""
    from gliotype.batch.bids import is_bids, studies_in_bids
    from gliotype.batch.find import studies_in_folder, studies_in_table
    from gliotype.batch.heap import sort_heap

    console = _console()
    if studies.is_file():
        return studies_in_table(studies)
    if sort:
        found, others = sort_heap(studies, output, console.print)
        console.print(f"{len(found)} studies; {others} files are not DICOM")
        return found
    if is_bids(studies):
        return studies_in_bids(studies)
    found, left_out = studies_in_folder(studies, but=output, named=use_names)
    if left_out:
        console.print(
            f"{len(left_out)} files next to the studies are ignored: only folders and zips are studies"
        )
    if not use_names:
        console.print(
            "studies are called by a hash of their file names, see OUT/studies.csv; --use-names shows the names"
        )
    return found


def executor_for(scheduler: str | None, processes: int) -> Executor:
    """Choose who predicts: processes of this machine, or the workers of a Dask scheduler."""
    if scheduler is None:
        from gliotype.batch.pool import Pool

        return Pool(processes)
    from gliotype.batch.cluster import Cluster
    from gliotype.cli.show import extra

    with extra("batch"):
        import distributed  # noqa: F401
    return Cluster(scheduler)


def shard_numbers(shard: str) -> tuple[int, int]:
    """Read ``I/N``.

    Raises:
        UsageError: if it is something else.

    Example:
        >>> shard_numbers("2/5")
        (2, 5)
    """
    from gliotype.errors import UsageError

    part, slash, parts = shard.partition("/")
    if not (
        slash and part.isdecimal() and parts.isdecimal() and len(shard) < 20 and 1 <= int(part) <= int(parts)
    ):
        raise UsageError(f"--shard is {shard!r}: give the number of a part and of all, such as 2/5")
    return int(part), int(parts)


def run(
    jobs: tuple[StudyJob, ...],
    settings: BatchSettings,
    executor: Executor,
    *,
    part: tuple[int, int] = (1, 1),
    as_json: bool = False,
) -> None:
    """Predict the studies, show how far it is, and end with `SOME_FAILED` if some failed.

    The first Ctrl-C lets those finish that are running; the second ends them.
    """
    from gliotype.batch.run import run_batch

    console = _console()
    with finishing_in_order(executor), show_batch(console) as show:

        def progress(tally: Tally, record: Record, kept: bool) -> None:
            show(tally, record, kept)
            if as_json:
                typer.echo(record.text())

        tally = run_batch(jobs, settings, executor, shard=part, progress=progress)
    left = tally.studies - tally.ended
    console.print(
        f"{tally.done} done, {tally.kept} done before, {tally.failed} failed"
        + (f", {left} not begun: run the same command again" if left else "")
        + f"; see {settings.output / 'index.html'}"
    )
    if tally.failed:
        console.print(f"why studies failed: {settings.output / 'failures.csv'}")
    if tally.failed or left:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def finishing_in_order(executor: Executor) -> Iterator[None]:
    """At the first Ctrl-C begin no further study, at the second end at once."""
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(True)
            executor.finish()
            # Printing through rich is not safe here: the signal may have interrupted a print or an import.
            os.write(STDERR, FINISHING)
            return
        executor.stop()
        if callable(before):
            before(number, frame)

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def show_batch(console: Console) -> Iterator[Callable[[Tally, Record, bool], None]]:
    """Lend a function that shows how far a batch is: a bar on a terminal, else a line for each study."""
    from gliotype.batch.record import State

    if not console.is_terminal:
        began = time.monotonic()

        def line(tally: Tally, record: Record, kept: bool) -> None:
            what = record.call if record.state is State.DONE else f"failed: {record.error}"
            how = "done before" if kept else f"{record.seconds.get('total', 0.0):.1f} s"
            left = remaining_s(tally, time.monotonic() - began)
            console.print(f"{tally.ended}/{tally.studies} {record.id} {what} ({how}; {left:.0f} s left)")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed, {task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, failed=0, rate="")
        began = time.monotonic()

        def advance(tally: Tally, record: Record, kept: bool) -> None:
            per_hour = 3600 * (tally.ended - tally.kept) / max(time.monotonic() - began, 1e-3)
            bar.update(
                task,
                total=tally.studies,
                completed=tally.ended,
                failed=tally.failed,
                rate=f"{per_hour:.0f} an hour",
            )
            if record.state is State.FAILED:
                bar.console.print(f"{record.id} failed: {record.error}")

        yield advance


def remaining_s(tally: Tally, seconds: float) -> float:
    """Estimate the time left from the studies predicted so far."""
    predicted = tally.ended - tally.kept
    return (tally.studies - tally.ended) * seconds / predicted if predicted else 0.0


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
