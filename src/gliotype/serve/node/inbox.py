"""Received objects on disk, by study, until no more come; every name is made here, from checked identifiers.

The folder of a node holds::

    temporary/                     what is being received
    incoming/KEY/input/UID.dcm     studies of which more may come; KEY stands for the study, UID for the object
    incoming/KEY/sender            AE title that sent it
    jobs/ID/                       a complete study: the folder of `incoming`, moved in one step; later its results

"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gliotype.atomic_files import write_text
from gliotype.serve.node.settings import NodeLimits

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_MAX_UID = 64
_STALE_S = 300.0


def is_uid(text: str) -> bool:
    r"""Whether a text is a DICOM identifier, and so safe as a file name.

    Example:
        >>> is_uid("1.2.840.10008"), is_uid("../../etc"), is_uid("1..2"), is_uid("1.2\n")
        (True, False, False, False)
    """
    return len(text) <= _MAX_UID and _UID.fullmatch(text) is not None


@dataclass
class _Arriving:
    """A study of which more objects may come; `latest` is on the monotonic clock."""

    latest: float
    instances: int
    size: int
    sender: str


class Inbox:
    """Where received objects are kept until their study is complete; threads may share it.

    Attributes:
        changed: notified whenever an object has come.
    """

    def __init__(self, folder: Path, quiet_s: float, limits: NodeLimits) -> None:
        """Open an inbox; what an earlier one received is waited for anew, and what it had not received in full goes.

        Args:
            folder: of the node.
            quiet_s: a study is complete when none of its objects has come for so long.
            limits: on one study, and on the disk.
        """
        self.changed = threading.Condition()
        self.temporary, self.jobs = folder / "temporary", folder / "jobs"
        self._incoming = folder / "incoming"
        self._quiet_s, self._limits = quiet_s, limits
        shutil.rmtree(self.temporary, ignore_errors=True)
        for path in (self.temporary, self.jobs, self._incoming):
            path.mkdir(exist_ok=True)
        self._secret = _secret_of(folder / "key")
        self._studies = {path.name: _found(path) for path in self._incoming.iterdir() if path.is_dir()}

    def key(self, study_uid: str) -> str:
        """Return the name that stands for a study in the log and on disk; it tells nothing without the secret."""
        return hashlib.blake2b(study_uid.encode(), key=self._secret, digest_size=6).hexdigest()

    def has_room(self) -> bool:
        """Whether there is space on the disk for more."""
        return shutil.disk_usage(self._incoming).free >= self._limits.free_bytes

    def keep(self, file: Path, study_uid: str, instance_uid: str, sender: str) -> str | None:
        """Move a received file into its study.

        Args:
            file: below `temporary`.
            study_uid: of its study.
            instance_uid: its own.
            sender: AE title that sent it.

        Returns:
            The key of the study; None if the study is larger than the limits. An object that came before is replaced.

        Raises:
            ValueError: if an identifier is not valid.
            OSError: if it cannot be written.
        """
        if not is_uid(study_uid) or not is_uid(instance_uid):
            raise ValueError("an identifier is not valid")
        size = _to_disk(file)
        key = self.key(study_uid)
        folder = self._incoming / key
        with self.changed:
            study = self._studies.get(key) or _Arriving(0.0, 0, 0, "")
            if (
                study.instances >= self._limits.study_instances
                or study.size + size > self._limits.study_bytes
            ):
                return None
            (folder / "input").mkdir(parents=True, exist_ok=True)
            if study.sender != sender:
                write_text(folder / "sender", sender)
            os.replace(file, folder / "input" / f"{instance_uid}.dcm")
            _to_disk(folder / "input")
            study.latest, study.sender = time.monotonic(), sender
            study.instances, study.size = study.instances + 1, study.size + size
            self._studies[key] = study
            self.changed.notify_all()
        return key

    def take_complete(self) -> Iterator[str]:
        """Move each complete study into the folder of a new job; yield the job's id."""
        with self.changed:
            now = time.monotonic()
            complete = [key for key, study in self._studies.items() if study.latest + self._quiet_s <= now]
            for key in complete:
                job = self._move(key)
                del self._studies[key]
                yield job

    def seconds_until_complete(self) -> float | None:
        """Seconds until the next study may be complete, 0 or more; None if there is none."""
        with self.changed:
            earliest = min((study.latest for study in self._studies.values()), default=None)
        return None if earliest is None else max(0.0, earliest + self._quiet_s - time.monotonic())

    def clear_stale(self) -> None:
        """Remove what connections that broke off left in `temporary`."""
        oldest = time.time() - _STALE_S
        for file in self.temporary.iterdir():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _move(self, key: str) -> str:
        while True:
            job = f"{key}-{datetime.now(UTC):%Y%m%d%H%M%S}"
            if not (self.jobs / job).exists():
                os.rename(self._incoming / key, self.jobs / job)
                return job
            time.sleep(0.1)


def arriving(folder: Path) -> dict[str, int]:
    """Count the objects of each study in the folder of a node of which more may come."""
    incoming = folder / "incoming"
    return {
        path.name: len(list((path / "input").glob("*.dcm")))
        for path in (sorted(incoming.iterdir()) if incoming.is_dir() else ())
    }


def _found(folder: Path) -> _Arriving:
    sizes = [file.stat().st_size for file in (folder / "input").glob("*.dcm")]
    return _Arriving(time.monotonic(), len(sizes), sum(sizes), sender_of(folder))


def sender_of(folder: Path) -> str:
    """AE title that sent the study in a folder; "" if that is not known."""
    file = folder / "sender"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _to_disk(path: Path) -> int:
    """See that a file or folder survives a failure of power; return its size in bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _secret_of(file: Path) -> bytes:
    """Read the secret of a node; make one if there is none."""
    if not file.exists():
        write_text(file, secrets.token_hex(32))
        file.chmod(0o600)
    return bytes.fromhex(file.read_text(encoding="ascii"))
