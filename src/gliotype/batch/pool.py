"""Predict the studies of a batch on this machine: a few processes, each watched by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from gliotype.batch.executor import Executor, Outcome
from gliotype.batch.faults import MACHINE_FAULTS
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import CHILD, Stopped, StudyProcess
from gliotype.errors import GliotypeError


class Pool(Executor):
    """Predicts studies in processes of this machine."""

    def __init__(self, processes: int, child: Sequence[str] = CHILD) -> None:
        """Say how many studies are predicted at the same time, and by which command."""
        super().__init__()
        self._processes, self._child = processes, child

    def run(self, jobs: Sequence[StudyJob], settings: BatchSettings) -> Iterator[Outcome]:
        """Yield the outcome of each study as it ends, in whatever order.

        Args:
            jobs: the studies.
            settings: of the batch.

        Raises:
            OutputError: if a record cannot be written; what runs is then ended.
            WeightsError: if weights are missing or corrupt.
        """
        waiting: queue.SimpleQueue[StudyJob] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        outcomes: queue.SimpleQueue[Outcome | GliotypeError | None] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._work, args=(waiting, settings, outcomes), daemon=True)
            for _ in range(min(self._processes, len(jobs)))
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                outcome = outcomes.get()
                if outcome is None:
                    working -= 1
                elif isinstance(outcome, GliotypeError):
                    raise outcome
                else:
                    yield outcome
        finally:
            self.stop()
            for thread in threads:
                thread.join()

    def _work(
        self,
        waiting: queue.SimpleQueue[StudyJob],
        settings: BatchSettings,
        outcomes: queue.SimpleQueue[Outcome | GliotypeError | None],
    ) -> None:
        try:
            with StudyProcess(settings, self._stop, self._child) as process:
                while not self._finish.is_set():
                    outcomes.put(process.run(waiting.get_nowait()))
        except (queue.Empty, Stopped):
            pass
        except MACHINE_FAULTS as error:
            outcomes.put(error)
        finally:
            outcomes.put(None)
