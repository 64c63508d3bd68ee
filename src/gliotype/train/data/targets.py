"""The patients of a target: all of a source, or its IDH-mutant ones whose 1p/19q status is known."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gliotype.atomic_files import write_text
from gliotype.cohorts import CODELETION, IDH, Target, is_codeleted
from gliotype.errors import InputError
from gliotype.tables import cell
from gliotype.train.data.examples import NO_INPUTS, Example, Patients

LEFT_OUT = "left_out.csv"
"""Table of the patients whom a target leaves out."""


@dataclass(frozen=True)
class CodeletionPatients:
    """The IDH-mutant patients of a source whose 1p/19q status is known; `mutant` is whether they are codeleted.

    Attributes:
        source: of all patients.
    """

    source: Patients

    @cached_property
    def codeleted(self) -> Mapping[str, bool]:
        """Whether each patient is codeleted, by name.

        Raises:
            InputError: if a 1p/19q status has no meaning; it names the patient.
        """
        found: dict[str, bool] = {}
        for subject in self.source.subjects:
            if self.source.mutant(subject) and (status := self._status(subject)) is not None:
                found[subject] = status
        return found

    def _status(self, subject: str) -> bool | None:
        try:
            return is_codeleted(self.source.strata(subject).get(CODELETION.name, ""))
        except InputError as error:
            raise InputError(f"{subject}: {error}") from error

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self.codeleted)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What all examples depend on."""
        return self.source.settings

    def key(self, subject: str) -> str:
        """Name a patient after the 1p/19q status, too, which is stored with the example."""
        return f"{self.source.key(subject)} {CODELETION.word(self.codeleted[subject])}"

    def mutant(self, subject: str) -> bool:
        """Determine whether a patient is of the positive class: codeleted."""
        return self.codeleted[subject]

    def strata(self, subject: str) -> Mapping[str, str]:
        """Return what else is known, without the 1p/19q status itself."""
        return _without_label(self.source.strata(subject))

    def identities(self, subject: str) -> frozenset[str]:
        """Return all names under which a patient may be met elsewhere."""
        return self.source.identities(subject)

    def images(self, subject: str) -> tuple[Path, ...]:
        """Return the files by whose content the patient is recognised under another name."""
        return self.source.images(subject)

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Make the example of a patient."""
        made = self.source.example(subject, inputs)
        return replace(made, mutant=self.codeleted[subject], strata=_without_label(made.strata))


def _without_label(strata: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in strata.items() if name != CODELETION.name}


def patients_of(target: Target, source: Patients) -> Patients:
    """Return the patients of a target, each with its label.

    Args:
        target: what is predicted.
        source: of all patients.

    Raises:
        InputError: if the target is codeletion and no IDH-mutant patient has a known 1p/19q status, or one has no
            meaning.
    """
    if target == IDH:
        return source
    patients = CodeletionPatients(source)
    if not patients.subjects:
        raise InputError(
            "no IDH-mutant patient of the cohort has a known 1p/19q status: add the column codeletion (codeleted or "
            "intact) to its table"
        )
    return patients


def left_out(patients: Patients) -> dict[str, str]:
    """Say why each patient is left out of a target, by name; nobody is of the target IDH."""
    if not isinstance(patients, CodeletionPatients):
        return {}
    source = patients.source
    return {
        subject: "1p/19q status not known" if source.mutant(subject) else IDH.word(positive=False)
        for subject in source.subjects
        if subject not in patients.codeleted
    }


def left_out_words(reasons: Mapping[str, str]) -> str:
    """Count the patients who are left out by reason.

    Example:
        >>> left_out_words({"a": "IDH-wildtype", "b": "1p/19q status not known", "c": "IDH-wildtype"})
        '3 patients left out: 2 IDH-wildtype, 1 1p/19q status not known'
    """
    counts = ", ".join(f"{count} {why}" for why, count in Counter(reasons.values()).most_common())
    return f"{len(reasons)} patient{'' if len(reasons) == 1 else 's'} left out: {counts}"


def write_left_out(reasons: Mapping[str, Mapping[str, str]], file: Path) -> None:
    """Write the patients who are left out, by cohort and name, with the reasons."""
    text = io.StringIO()
    lines = [(cohort, *line) for cohort, of_cohort in reasons.items() for line in of_cohort.items()]
    table = [("cohort", "subject", "reason"), *lines]
    csv.writer(text, lineterminator="\n").writerows([cell(field) for field in line] for line in table)
    write_text(file, text.getvalue())
