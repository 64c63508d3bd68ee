"""What a node is doing, from its folder; the node need not run, and nobody is named."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gliotype.errors import InputError
from gliotype.locks import is_locked
from gliotype.serve.jobs import Job, JobStore, State
from gliotype.serve.node.inbox import arriving
from gliotype.serve.node.steps import COMMIT, NOT_PROCESSED, PREDICT, SEND, SORT

MAX_ENDED = 30
_ENDED = ("done", "note", "not processed", "superseded")
_WORDS = {
    (SORT, State.WAITING): "waiting",
    (SORT, State.RUNNING): "waiting",
    (PREDICT, State.WAITING): "waiting",
    (PREDICT, State.RUNNING): "predicting",
    (SEND, State.WAITING): "sending",
    (SEND, State.RUNNING): "sending",
    (COMMIT, State.WAITING): "committing",
    (COMMIT, State.RUNNING): "committing",
}


@dataclass(frozen=True)
class StudyStatus:
    """Where one study is.

    Attributes:
        id: of its job, or the key of a study of which more may come.
        state: one of receiving, waiting, predicting, sending, committing, done, note, not processed, superseded,
            set aside.
        images: objects of it.
        failures: at the present step.
        next_try_s: seconds until the next try after a failure; None if there was none, or none is due.
        changed: when its state changed, in seconds since 1970; None while it is received.
        reason: what is to be said about it; None if nothing is.
    """

    id: str
    state: str
    images: int
    failures: int = 0
    next_try_s: float | None = None
    changed: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class NodeStatus:
    """What a node is doing.

    Attributes:
        running: whether the service runs.
        counts: studies by state.
        studies: the oldest first, those being received at the end.
    """

    running: bool
    counts: dict[str, int]
    studies: tuple[StudyStatus, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def node_status(folder: Path) -> NodeStatus:
    """Look at a node.

    Args:
        folder: of the node.

    Raises:
        InputError: if it is not the folder of a node.
    """
    queue = folder / "queue.sqlite"
    if not queue.exists():
        raise InputError(f"{folder} is not the folder of a node: give what gliotype node -o was given")
    store = JobStore(queue, read_only=True)
    try:
        studies = [_study(job) for job in store.jobs()]
    finally:
        store.close()
    studies += [StudyStatus(key, "receiving", images) for key, images in arriving(folder).items()]
    counts = Counter(study.state for study in studies)
    return NodeStatus(is_locked(folder / "server.lock"), dict(sorted(counts.items())), tuple(studies))


def _study(job: Job) -> StudyStatus:
    pending = job.state is State.WAITING and job.failures > 0
    return StudyStatus(
        id=job.id,
        state=_state(job),
        images=len(job.data.get("instances", [])),
        failures=job.failures,
        next_try_s=max(0.0, round(job.due - time.time(), 1)) if pending else None,
        changed=job.changed,
        reason=job.reason,
    )


def _state(job: Job) -> str:
    if job.state is State.FAILED:
        return "set aside"
    if job.state is State.CANCELLED:
        return "superseded"
    if job.state is State.DONE:
        if (job.reason or "").startswith(NOT_PROCESSED):
            return "not processed"
        return "note" if "note" in job.data else "done"
    return _WORDS[job.step, job.state]


def status_lines(status: NodeStatus) -> Iterator[str]:
    """Put a status into lines of text; of the studies that ended, the last `MAX_ENDED`."""
    yield f"the node {'runs' if status.running else 'does not run'}"
    yield ", ".join(f"{count} {state}" for state, count in status.counts.items()) or "no studies"
    ended = [study for study in status.studies if study.state in _ENDED]
    older = set(ended[:-MAX_ENDED])
    if older:
        yield f"{len(older)} studies that ended earlier are not listed (--json lists them)"
    for study in status.studies:
        if study in older:
            continue
        when = (
            "" if study.changed is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(study.changed))
        )
        again = "" if study.next_try_s is None else f"  next try in {study.next_try_s:.0f} s"
        reason = "" if study.reason is None else f"  {study.reason}"
        yield f"{study.id:<27}  {study.state:<13}  {study.images:>5} images  {when}{again}{reason}".rstrip()
