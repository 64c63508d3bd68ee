"""What the rules and the log need to know about a received study, read from the headers of its objects."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from pydicom import dcmread

from gliotype.read.header_values import age_between, age_in_years
from gliotype.serve.node.inbox import sender_of
from gliotype.serve.node.rules import Described

_TAGS = ["StudyDescription", "PatientAge", "PatientBirthDate", "StudyDate"]
_MAX_READ = 50


def instances_of(folder: Path) -> list[str]:
    """List the objects of a study by a hash of their identifiers.

    Args:
        folder: of the job.
    """
    names = [file.stem for file in (folder / "input").glob("*.dcm")]
    return sorted(instance_hash(name) for name in names)


def instance_hash(uid: str) -> str:
    """Return a short name of an object that tells nothing about it."""
    return hashlib.blake2b(uid.encode(), digest_size=8).hexdigest()


def describe(folder: Path) -> Described:
    """Read the description of a study and the age of its patient, from the first objects that have them.

    Args:
        folder: of the job.
    """
    description, age = "", None
    for file in sorted((folder / "input").glob("*.dcm"))[:_MAX_READ]:
        values = _values(file)
        description = description or values["StudyDescription"]
        if age is None:
            age = age_in_years(values["PatientAge"])
        if age is None:
            age = age_between(values["PatientBirthDate"], values["StudyDate"])
        if description and age is not None:
            break
    return Described(sender_of(folder), description, age)


def _values(file: Path) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
            return {tag: str(header.get(tag) or "").strip() for tag in _TAGS}
        except Exception:  # noqa: BLE001 - pydicom raises all kinds of errors; `predict` says what is wrong with it
            return dict.fromkeys(_TAGS, "")
