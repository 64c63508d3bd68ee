"""A durable queue of jobs, each run as a process of its own; nothing here knows what a job is about.

`JobStore` keeps the jobs in SQLite, `Worker` takes one after the other, `JobProcess` runs a command within limits,
and `end_orphan` ends what a killed server left running.
"""

from __future__ import annotations

from gliotype.serve.jobs.exclusive import exclusive
from gliotype.serve.jobs.process import JobProcess, Limits, Outcome, end_orphan
from gliotype.serve.jobs.store import ENDED, Job, JobStore, State
from gliotype.serve.jobs.worker import Worker, back_off_s

__all__ = [
    "ENDED",
    "Job",
    "JobProcess",
    "JobStore",
    "Limits",
    "Outcome",
    "State",
    "Worker",
    "back_off_s",
    "end_orphan",
    "exclusive",
]
