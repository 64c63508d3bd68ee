"""What predicts the studies of a batch, and how it is stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.record import Record
from gliotype.flag import Flag

Outcome = tuple[Record, bool]
"""A record, and whether it is that of an earlier run."""


class Executor(ABC):
    """Predicts studies somewhere: `gliotype.batch.pool.Pool` here, `gliotype.batch.cluster.Cluster` elsewhere.

    Handlers of signals may call `finish` and `stop`.
    """

    def __init__(self) -> None:
        """Make one that is not stopped."""
        self._finish, self._stop = Flag(), Flag()

    @abstractmethod
    def run(self, jobs: Sequence[StudyJob], settings: BatchSettings) -> Iterator[Outcome]:
        """Yield the outcome of each study as it ends, in whatever order."""

    def finish(self) -> None:
        """Begin no further study."""
        self._finish.set()

    def stop(self) -> None:
        """End at once what is running."""
        self._finish.set()
        self._stop.set()
