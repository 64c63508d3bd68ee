"""The patients of an experiment: their cohorts, and their examples by set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gliotype.errors import InputError
from gliotype.experiment.protocol import CohortSettings, Protocol
from gliotype.experiment.splits import Member
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import Example, Patients, Pool, folder_of, make_examples
from gliotype.train.data.on_disk import FolderPatients
from gliotype.train.data.simulated import Scanner, SimulatedPatients
from gliotype.train.data.targets import LEFT_OUT, left_out, patients_of, write_left_out


def source_of(cohort: CohortSettings, out: Path) -> Patients:
    """Return where the patients of a cohort come from.

    Args:
        cohort: settings of the protocol.
        out: folder of the experiment, in which aligned label maps are cached.
    """
    if cohort.path is not None:
        return FolderPatients(cohort.path, cohort.layout)
    assert cohort.simulated is not None
    assert cohort.patients is not None
    scanner = (
        None
        if cohort.scanner is None
        else Scanner(
            tuple((float(t), fraction) for t, fraction in cohort.scanner.field_t.items()),
            cohort.scanner.thickness_mm,
            cohort.scanner.missing,
        )
    )
    return SimulatedPatients(cohort.simulated, cohort.patients, cohort.seed, scanner, cohort.label_maps, out)


def check_excluded(protocol: Protocol, sources: Mapping[str, Patients]) -> None:
    """Make sure that a cohort has the patients whom the protocol excludes from it.

    Raises:
        InputError: if not.
    """
    for name, cohort in protocol.cohorts.items():
        if unknown := sorted(set(cohort.exclude) - set(sources[name].subjects)):
            raise InputError(
                f"cohorts.{name}.exclude: {', '.join(unknown[:5])} is not in the cohort: write the names as it does"
            )


def sources_of_target(protocol: Protocol, sources: Mapping[str, Patients], out: Path) -> dict[str, Patients]:
    """Return the patients of the protocol's target, and list those who are left out in ``left_out.csv``.

    Raises:
        InputError: if a cohort has none; it names the cohort.
    """
    chosen: dict[str, Patients] = {}
    for name, source in sources.items():
        try:
            chosen[name] = patients_of(protocol.aim, source)
        except InputError as error:
            raise InputError(f"cohorts.{name}: {error}") from error
    reasons = {name: left_out(patients) for name, patients in chosen.items()}
    if any(reasons.values()):
        write_left_out(reasons, out / LEFT_OUT)
    else:
        (out / LEFT_OUT).unlink(missing_ok=True)
    return chosen


@dataclass
class ExampleStore:
    """The examples of an experiment's patients on disk, read once in each process.

    Attributes:
        sources: patients by set.
        cache: folder of all cached examples.
        inputs: arrays that the methods ask for in addition to those of every example.
    """

    sources: Mapping[str, Patients]
    cache: Path
    inputs: frozenset[str]
    _read: dict[Member, Example] = field(default_factory=dict, repr=False)
    _keys: dict[Member, str] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": {}}

    def make(
        self, name: str, subjects: Iterable[str], pool: Pool | None = None, progress: Progress = no_progress
    ) -> list[Example]:
        """Make the examples of a set, or read those made before; see `make_examples`."""
        subjects = tuple(subjects)
        missing = [subject for subject in subjects if (name, subject) not in self._read]
        made = make_examples(
            self.sources[name], self.cache, subjects=missing, inputs=self.inputs, pool=pool, progress=progress
        )
        self._read.update({(name, example.subject): example for example in made})
        return [self._read[name, subject] for subject in subjects]

    def read(self, members: Iterable[Member]) -> list[Example]:
        """Return the examples of patients of any sets, in order."""
        members = tuple(members)
        for name in dict.fromkeys(name for name, _ in members):
            self.make(name, [subject for other, subject in members if other == name])
        return [self._read[member] for member in members]

    def values(self, members: Iterable[Member], column: str) -> list[str]:
        """Return what a column says of each patient; nothing where it does not."""
        return [self.sources[name].strata(subject).get(column, "") for name, subject in members]

    def keys(self, members: Iterable[Member]) -> list[str]:
        """Name everything that each patient's example depends on."""
        members = tuple(members)
        unknown = [member for member in members if member not in self._keys]
        folders = {
            name: folder_of(self.sources[name], self.cache, self.inputs).name
            for name in dict.fromkeys(name for name, _ in unknown)
        }
        self._keys |= {
            (name, subject): f"{folders[name]} {self.sources[name].key(subject)}" for name, subject in unknown
        }
        return [self._keys[member] for member in members]
