"""Where the work of an experiment is done: in processes of this machine, or on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from gliotype.batch.cluster import CONNECT_S, connected
from gliotype.errors import GliotypeError, UsageError
from gliotype.flag import Flag
from gliotype.train.common.workers import workers
from gliotype.train.data.examples import Pool


def pool_of(jobs: int, scheduler: str | None) -> Pool:
    """Return what lends the workers of an experiment.

    Args:
        jobs: processes of this machine.
        scheduler: address of a Dask scheduler to use instead; all workers must see the cohorts and the folder of the
            experiment under the same paths.

    Raises:
        UsageError: if both are asked for.
    """
    if scheduler is None:
        return lambda: workers(jobs)
    if jobs != 1:
        raise UsageError(
            "--jobs is for this machine: leave it out with --scheduler, whose workers do the work"
        )
    return lambda: dask_executor(scheduler)


@contextmanager
def dask_executor(address: str) -> Iterator[Any]:
    """Lend the workers of a Dask scheduler; what a worker had in hand when it was lost is done again by another.

    Raises:
        UsageError: if the scheduler does not answer, or its workers have several threads.
        GliotypeError: if it ends, or a task has cost several workers.
    """
    with connected(address, CONNECT_S, Flag()) as client:
        from distributed import KilledWorker

        if any(threads > 1 for threads in client.nthreads().values()):
            raise UsageError(
                f"workers of {address} have several threads, in which a training's numbers would vary: start them with "
                "--nthreads 1"
            )
        try:
            yield client.get_executor(pure=False)
        except CancelledError as error:
            raise GliotypeError(
                f"the scheduler at {address} has ended: start it again, and run the experiment again to resume"
            ) from error
        except (KilledWorker, RuntimeError) as error:
            if isinstance(error, KilledWorker) or isinstance(error.__cause__, KilledWorker):
                raise GliotypeError(
                    f"a task has cost several workers, perhaps because memory ran out ({error}): give them more, and "
                    "run the experiment again to resume"
                ) from error
            raise
