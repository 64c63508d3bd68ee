"""What a batch remembers of each study: one JSON file in ``OUT/records``, written last, which makes it count."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from gliotype.atomic_files import write_text
from gliotype.batch.fingerprint import Fingerprint, same_result
from gliotype.batch.job import StudyJob
from gliotype.errors import OutputError

RECORDS = "records"
SCHEMA = 1


class State(StrEnum):
    """How a study ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """What is known of a study that was predicted or failed.

    Attributes:
        id: name of the case.
        folder: of its results, relative to OUT.
        state: how it ended.
        sources: the files and folders that it was given.
        call: of the prediction; None if it failed.
        probability: of an IDH mutation, None for a no-call.
        interval: range of the probability.
        prevalence: to which they refer.
        age: years.
        sex: ``"M"`` or ``"F"``.
        volume_ml: of the whole tumour.
        sequences: those that were used.
        measurements: by group and name, ``"shape.elongation"``.
        reasons: why it is indeterminate.
        warnings: of the run.
        error: why it failed and what to do, one sentence.
        exit_code: with which ``gliotype predict`` would have ended.
        seconds: by stage, and ``total``.
        peak_bytes: largest resident memory during the study; None where the system does not tell.
        fingerprint: of its input and settings; None if it could not be taken.
        suspect: machine that may be at fault for the failure; the next run tries the study again.
    """

    id: str
    folder: str
    state: State
    sources: tuple[str, ...] = ()
    call: str | None = None
    probability: float | None = None
    interval: tuple[float, float] | None = None
    prevalence: float | None = None
    age: float | None = None
    sex: str | None = None
    volume_ml: float | None = None
    sequences: tuple[str, ...] = ()
    measurements: Mapping[str, float | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None
    exit_code: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int | None = None
    fingerprint: Fingerprint | None = None
    suspect: str | None = None

    def text(self) -> str:
        """Write it as JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_text(text: str) -> Record:
        """Take what `text` returned.

        Raises:
            ValueError: if it is something else.
        """
        try:
            values = json.loads(text)
            if values.pop("schema") != SCHEMA:
                raise ValueError("another version wrote it")
            values["state"] = State(values["state"])
            for name in ("sources", "sequences", "reasons", "warnings"):
                values[name] = tuple(values[name])
            if values["interval"] is not None:
                low, high = values["interval"]
                values["interval"] = (low, high)
            if values["fingerprint"] is not None:
                values["fingerprint"] = Fingerprint(**values["fingerprint"])
            return Record(**values)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record ({error})") from error


def safe_name(study_id: str) -> str:
    """Make a name of a file or folder from an id; different ids have different names.

    Example:
        >>> safe_name("sub-01"), safe_name("../x y")
        ('sub-01', '---x-y-46c740c6')
    """
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in study_id)[:80]
    mark = "" if plain == study_id else f"-{hashlib.sha256(study_id.encode()).hexdigest()[:8]}"
    return f"{plain}{mark}"


def record_file(output: Path, study_id: str) -> Path:
    """Name the file of a study's record."""
    return output / RECORDS / f"{safe_name(study_id)}.json"


def write_record(output: Path, record: Record) -> Record:
    """Write a record; return it.

    Raises:
        OutputError: if it cannot be written.
    """
    write_text(record_file(output, record.id), record.text() + "\n")
    return record


def read_record(output: Path, study_id: str) -> Record | None:
    """Read the record of a study; None if there is none that can be read."""
    with suppress(OSError, ValueError):
        return Record.from_text(record_file(output, study_id).read_text(encoding="utf-8"))
    return None


def read_records(output: Path) -> Iterator[Record]:
    """Yield every record in OUT in the order of the ids; what is not one is left out."""
    found = []
    for file in (output / RECORDS).glob("*.json"):
        with suppress(OSError, ValueError):
            found.append(Record.from_text(file.read_text(encoding="utf-8")))
    yield from sorted(found, key=lambda record: record.id)


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


def record_failure(output: Path, job: StudyJob, failure: Record) -> tuple[Record, bool]:
    """Record a failure and remove the study's results, unless it was predicted elsewhere meanwhile.

    A worker that lost its scheduler may still be at a study that another one has begun anew.

    Args:
        output: folder of the results (OUT).
        job: the study.
        failure: its record.

    Returns:
        The record that stands, and whether it is another's.

    Raises:
        OutputError: if the record cannot be written.
    """
    found = read_record(output, job.id)
    known = failure.fingerprint
    if (
        found is not None
        and found.state is State.DONE
        and found.fingerprint is not None
        and known is not None
        and same_result(found.fingerprint, known)
    ):
        return found, True
    # What cannot be removed does not count without a record that says so.
    with suppress(OutputError):
        remove_results(output, job)
    return write_record(output, failure), False


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
