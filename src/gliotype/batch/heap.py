"""Sort a heap of DICOM files by patient and study, without moving or copying one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from gliotype.batch.find import hashed_id
from gliotype.batch.job import StudyJob
from gliotype.errors import InputError

SORTED = ".sorted"
"""Folder in OUT that holds a folder of links for each study of a heap."""

_TAGS = ["PatientID", "StudyInstanceUID"]


def sort_heap(heap: Path, output: Path, progress: Callable[[str], None]) -> tuple[tuple[StudyJob, ...], int]:
    """Read the headers of all files below a folder, and link those of each study into a folder of its own.

    Args:
        heap: the folder.
        output: folder of the results, absolute; `SORTED` in it is brought up to date, also while a shard reads it.
        progress: called with how many files were read so far.

    Returns:
        The studies, in the order of their ids, and the number of files that are not DICOM.

    Raises:
        InputError: if no file is DICOM, or links cannot be made in OUT.
    """
    studies: dict[tuple[str, str], list[Path]] = {}
    others = read = 0
    for folder, folders, files in os.walk(heap.absolute()):
        folders[:] = sorted(name for name in folders if Path(folder, name) != output)
        for name in sorted(files):
            file = Path(folder, name)
            key = _study_of(file)
            read += 1
            if read % 1000 == 0:
                progress(f"sort: {read} files")
            if key is None:
                others += 1
            else:
                studies.setdefault(key, []).append(file)
    if not studies:
        raise InputError("no file of the heap is DICOM: name a folder of studies, or a table")
    jobs = [_linked(output / SORTED, key, files) for key, files in studies.items()]
    return tuple(sorted(jobs, key=lambda job: job.id)), others


def _study_of(file: Path) -> tuple[str, str] | None:
    try:
        header = dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
    except (
        InvalidDicomError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        EOFError,
        NotImplementedError,
    ):
        return None
    uid = str(header.get("StudyInstanceUID", ""))
    return (str(header.get("PatientID", "")), uid) if uid else None


def _linked(folder: Path, key: tuple[str, str], files: list[Path]) -> StudyJob:
    """Make the folder of one study; its links bear numbers, so that nothing in it tells a name."""
    study_id = hashed_id("\0".join(key))
    own = folder / study_id
    try:
        own.mkdir(parents=True, exist_ok=True)
        links = {_link_name(file): file for file in files}
        for name, file in links.items():
            with suppress(FileExistsError):
                (own / name).symlink_to(file)
        for entry in own.iterdir():
            if entry.name not in links:
                entry.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot link the files of a study within OUT ({error.strerror}): "
            "choose a folder whose file system has links"
        ) from error
    return StudyJob(study_id, study_id, own)


def _link_name(file: Path) -> str:
    mark = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
    return f"{mark}.dcm" if file.suffix.lower() == ".dcm" else mark
