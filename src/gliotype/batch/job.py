"""One study of a batch and the settings that all of them share, as values that travel between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gliotype.study import Sequence


@dataclass(frozen=True)
class StudyJob:
    """A study to be predicted.

    Attributes:
        id: name of the case in the results.
        folder: of its results, relative to OUT, with ``/``.
        source: folder or zip of the study, or one file; None where files are named.
        files: files to take as a sequence, whatever identification would say.
        age: years.
        sex: ``"M"`` or ``"F"``.
        prevalence: proportion of IDH mutation; None for that of the batch.
        mask: tumour mask to use instead of Model 1's.
        bids: with what its file names begin in a BIDS data set (``"sub-01_ses-1"``); None elsewhere.
    """

    id: str
    folder: str
    source: Path | None = None
    files: Mapping[Sequence, Path] = field(default_factory=dict)
    age: float | None = None
    sex: str | None = None
    prevalence: float | None = None
    mask: Path | None = None
    bids: str | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file and folder that it names."""
        named = (self.source, *self.files.values(), self.mask)
        return tuple(path for path in named if path is not None)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "id": self.id,
            "folder": self.folder,
            "source": None if self.source is None else str(self.source),
            "files": {sequence.value: str(path) for sequence, path in self.files.items()},
            "age": self.age,
            "sex": self.sex,
            "prevalence": self.prevalence,
            "mask": None if self.mask is None else str(self.mask),
            "bids": self.bids,
        }

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> StudyJob:
        """Take what `plain` returned."""
        return StudyJob(
            id=values["id"],
            folder=values["folder"],
            source=_path(values["source"]),
            files=_files(values["files"]),
            age=values["age"],
            sex=values["sex"],
            prevalence=values["prevalence"],
            mask=_path(values["mask"]),
            bids=values["bids"],
        )


@dataclass(frozen=True)
class BatchSettings:
    """What all studies of a batch share.

    Attributes:
        output: folder of the results (OUT), absolute.
        prevalence: proportion of IDH mutation where a study has none of its own; None for that of the site, or 0.3.
        thresholds: probabilities at or below which the call is wildtype, and at or above which it is mutant.
        site: file of a local calibration.
        model1: weight of Model 1 to use instead of the shipped one.
        threads: of each study.
        timeout_s: seconds that one study may take.
        memory_bytes: that one study may use.
        retry_failed: whether studies that failed with the same input and settings are predicted again.
    """

    output: Path
    prevalence: float | None = None
    thresholds: tuple[float, float] = (0.2, 0.8)
    site: Path | None = None
    model1: Path | None = None
    threads: int = 1
    timeout_s: float = 1800.0
    memory_bytes: int = 8_000_000_000
    retry_failed: bool = False

    def plain(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return {
            **vars(self),
            "output": str(self.output),
            "thresholds": list(self.thresholds),
            "site": None if self.site is None else str(self.site),
            "model1": None if self.model1 is None else str(self.model1),
        }

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> BatchSettings:
        """Take what `plain` returned."""
        low, high = values["thresholds"]
        paths = {
            "output": Path(values["output"]),
            "site": _path(values["site"]),
            "model1": _path(values["model1"]),
        }
        return BatchSettings(**{**values, **paths, "thresholds": (low, high)})


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _files(named: Mapping[str, str]) -> Mapping[Sequence, Path]:
    if not named:
        return {}
    # Imported here, since it takes a second that a scheduler of many studies cannot spare.
    from gliotype.study import Sequence

    return {Sequence(name): Path(path) for name, path in named.items()}
