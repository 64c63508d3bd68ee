"""What a node does with a complete study, step by step; each step can be repeated after any interruption.

``sort`` decides whether it is processed, ``predict`` runs `gliotype predict`, ``send`` sends the results, ``commit``
asks whether the target keeps them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gliotype._version import __version__
from gliotype.serve.jobs import ENDED, Job, JobProcess, JobStore, Outcome, State, back_off_s
from gliotype.serve.node.deliver import Delivery
from gliotype.serve.node.note import write_note
from gliotype.serve.node.rules import Options
from gliotype.serve.node.settings import NodeSettings
from gliotype.serve.node.study import describe, instance_hash, instances_of

SORT, PREDICT, SEND, COMMIT = "sort", "predict", "send", "commit"
STEPS = (SORT, PREDICT, SEND, COMMIT)

NOT_PROCESSED = "not processed: "
"""Begins the reason of a job that ended without a prediction although nothing failed."""

MAX_FAILURES = 3
"""Failed predictions after which a study is set aside."""

MAX_COMMITMENT_REQUESTS = 5
"""Requests for storage commitment without a report after which acceptance alone has to do."""

_BAD_INPUT = (2, 3)
_NO_STRUCTURAL_IMAGE = 4
_MAX_PAUSE_S = 900.0
_DAY_S = 86400.0
_LOGGER = logging.getLogger("gliotype.node")


class Steps:
    """The steps of a node."""

    def __init__(self, settings: NodeSettings, store: JobStore, delivery: Delivery) -> None:
        """Make them.

        Args:
            settings: of the node.
            store: of its jobs.
            delivery: the way to the target.
        """
        self._settings, self._store, self._delivery = settings, store, delivery
        self._guard = threading.Lock()
        self._processes: dict[str, JobProcess] = {}
        self._superseded: set[str] = set()
        self._stopping = False

    def folder(self, job: Job) -> Path:
        """Folder of a job."""
        return self._settings.folder / "jobs" / job.id

    def stop(self) -> None:
        """Let running predictions wait for the next start, and break off what is being sent."""
        with self._guard:
            self._stopping = True
            processes = list(self._processes.values())
        for process in processes:
            process.stop()
        self._delivery.stop()

    def sort(self, job: Job) -> None:
        """Decide whether a study is processed, and take over the objects of an earlier job of the same study."""
        study = describe(self.folder(job))
        options, reason = self._settings.rules.decide(study)
        if options is None:
            self._end_unprocessed(job, reason)
            return
        own = instances_of(self.folder(job))
        earlier = self._earlier(job)
        if earlier is not None:
            before = set(earlier.data.get("instances", []))
            again = earlier.state in (State.FAILED, State.CANCELLED)
            changed = earlier.data.get("version") != __version__
            if before.issuperset(own) and not again and not changed:
                self._end_unprocessed(job, f"no new images since {earlier.id}")
                return
            if not before.issubset(own) and not self._take_over(earlier, job):
                reason = (
                    f"these images came when the study had been answered ({earlier.id}) and its other images deleted: "
                    "send the whole study again"
                )
                self._store.finish(job, State.FAILED, reason, {"instances": own, "version": __version__})
                _LOGGER.warning("%s: set aside: %s", job.id, reason)
                return
            own = instances_of(self.folder(job))
        if not own:
            self._end_unprocessed(job, "no images came")
            return
        data = {
            "instances": own,
            "version": __version__,
            "prevalence": options.prevalence,
            "site": None if options.site is None else str(options.site),
        }
        self._store.update(job, data)
        if earlier is not None:
            self._supersede(earlier)
        if self._store.advance(job, PREDICT, data):
            _LOGGER.info("%s: complete with %d objects (%s)", job.id, len(own), reason)

    def _end_unprocessed(self, job: Job, reason: str) -> None:
        data = {"instances": [], "version": __version__, "unprocessed": True}
        self._store.finish(job, State.DONE, NOT_PROCESSED + reason, data)
        shutil.rmtree(self.folder(job), ignore_errors=True)
        _LOGGER.info("%s: %s%s", job.id, NOT_PROCESSED, reason)

    def _earlier(self, job: Job) -> Job | None:
        """The latest earlier job of the same study that was taken up."""
        key = key_of(job)
        same = [
            each
            for each in self._store.jobs(f"{key}-")
            if each.created < job.created and not each.data.get("unprocessed")
        ]
        return same[-1] if same else None

    def _take_over(self, earlier: Job, job: Job) -> bool:
        """Add the objects of an earlier job that did not come again; False if they are deleted."""
        source, target = self.folder(earlier) / "input", self.folder(job) / "input"
        present = {instance_hash(file.stem): file for file in source.glob("*.dcm")}
        there = set(instances_of(self.folder(job)))
        missing = set(earlier.data["instances"]) - there
        if not missing.issubset(present):
            return False
        for name in missing:
            os.link(present[name], target / present[name].name)
        return True

    def _supersede(self, earlier: Job) -> None:
        """End an earlier job whose prediction would lack images."""
        if earlier.step == PREDICT and not self._store.cancel(earlier.id):
            with self._guard:
                process = self._processes.get(earlier.id)
                if process is not None:
                    self._superseded.add(earlier.id)
                    process.stop()

    def predict(self, job: Job) -> None:
        """Run `gliotype predict`."""
        folder = self.folder(job)
        shutil.rmtree(folder / "out", ignore_errors=True)
        if not (folder / "input").is_dir():
            self._set_aside(job, "its images are gone")
            return
        with self._guard:
            if self._stopping:
                self._store.postpone(job)
                return
            process = JobProcess(self._command(job), folder, self._settings.job_limits)
            self._processes[job.id] = process
        outcome = process.wait()
        with self._guard:
            del self._processes[job.id]
        data = {**job.data, "seconds": round(outcome.seconds, 1), "peak_bytes": outcome.peak_bytes}
        self._after_prediction(job, outcome, data)

    def _after_prediction(self, job: Job, outcome: Outcome, data: dict[str, object]) -> None:
        reason = outcome.reason or ""
        if outcome.stopped:
            if job.id in self._superseded:
                self._store.finish(job, State.CANCELLED, "more images of the study came", data)
            else:
                self._store.postpone(job)
                _LOGGER.info("%s: stopped, to be started again", job.id)
        elif outcome.exit_code == 0:
            if not self._results(job):
                self._set_aside(job, "the prediction left no DICOM results")
            elif self._store.advance(job, SEND, data):
                _LOGGER.info("%s: predicted in %.0f s", job.id, outcome.seconds)
        elif outcome.exit_code == _NO_STRUCTURAL_IMAGE:
            source = next((self.folder(job) / "input").glob("*.dcm"))
            write_note(source, reason, self.folder(job) / "out" / "dicom" / "note.dcm")
            self._store.advance(job, SEND, {**data, "note": reason})
            _LOGGER.info("%s: answered with a note: %s", job.id, reason)
        elif outcome.exit_code in _BAD_INPUT or job.failures + 1 >= MAX_FAILURES:
            self._set_aside(job, reason)
        else:
            pause = back_off_s(job.failures + 1, self._settings.retry_s[0], _MAX_PAUSE_S)
            self._store.retry(job, reason, pause)
            _LOGGER.warning("%s: failed, to be tried again in %.0f s: %s", job.id, pause, reason)

    def send(self, job: Job) -> None:
        """Send the results that the target has not accepted yet."""
        done: list[str] = list(job.data.get("accepted", []))

        def accept(file: Path) -> None:
            done.append(file.name)
            self._store.update(job, {**job.data, "accepted": done})

        results = self._results(job)
        if not results:
            self._set_aside(job, "its results are gone")
            return
        pending = [file for file in results if file.name not in done]
        reason = self._delivery.send(pending, accept) if pending else None
        data = {**job.data, "accepted": done}
        if reason is None:
            if self._store.advance(job, COMMIT, data):
                _LOGGER.info("%s: %d results sent to %s", job.id, len(results), self._settings.target)
        else:
            self._send_later(job, reason, data)

    def _send_later(self, job: Job, reason: str, data: dict[str, object]) -> None:
        if self._stopping:
            self._store.postpone(job, data=data)
        elif time.time() - job.created > self._settings.keep_days * _DAY_S:
            self._set_aside(job, f"not accepted for {self._settings.keep_days:g} days: {reason}")
        else:
            pause = back_off_s(job.failures + 1, self._settings.retry_s[1], _MAX_PAUSE_S)
            self._store.retry(job, reason, pause, data)
            _LOGGER.warning("%s: not sent, to be tried again in %.0f s: %s", job.id, pause, reason)

    def commit(self, job: Job) -> None:
        """Ask a target that offers storage commitment whether it keeps the results; send again what it does not."""
        results = self._results(job)
        answer = self._delivery.commit(results)
        if not answer.offered or answer.failed == frozenset():
            if answer.offered:
                _LOGGER.info("%s: the target has committed itself to keep %d results", job.id, len(results))
            self._finish(job, job.data.get("note"))
        elif self._stopping:
            self._store.postpone(job)
        elif answer.failed:
            accepted = [
                name for name in job.data["accepted"] if name not in {file.name for file in answer.failed}
            ]
            _LOGGER.warning("%s: the target does not keep %d results", job.id, len(answer.failed))
            self._store.advance(job, SEND, {**job.data, "accepted": accepted}, self._settings.retry_s[1])
        elif job.failures + 1 >= MAX_COMMITMENT_REQUESTS:
            self._finish(job, "accepted, but the target did not report on storage commitment")
        else:
            pause = back_off_s(job.failures + 1, self._settings.retry_s[1], _MAX_PAUSE_S)
            self._store.retry(job, "the target did not report on storage commitment", pause)

    def _finish(self, job: Job, reason: str | None) -> None:
        if self._store.finish(job, State.DONE, reason):
            _LOGGER.info("%s: done", job.id)
        if self._settings.keep_inputs_days == 0:
            shutil.rmtree(self.folder(job) / "input", ignore_errors=True)

    def _set_aside(self, job: Job, reason: str) -> None:
        self._store.finish(job, State.FAILED, reason)
        _LOGGER.warning("%s: set aside: %s", job.id, reason)

    def _results(self, job: Job) -> list[Path]:
        return sorted((self.folder(job) / "out" / "dicom").glob("*.dcm"))

    def _command(self, job: Job) -> Sequence[str]:
        folder = self.folder(job).absolute()
        threads = self._settings.threads
        site = job.data["site"]
        return [
            *self._settings.command,
            str(folder / "input"),
            *("-o", str(folder / "out"), "--id", key_of(job)),
            *Options(job.data["prevalence"], None if site is None else Path(site)).arguments(),
            *([] if threads is None else ["--threads", str(threads)]),
        ]

    def clear_old(self) -> None:
        """Delete images of answered studies, results and queue entries whose retention has ended."""
        now = time.time()
        for job in self._store.jobs():
            age = (now - job.changed) / _DAY_S
            useless = job.state is State.CANCELLED or job.data.get("unprocessed", False)
            if job.state not in ENDED:
                continue
            if useless or age >= self._settings.keep_days:
                shutil.rmtree(self.folder(job), ignore_errors=True)
            if age >= self._settings.keep_days:
                self._store.delete(job.id)
            elif job.state is State.DONE and age >= self._settings.keep_inputs_days:
                shutil.rmtree(self.folder(job) / "input", ignore_errors=True)


def key_of(job: Job) -> str:
    """Key of the study of a job."""
    return job.id.partition("-")[0]
