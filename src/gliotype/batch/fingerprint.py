"""Whether a study was predicted before from the same input, with the same settings and weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gliotype._version import __version__
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.runtime import weight_hashes

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """Digests (SHA-256) of what the result of a study depends on.

    Attributes:
        settings: of the study's own facts, the batch's settings, the version and the weights.
        files: of the names, sizes and times of change of its files: quick to compute, changed by a mere copy.
        content: of the names and bytes of its files; empty where it has not been computed.
    """

    settings: str
    files: str
    content: str = ""


def take_fingerprint(job: StudyJob, settings: BatchSettings, known: Fingerprint | None) -> Fingerprint:
    """Compute the fingerprint of a study; its bytes are read only where its files do not look unchanged.

    Args:
        job: the study.
        settings: of the batch.
        known: that of an earlier run, or None.

    Raises:
        WeightsError: if shipped weights are missing or corrupt.
    """
    own, files = _settings_digest(job, settings), _files_digest(job)
    if known is not None and known.files == files and known.content:
        return Fingerprint(own, files, known.content)
    return Fingerprint(own, files, _content_digest(job))


def same_result(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two fingerprints promise the same result."""
    return one.settings == other.settings and one.content == other.content != ""


def _settings_digest(job: StudyJob, settings: BatchSettings) -> str:
    facts = job.plain()
    site, model1 = (
        None if file is None else _bytes_digest(file) for file in (settings.site, settings.model1)
    )
    return _digest(
        {
            "study": {key: facts[key] for key in ("id", "age", "sex", "prevalence")},
            "sequences": sorted(sequence.value for sequence in job.files),
            "prevalence": settings.prevalence,
            "thresholds": list(settings.thresholds),
            "site": site,
            "model1": model1,
            "threads": settings.threads,
            "version": __version__,
            "weights": _weights(),
        }
    )


@cache
def _weights() -> dict[str, str]:
    return weight_hashes()


def _files_digest(job: StudyJob) -> str:
    found = []
    for name, file in _files(job):
        with suppress(OSError):
            status = file.stat()
            found.append((name, status.st_size, status.st_mtime_ns))
    return _digest(found)


def _content_digest(job: StudyJob) -> str:
    return _digest([(name, _bytes_digest(file)) for name, file in _files(job)])


def _bytes_digest(file: Path) -> str:
    """Digest the bytes of a file; what cannot be read counts by its kind of failure."""
    try:
        if not file.is_file():
            return "not a file"
        with file.open("rb") as stream:
            whole = hashlib.sha256()
            while chunk := stream.read(_CHUNK):
                whole.update(chunk)
            return whole.hexdigest()
    except OSError as error:
        return f"error {error.errno}"


def _files(job: StudyJob) -> Iterator[tuple[str, Path]]:
    """Yield every file of a study in a fixed order, with its role and its path below what the study names."""
    named = [("source", job.source), ("mask", job.mask)]
    named += sorted((sequence.value, path) for sequence, path in job.files.items())
    for role, path in named:
        if path is None:
            continue
        if not os.path.isdir(path):
            yield role, path
            continue
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in sorted(files):
                file = Path(folder, name)
                yield f"{role}/{file.relative_to(path).as_posix()}", file


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
