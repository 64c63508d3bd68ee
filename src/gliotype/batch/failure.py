"""What is left of a study that failed: its record, and none of the results of an earlier run."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from gliotype.batch.fingerprint import Fingerprint
from gliotype.batch.job import StudyJob
from gliotype.batch.record import Record, State
from gliotype.errors import OutputError


def failed(job: StudyJob, error: str, exit_code: int, fingerprint: Fingerprint | None) -> Record:
    """Make the record of a study that failed."""
    return Record(
        id=job.id,
        folder=job.folder,
        state=State.FAILED,
        sources=tuple(map(str, job.inputs)),
        age=job.age,
        sex=job.sex,
        error=error,
        exit_code=exit_code,
        fingerprint=fingerprint,
    )


def remove_results(output: Path, job: StudyJob) -> None:
    """Remove what an earlier run wrote for a study, which no longer belongs to its input.

    Raises:
        OutputError: if it cannot be removed.
    """
    folder = output / job.folder
    with suppress(FileNotFoundError):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise OutputError(
                f"cannot remove {folder} ({error.strerror}): remove it, and run again"
            ) from error
