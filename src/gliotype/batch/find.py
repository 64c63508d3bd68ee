"""Find the studies of a batch: a table that lists them, or a folder with one study in each entry."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from gliotype.batch.job import StudyJob
from gliotype.batch.record import RECORDS, safe_name
from gliotype.errors import InputError
from gliotype.study import Sequence
from gliotype.tables import is_unknown, plain, read_text_file

FILES = {
    "t1": Sequence.T1,
    "t1c": Sequence.T1C,
    "t2": Sequence.T2,
    "flair": Sequence.FLAIR,
    "dsc": Sequence.DSC,
    "adc": Sequence.ADC,
    "mrs": Sequence.MRS,
}
"""Columns of a table that name a file, and the sequence as which it is taken."""

COLUMNS = ("study", "id", "age", "sex", "prevalence", "mask", *FILES)
"""Columns of a table that have a meaning; further ones are passed over."""

_RESERVED = {RECORDS, "index", "dataset_description"}


def hashed_id(name: str) -> str:
    """Make an id that does not tell the name of a folder or a UID, and stays the same from run to run.

    Example:
        >>> hashed_id("Doe_Jane")
        'study-05490c79'
    """
    return f"study-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def studies_in_table(file: Path) -> tuple[StudyJob, ...]:
    """Read a table (CSV, or TSV by its ending) with one study in a row.

    Args:
        file: with a column ``study`` or columns of `FILES`, relative to the table's folder, and others of `COLUMNS`.

    Raises:
        InputError: if it cannot be read, names no studies, or a value has no meaning; it names the row.
    """
    text = read_text_file(file, "CSV")
    rows = csv.DictReader(io.StringIO(text), delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
    names = {(name or "").strip().casefold() for name in rows.fieldnames or ()}
    if not names & {"study", *FILES}:
        raise InputError(
            f"{file.name} has no column study, nor any of {', '.join(FILES)}: "
            "name the folder, zip or files of each study"
        )
    jobs = [_row(file, number, row) for number, row in enumerate(rows, start=2)]
    return unique(job for job in jobs if job is not None)


def _row(file: Path, number: int, row: Mapping[str | None, str | list[str] | None]) -> StudyJob | None:
    cells = {
        (key or "").strip().casefold(): plain(value)
        for key, value in row.items()
        if isinstance(value, str) and key is not None
    }
    known = {key: text for key, text in cells.items() if key in COLUMNS and text and not is_unknown(text)}
    where = f"{file.name}, line {number}"
    paths = {key: file.parent / known[key] for key in ("study", "mask", *FILES) if key in known}
    files = {sequence: paths[key] for key, sequence in FILES.items() if key in paths}
    if "study" not in paths and not files:
        if known:
            raise InputError(f"{where} names no study: fill the column study, or name its files")
        return None
    study_id = known.get("id") or hashed_id(
        known.get("study") or "|".join(known.get(key, "") for key in FILES)
    )
    return StudyJob(
        id=study_id,
        folder=safe_name(study_id),
        source=_absolute(paths.get("study")),
        files={sequence: path.absolute() for sequence, path in files.items()},
        age=_number(where, known.get("age"), "age", 0.0, 120.0),
        sex=_sex(where, known.get("sex")),
        prevalence=_number(where, known.get("prevalence"), "prevalence", 0.0, 1.0),
        mask=_absolute(paths.get("mask")),
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _number(where: str, text: str | None, name: str, least: float, most: float) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(
            f"{where}: the {name} {text!r} is not a number: correct it, or leave it empty"
        ) from error
    if not least <= value <= most:
        raise InputError(f"{where}: the {name} {text} is not between {least:g} and {most:g}: correct it")
    return value


def _sex(where: str, text: str | None) -> str | None:
    if text is None:
        return None
    sex = text[:1].upper() if text.casefold() in ("m", "f", "male", "female") else ""
    if not sex:
        raise InputError(f"{where}: the sex {text!r} is not M or F: correct it, or leave it empty")
    return sex


def studies_in_folder(
    folder: Path, *, but: Path, named: bool
) -> tuple[tuple[StudyJob, ...], tuple[str, ...]]:
    """Take each folder and each zip within a folder as a study.

    Args:
        folder: of the studies.
        but: a folder that is not one of them, such as OUT.
        named: call each by its file name, which may tell whose it is; else by a short hash of that.

    Returns:
        The studies, and the names of what is neither.

    Raises:
        InputError: if it cannot be listed, or holds neither.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path != but)
    except OSError as error:
        raise InputError(
            f"cannot list the folder of the studies ({error.strerror}): allow reading it"
        ) from error
    studies = [path for path in entries if path.is_dir() or path.suffix.lower() == ".zip"]
    others = tuple(path.name for path in entries if path not in studies)
    if not studies:
        raise InputError(
            "the folder of the studies holds neither folders nor zips: put each study into a folder of its own, "
            "list them in a table, or give --sort for a heap of DICOM files"
        )
    ids = [_entry_name(path) if named else hashed_id(path.name) for path in studies]
    jobs = (
        StudyJob(study_id, safe_name(study_id), path.absolute())
        for study_id, path in zip(ids, studies, strict=True)
    )
    return unique(jobs), others


def _entry_name(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".zip" and path.is_file() else path.name


def unique(jobs: Iterable[StudyJob]) -> tuple[StudyJob, ...]:
    """Check that the names of the studies differ, on file systems without upper case too."""
    seen: dict[str, StudyJob] = {}
    for job in jobs:
        key = job.folder.casefold()
        if key in seen or key in _RESERVED:
            raise InputError(
                f"two studies would be called {job.id}: give each an id of its own"
                if key in seen
                else f"a study cannot be called {job.id}: give it another id"
            )
        seen[key] = job
    if not seen:
        raise InputError("no study is listed: name at least one")
    return tuple(sorted(seen.values(), key=lambda job: job.id))
