"""Let the queue run `gliotype` for the cases of the page, one after the other, each as a process of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gliotype.errors import UsageError
from gliotype.serve.jobs import Job, JobProcess, JobStore, Limits, Outcome, State, Worker, end_orphan
from gliotype.serve.jobs.process import STDERR
from gliotype.serve.web.cases import Case, CaseFolder, Settings

STAGES = ("read", "prepare", "segment", "measure", "predict", "answer", "report")
"""As the command prints them on stderr, one a line, when each begins."""

_STEP = "run"
COMMAND = (sys.executable, "-m", "gliotype")


@dataclass(frozen=True)
class Progress:
    """How far the job of a case is.

    Attributes:
        state: of the job; None where there is none.
        stage: one of `STAGES` that has begun, while it is running.
        ahead: jobs that come first, while it is waiting.
        seconds: since it began to wait or to run.
        reason: why it failed, or why it has no DICOM results.
        revises: whether it answers again from the cached study.
    """

    state: str | None = None
    stage: str | None = None
    ahead: int = 0
    seconds: float = 0.0
    reason: str | None = None
    revises: bool = False


class Runs:
    """The queue of one page."""

    def __init__(
        self, cases: CaseFolder, command: Sequence[str] = COMMAND, limits: Limits | None = None
    ) -> None:
        """Open the queue; jobs of a server that was killed are ended, and wait again.

        Args:
            cases: whose jobs they are.
            command: runs Gliotype.
            limits: of one job; None for the usual ones.
        """
        self._cases, self._command, self._limits = cases, tuple(command), limits or Limits()
        self._store = JobStore(cases.private / "jobs.sqlite")
        self._guard = threading.Lock()
        self._process: tuple[str, JobProcess] | None = None
        self._cancelled: set[str] = set()
        self._stopping = False
        for job in self._store.jobs():
            if job.state is State.RUNNING:
                end_orphan(self._cases.private / job.id / "job")
        self._store.recover()
        self._worker = Worker(self._store, _STEP, self._handle)

    def start(self) -> None:
        """Begin to work."""
        self._worker.start()

    def stop(self) -> None:
        """End the running job, which waits for the next start, and close the queue."""
        self._worker.stop()
        with self._guard:
            self._stopping = True
            if self._process is not None:
                self._process[1].stop()
        if self._worker.is_alive():
            self._worker.join()
        self._store.close()

    def predict(self, case: Case, settings: Settings) -> None:
        """Queue a prediction from the uploaded files.

        Raises:
            InputError: if none were uploaded.
            UsageError: if the case has a job already.
        """
        arguments = ("predict", str(case.source()), "-o", str(case.results), f"--id={case.id}")
        cache = (f"--keep={case.cache}",)
        predict = (*arguments, *cache, *settings.arguments, *settings.image_arguments)
        self._add(case, settings, [predict])

    def revise(self, case: Case, settings: Settings, *, mask: bool) -> None:
        """Queue another answer from the cached study.

        Args:
            case: that was predicted before.
            settings: for the new answer.
            mask: use the corrected outline, the new one if there is one.

        Raises:
            UsageError: if the case has no cached study, or it has a job already.
        """
        if not (case.cache / "values.json").is_file():
            raise UsageError(
                "the prepared images of this case were not cached: upload it here to change its answer"
            )
        arguments = (
            "revise",
            str(case.cache),
            "-o",
            str(case.results),
            f"--id={case.id}",
            *settings.arguments,
        )
        if mask:
            arguments += (f"--mask={case.new_mask if case.new_mask.exists() else case.mask}",)
        commands = [arguments]
        if any(name.startswith("dicom/") for name in case.downloads()):
            commands.append(("dicom", str(case.results), "--reference", str(case.source())))
        self._add(case, settings, commands, mask=mask)

    def cancel(self, case: Case) -> None:
        """Cancel the job of a case, if there is one that has not ended."""
        if self._store.cancel(case.id):
            return
        with self._guard:
            self._cancelled.add(case.id)
            if self._process is not None and self._process[0] == case.id:
                self._process[1].stop()

    def forget(self, case: Case) -> None:
        """Forget the job of a case.

        Raises:
            UsageError: if it is running.
        """
        self._store.delete(case.id)
        if self._store.get(case.id) is not None:
            raise UsageError("the case is being computed: cancel that first")

    def progress(self, case: Case) -> Progress:
        """Tell how far the job of a case is."""
        job = self._store.get(case.id)
        if job is None:
            return Progress()
        waiting = [each for each in self._store.jobs() if each.state in (State.WAITING, State.RUNNING)]
        ahead = sum(each.created < job.created for each in waiting) if job.state is State.WAITING else 0
        return Progress(
            state=job.state,
            stage=_stage(case) if job.state is State.RUNNING else None,
            ahead=ahead,
            seconds=max(0.0, time.time() - job.changed),
            reason=job.reason if job.state in (State.FAILED, State.DONE) else None,
            revises=job.data["commands"][0][0] == "revise",
        )

    def is_busy(self, case: Case) -> bool:
        """Tell whether the case has a job that has not ended."""
        job = self._store.get(case.id)
        return job is not None and job.state in (State.WAITING, State.RUNNING)

    def _add(
        self, case: Case, settings: Settings, commands: Sequence[Sequence[str]], *, mask: bool = False
    ) -> None:
        if self.is_busy(case):
            raise UsageError("the case is being computed already: wait, or cancel that first")
        self._store.delete(case.id)
        self._cancelled.discard(case.id)
        (case.job / STDERR).unlink(missing_ok=True)
        wanted = {**asdict(settings), "mask": mask}
        self._store.add(case.id, _STEP, {"commands": [list(each) for each in commands], "settings": wanted})

    def _handle(self, job: Job) -> None:
        """Run the commands of a job: the first makes its results, another one their DICOM objects."""
        outcomes: list[Outcome | None] = []
        for arguments in job.data["commands"]:
            outcomes.append(self._run(job, arguments))
            if outcomes[-1] is None or outcomes[-1].exit_code != 0:
                break
        with self._guard:
            self._process = None
            self._leave(job, outcomes)

    def _run(self, job: Job, arguments: Sequence[str]) -> Outcome | None:
        """Run one command; None if the job is not to begin it."""
        with self._guard:
            if self._stopping or job.id in self._cancelled:
                return None
            folder = self._cases.private / job.id / "job"
            process = JobProcess((*self._command, *arguments), folder, self._limits)
            self._process = (job.id, process)
        return process.wait()

    def _leave(self, job: Job, outcomes: Sequence[Outcome | None]) -> None:
        """Take a job to its end, or back to the queue if the server stops."""
        first, last = outcomes[0], outcomes[-1]
        if first is not None and first.exit_code == 0 and not (last is None and self._stopping):
            self._cases.accept(job.id, job.data["settings"])
            self._store.finish(job, State.DONE, None if last is None else last.reason)
        elif job.id in self._cancelled:
            self._store.finish(job, State.CANCELLED)
        elif first is None or first.stopped or last is None:
            self._store.postpone(job)
        else:
            self._store.finish(job, State.FAILED, first.reason)


def _stage(case: Case) -> str | None:
    try:
        lines = (case.job / STDERR).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return next((line for line in reversed(lines) if line in STAGES), None)
