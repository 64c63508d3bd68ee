"""The folders of the page: results as ``gliotype predict`` writes them, and private files of each case.

CASES/<case>/                        OUT of `gliotype predict`: the command line reads it, too
CASES/.gliotype-web/<case>/          private: case.json, study/ (as uploaded), cache/ (prepared), mask.nii.gz
CASES/.gliotype-web/jobs.sqlite      the queue
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gliotype.atomic_files import write_text
from gliotype.errors import InputError, UsageError
from gliotype.report import OUTPUTS

PRIVATE = ".gliotype-web"
_MAX_NAME = 60


@dataclass(frozen=True)
class Settings:
    """What the user states about a case; see `gliotype.predict`.

    Attributes:
        age: in years, or None.
        sex: ``"M"``, ``"F"`` or None.
        prevalence: of IDH mutation, or None for the usual one.
        sequences: by the name of an image, as what it is taken; ``"none"`` leaves it out.
    """

    age: float | None = None
    sex: str | None = None
    prevalence: float | None = None
    sequences: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Settings:
        """Read what the page sends, or what `case.json` holds.

        Raises:
            UsageError: if a value is of the wrong kind; its range is checked by the run.
        """
        try:
            age, prevalence = (
                None if document.get(name) is None else float(document[name])
                for name in ("age", "prevalence")
            )
        except (TypeError, ValueError):
            raise UsageError("age and prevalence are not numbers: correct or empty them") from None
        sex, sequences = document.get("sex"), document.get("sequences") or {}
        if sex not in ("M", "F", None):
            raise UsageError("sex is neither M nor F: choose one, or none")
        if not isinstance(sequences, Mapping) or not all(
            isinstance(each, str) for each in sequences.values()
        ):
            raise UsageError("the choice of sequences cannot be read: load the page again")
        return cls(age, sex, prevalence, dict(sequences))

    @property
    def arguments(self) -> tuple[str, ...]:
        """As options that `predict` and `revise` share."""
        stated = (("--age", self.age), ("--sex", self.sex), ("--prevalence", self.prevalence))
        return tuple(f"{name}={value}" for name, value in stated if value is not None)

    @property
    def image_arguments(self) -> tuple[str, ...]:
        """As options of `predict` alone."""
        return tuple(f"--image={source}={sequence}" for source, sequence in self.sequences.items())

    def with_sequences(self, stated: Mapping[str, str]) -> dict[str, str]:
        """Return the sequences with others stated; ``"auto"`` leaves an image to identification again."""
        merged = {**self.sequences, **stated}
        return {source: sequence for source, sequence in merged.items() if sequence != "auto"}


@dataclass(frozen=True)
class Case:
    """One case and its folders.

    Attributes:
        id: name of its folder of results.
        results: OUT.
        private: what the page keeps of it.
    """

    id: str
    results: Path
    private: Path

    @property
    def study(self) -> Path:
        """Folder of the uploaded files."""
        return self.private / "study"

    @property
    def cache(self) -> Path:
        """Folder of the prepared study."""
        return self.private / "cache"

    @property
    def job(self) -> Path:
        """Folder of its job."""
        return self.private / "job"

    @property
    def mask(self) -> Path:
        """The corrected outline."""
        return self.private / "mask.nii.gz"

    @property
    def new_mask(self) -> Path:
        """The corrected outline with which a job is to answer; it becomes `mask` when that has ended well."""
        return self.private / "mask-new.nii.gz"

    @property
    def is_from_page(self) -> bool:
        """Whether the page made it; else it was written by the command line."""
        return (self.private / "case.json").is_file()

    @property
    def settings(self) -> Settings:
        """What the user stated last."""
        if not self.is_from_page:
            return Settings()
        return Settings.of(json.loads((self.private / "case.json").read_text(encoding="utf-8")))

    def state(self, settings: Settings) -> None:
        """Keep what the user states."""
        write_text(self.private / "case.json", json.dumps(asdict(settings)))

    def prediction(self) -> dict[str, Any] | None:
        """Read ``prediction.json``; None if there is none that can be read."""
        try:
            document = json.loads((self.results / "prediction.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) and "call" in document else None

    def source(self) -> Path:
        """Return what `predict` reads: the folder of the uploaded files, or the zip if nothing else was uploaded.

        Raises:
            InputError: if nothing was uploaded.
        """
        files = [file for file in self.study.rglob("*") if file.is_file()]
        if not files:
            raise InputError("no file was uploaded: choose a folder or a zip")
        zipped = [file for file in files if file.suffix.lower() == ".zip"]
        if zipped and len(files) > 1:
            raise InputError("a zip was uploaded with other files: give one zip alone, or one folder")
        return zipped[0] if zipped else self.study

    def downloads(self) -> dict[str, Path]:
        """List the files of the results by the name under which they are offered."""
        found = {name: self.results / name for name in OUTPUTS}
        found |= {f"dicom/{file.name}": file for file in sorted((self.results / "dicom").glob("*.dcm"))}
        return {name: file for name, file in found.items() if file.is_file() and not file.is_symlink()}


class CaseFolder:
    """All cases of one page."""

    def __init__(self, root: Path) -> None:
        """Open the folder of the cases; make it if it is missing.

        Args:
            root: with one folder of results for each case.
        """
        self._root = root.absolute()
        self._root.mkdir(parents=True, exist_ok=True)
        self.private.mkdir(mode=0o700, exist_ok=True)
        self.private.chmod(0o700)

    @property
    def private(self) -> Path:
        """What is not for others: the uploads, the prepared studies and the queue."""
        return self._root / PRIVATE

    def ids(self) -> tuple[str, ...]:
        """Name all cases: those of the page, and folders in which the command line has written a prediction."""
        with os.scandir(self._root) as entries:
            folders = {each.name for each in entries if each.is_dir(follow_symlinks=False)}
        written = {
            name
            for name in folders
            if not name.startswith(".") and (self._root / name / "prediction.json").is_file()
        }
        with os.scandir(self.private) as entries:
            return tuple(sorted(written | {each.name for each in entries if each.is_dir()}))

    def case(self, id: str) -> Case:  # noqa: A002
        """Return a case.

        Raises:
            KeyError: if there is none of this name.
        """
        if id not in self.ids():
            raise KeyError(id)
        return self._at(id)

    def __iter__(self) -> Iterator[Case]:
        """Iterate over the cases, the one that changed last first."""
        cases = [self._at(id) for id in self.ids()]  # noqa: A001
        yield from sorted(cases, key=_changed, reverse=True)

    def add(self, name: str, settings: Settings) -> Case:
        """Make a case without files.

        Args:
            name: as the user calls it; its folder is named like it, as far as a name can be.
            settings: what the user states.
        """
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_MAX_NAME] or "case"
        id = plain if name.strip() else f"case-{secrets.token_hex(3)}"  # noqa: A001
        while (self._root / id).exists() or (self.private / id).exists():
            id = f"{plain}-{secrets.token_hex(3)}"  # noqa: A001
        case = self._at(id)
        case.private.mkdir(mode=0o700)
        for folder in (case.study, case.job):
            folder.mkdir()
        case.state(settings)
        return case

    def accept(self, id: str, settings: Mapping[str, Any]) -> None:  # noqa: A002
        """Take over what a job was asked for, now that it has ended well."""
        case = self._at(id)
        case.state(Settings.of(settings))
        if case.new_mask.exists():
            case.new_mask.replace(case.mask)
        elif not settings["mask"]:
            case.mask.unlink(missing_ok=True)

    def remove(self, id: str) -> None:  # noqa: A002
        """Delete a case with its upload and its results; files that Gliotype has not written stay."""
        case = self.case(id)
        for file in case.downloads().values():
            file.unlink()
        for folder in (case.results / "dicom", case.results):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        shutil.rmtree(case.private, ignore_errors=True)

    def _at(self, id: str) -> Case:  # noqa: A002
        return Case(id, self._root / id, self.private / id)


def _changed(case: Case) -> float:
    for file in (case.results / "prediction.json", case.private / "case.json", case.private):
        try:
            return file.stat().st_mtime
        except OSError:
            continue
    return 0.0
