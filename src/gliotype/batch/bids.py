"""BIDS data sets: their studies, and results under the names of BIDS derivatives."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gliotype.atomic_files import atomic_write, write_text
from gliotype.batch.find import unique
from gliotype.batch.job import StudyJob
from gliotype.errors import InputError, UsageError
from gliotype.study import Label
from gliotype.tables import read_text_file

NAMES = {"tumour.nii.gz": "desc-tumour_dseg.nii.gz", "brain.nii.gz": "desc-brain_mask.nii.gz"}
"""Files of a result that BIDS has names for, and these, after the participant and session."""

IGNORED: tuple[str, ...] = (
    "records/",
    "*.csv",
    "summary.json",
    "index.html",
    "**/prediction.json",
    "**/report.*",
    "**/tumour.nii.gz",
    "**/brain.nii.gz",
    "**/saliency.nii.gz",
    "**/votes_*.nii.gz",
    "**/perfusion_*.nii.gz",
    "**/thumbnail.jpg",
    "**/dicom/",
)
"""Files in OUT that BIDS has no names for, as patterns of ``.bidsignore``."""


def is_bids(folder: Path) -> bool:
    """Whether a folder is a BIDS data set: it describes itself, or holds participants."""
    return (folder / "dataset_description.json").is_file() or (folder / "participants.tsv").is_file()


def studies_in_bids(folder: Path, labels: Iterable[str] = ()) -> tuple[StudyJob, ...]:
    """Take each session of each participant of a BIDS data set as a study.

    Age and sex come from ``participants.tsv``.

    Args:
        folder: of the data set.
        labels: of the participants wanted, with or without ``sub-``; all if empty.

    Raises:
        InputError: if it holds no participant.
        UsageError: if a participant that was asked for is not there.
    """
    participants = {path.name: path for path in sorted(folder.glob("sub-*")) if path.is_dir()}
    if not participants:
        raise InputError(f"{folder.name} holds no participants (folders sub-...): name a BIDS data set")
    wanted = ["sub-" + label.removeprefix("sub-") for label in labels] or list(participants)
    if missing := [name for name in wanted if name not in participants]:
        raise UsageError(f"there is no participant {', '.join(missing)}: correct --participant-label")
    facts = _participants(folder / "participants.tsv")
    return unique(
        job for name in wanted for job in _sessions(participants[name].absolute(), facts.get(name, {}))
    )


def _sessions(participant: Path, facts: Mapping[str, str]) -> Iterator[StudyJob]:
    sessions = sorted(path for path in participant.glob("ses-*") if path.is_dir())
    age, sex = facts.get("age", ""), facts.get("sex", "").casefold()
    for source in sessions or [participant]:
        whole = source == participant
        study_id = participant.name if whole else f"{participant.name}_{source.name}"
        yield StudyJob(
            id=study_id,
            folder=participant.name if whole else f"{participant.name}/{source.name}",
            source=source,
            age=float(age) if re.fullmatch(r"\d{1,3}(\.\d+)?", age) and float(age) <= 120 else None,
            sex=sex[:1].upper() if sex in ("m", "f", "male", "female") else None,
            bids=study_id,
        )


def _participants(table: Path) -> dict[str, dict[str, str]]:
    if not table.is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_text_file(table, "TSV")), delimiter="\t")
    lower = [{str(k).casefold(): str(v).strip() for k, v in row.items()} for row in rows]
    return {row.get("participant_id", ""): row for row in lower}


def write_bids_names(output: Path, job: StudyJob) -> None:
    """Give the masks of a study their names as BIDS derivatives too, as links where the file system has them.

    Args:
        output: folder of the results (OUT).
        job: a study of a BIDS data set, whose results are written.

    Raises:
        OutputError: if a file cannot be written.
    """
    folder = output / job.folder
    for name, bids_name in NAMES.items():
        with atomic_write(folder / "anat" / f"{job.bids}_{bids_name}") as aside:
            try:
                os.link(folder / name, aside)
            except OSError:
                shutil.copyfile(folder / name, aside)


def write_bids_tables(output: Path) -> None:
    """Write what holds for all participants: the names of the labels, and which files are not BIDS.

    Raises:
        OutputError: if a file cannot be written.
    """
    rows = "".join(f"{label.value}\t{label.name.lower()}\n" for label in Label)
    write_text(output / "desc-tumour_dseg.tsv", f"index\tname\n{rows}")
    write_text(output / ".bidsignore", "\n".join(IGNORED) + "\n")
