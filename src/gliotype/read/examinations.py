"""Keep the images of one examination of one patient, or say what there is to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from gliotype.errors import InputError, UsageError
from gliotype.read.identify.choose import Candidate
from gliotype.read.series import Series


def of_one_examination(series: list[Series], study_uid: str | None, source: str) -> list[Series]:
    """Keep the series of the study that was asked for, or of the only one.

    Series that do not say to which study they belong (NIfTI files with neutral names) are retained as well.

    Args:
        series: all of a folder.
        study_uid: StudyInstanceUID, the session (or patient) in the names of NIfTI files, or the number of these in
            the list.
        source: the name for messages.

    Raises:
        UsageError: if there are several studies and none was chosen, or the chosen one is not there.
        InputError: if the images are of several patients and no study was chosen.
    """
    if study_uid is not None:
        numbers = _numbers(series)
        chosen = [s for s in series if study_uid in {*_names(s), numbers.get(s.examination.study)}]
        if not chosen:
            raise UsageError(f"{source} holds no study {study_uid}; it holds {_listing(series, numbers)}")
        return chosen + [s for s in series if not s.examination.study]
    for alike in by_format(series):
        if len({s.examination.patient for s in alike} - {""}) > 1:
            raise InputError(
                f"{source} holds images of several patients: give one patient's folder, "
                f"or choose with --study: {_listing(alike, _numbers(series))}"
            )
        images = [s for s in alike if s.info.modality == "MR" and s.grid is not None]
        if len({s.examination.study for s in images} - {""}) > 1:
            raise UsageError(
                f"{source} holds several studies, choose one with --study: {_listing(images, _numbers(series))}"
            )
    return series


def refuse_folders_side_by_side(candidates: list[Candidate], source: str) -> None:
    """Raise if two folders of NIfTI files without a patient's identifier hold the same sequences.

    Raises:
        UsageError: naming the folders.
    """
    held: dict[str, set[str]] = {}
    for candidate in candidates:
        series = candidate.series
        if candidate.identity.sequence and series.info.name and not series.examination.patient:
            folder = PurePosixPath(series.source).parent.as_posix()
            held.setdefault(folder, set()).add(candidate.identity.sequence.value)
    folders = list(held)
    for number, first in enumerate(folders):
        for second in folders[number + 1 :]:
            if len(held[first] & held[second]) >= 2:
                raise UsageError(
                    f"{source} holds several studies (folders {first} and {second} hold the same sequences): "
                    "give one of the folders, or name the files"
                )


def _names(series: Series) -> set[str]:
    """By what a study may be called: its UID or session, or the patient's research identifier."""
    study = series.examination.study
    return {study, study.partition("/")[0], study.rpartition("/")[2]} - {""}


def by_format(series: Iterable[Series]) -> tuple[list[Series], list[Series]]:
    """Separate DICOM from NIfTI: their patients and studies go by different names."""
    nifti = [s for s in series if s.info.name]
    return [s for s in series if not s.info.name], nifti


_UID = re.compile(r"[0-9.]+")
_SESSION = re.compile(r"(ses-)?(pre|post)?-?(op|baseline|initial|follow-?up)?-?\d{0,4}", re.IGNORECASE)
"""Names of sessions that give only a time."""


def _numbers(series: list[Series]) -> dict[str, str]:
    """Number the studies that have no UID: their names are words of the caller's, which may name a patient."""
    named = {s.examination.study for s in series if not _UID.fullmatch(s.examination.study)} - {""}
    return {study: str(number) for number, study in enumerate(sorted(named), start=1)}


def _listing(series: list[Series], numbers: Mapping[str, str]) -> str:
    """List the studies: UID, or number and session, and how many series; nothing that might name a patient."""
    studies: dict[str, int] = {}
    for one in series:
        if one.examination.study:
            studies[one.examination.study] = studies.get(one.examination.study, 0) + 1
    entries = []
    for study, count in sorted(studies.items()):
        session = study.rpartition("/")[2]
        facts = [f"{count} series" if count > 1 else "1 image"]
        if study in numbers and "/" in study and _SESSION.fullmatch(session):
            facts.insert(0, session)
        entries.append(f"{numbers.get(study, study)} ({', '.join(facts)})")
    return "; ".join(entries) or "none that is named"
