"""Read a cohort's folder and tables into patients."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gliotype.cohorts.layout import LAYOUTS, Layout
from gliotype.cohorts.names import canonical
from gliotype.cohorts.patient import CohortPatient
from gliotype.cohorts.status import is_mutant
from gliotype.errors import InputError, UsageError
from gliotype.study import Sequence, Subject

_SEX = {"m": "M", "male": "M", "f": "F", "female": "F"}

Row = Mapping[str, str]


def read_cohort(folder: Path, layout: str) -> tuple[CohortPatient, ...]:
    """Read the patients of a cohort whose IDH status is known.

    Args:
        folder: of the cohort, with its tables.
        layout: one of `LAYOUTS`.

    Returns:
        Patients in the order of their names.

    Raises:
        UsageError: for an unknown layout.
        InputError: if the folder, its tables, a needed column or the images of a labelled patient are missing, no
            label matches a patient, a label has no meaning, or a patient is labelled twice.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"there is no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    chosen = LAYOUTS[layout]
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the folder of a cohort in the layout {layout}")
    rows = _rows(folder, chosen)
    places = _folders(folder, chosen)
    if not places:
        raise InputError(f"{folder} holds no patient in the layout {layout} (folders {chosen.folders})")
    patients: list[CohortPatient] = []
    without: list[CohortPatient] = []
    for name in sorted(places):
        row = rows.get(canonical(name))
        mutant = None if row is None else _status(name, row.get(chosen.columns["idh"], ""))
        if row is None or mutant is None:
            continue
        patient = _patient(folder, places[name], name, mutant, row, chosen)
        (patients if patient.files else without).append(patient)
    if without:
        names = ", ".join(p.subject.id for p in without[:5])
        raise InputError(
            f"{len(without)} labelled patients have no structural image ({names}): complete or remove their folders"
        )
    if not patients:
        raise InputError(
            f"no label matches a patient: the tables name {_example(rows)}, the folders {min(places)}; "
            "the IDH status is 1/0 or mutant/wildtype"
        )
    return tuple(patients)


def _status(name: str, text: str) -> bool | None:
    try:
        return is_mutant(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _patient(cohort: Path, folder: Path, name: str, mutant: bool, row: Row, layout: Layout) -> CohortPatient:
    examinations = sorted(folder.glob(layout.examinations)) if layout.examinations else []
    examination, files = _images(folder, examinations or [folder], layout)
    others = {each.name for each in examinations if each != examination}
    masks = _matching(cohort, layout.mask, folder.name)
    known = {fact: row.get(column, "").strip() for fact, column in layout.columns.items()}
    facts = {fact: text for fact, text in known.items() if text and text.lower() not in ("n/a", "unknown")}
    return CohortPatient(
        Subject(name, _age(facts.get("age", "")), _SEX.get(facts.get("sex", "").lower())),
        mutant,
        files,
        next((mask for mask in masks if others.isdisjoint(mask.parts)), None),
        _aliases(row, layout),
        {fact: text for fact, text in facts.items() if fact not in ("idh", "age", "sex")},
    )


def _aliases(row: Row, layout: Layout) -> tuple[str, ...]:
    """Return the names in other data sets; one without a number, such as ``not in TCIA``, is nobody's."""
    names = []
    for pattern in layout.aliases:
        known = {column: row.get(column, "") for column in re.findall(r"{(.*?)}", pattern)}
        if all(known.values()) and re.search(r"\d", [*known.values()][-1]):
            names.append(pattern.format_map(known))
    return tuple(names)


def _folders(cohort: Path, layout: Layout) -> dict[str, Path]:
    """Return the patients' folders by the patient's name; the first in order where one has several."""
    found: dict[str, Path] = {}
    for path in sorted(cohort.glob(layout.folders)):
        match = re.match(layout.subject, path.name)
        if match and path.is_dir() and "derivatives" not in path.relative_to(cohort).parts:
            found.setdefault(match.group(1), path)
    return found


def _images(folder: Path, examinations: Iterable[Path], layout: Layout) -> tuple[Path, dict[Sequence, Path]]:
    """Find a patient's first examination that has images, and these."""
    for examination in examinations:
        found = {
            sequence: file
            for sequence, patterns in layout.images.items()
            if (file := next(_matching(examination, patterns, folder.name), None))
        }
        if found:
            return examination, found
    return folder, {}


def _matching(folder: Path, patterns: tuple[str, ...], name: str) -> Iterator[Path]:
    """Yield the files that match a pattern, those of the first pattern first."""
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for pattern in patterns:
        if not pattern.startswith("!"):
            files = sorted(folder.glob(pattern.replace("{id}", name)))
            yield from (file for file in files if not any(file.match(each) for each in unwanted))


def _rows(folder: Path, layout: Layout) -> dict[str, dict[str, str]]:
    """Join all tables of a cohort by the patient's name."""
    tables = [file for pattern in layout.tables for file in sorted(folder.glob(pattern))]
    if not tables:
        raise InputError(
            f"{folder} holds no table ({' or '.join(layout.tables)}): put the cohort's table there"
        )
    joined: dict[str, dict[str, str]] = {}
    for table in tables:
        seen: set[str] = set()
        for row in _table(table):
            name = next((row[column] for column in layout.identity if row.get(column)), None)
            if name is None:
                continue
            key = canonical(name)
            if key in seen:
                raise InputError(f"{table.name} names {name} twice: give each patient one line")
            seen.add(key)
            joined.setdefault(key, {}).update(row)
    if not any(layout.columns["idh"] in row for row in joined.values()):
        raise InputError(
            f"no table of {folder} has the columns {layout.identity[0]!r} and {layout.columns['idh']!r}: "
            f"found {', '.join(table.name for table in tables)}"
        )
    return joined


def _table(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            separator = "\t" if file.suffix == ".tsv" else ","
            return [
                {str(key).strip(): (value or "").strip() for key, value in row.items() if key}
                for row in csv.DictReader(text, delimiter=separator)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the table {file.name} cannot be read ({error}): save it as CSV in UTF-8"
        ) from error


def _age(text: str) -> float | None:
    try:
        years = float(text.rstrip("+"))
    except ValueError:
        return None
    return years if 0 <= years <= 120 else None


def _example(rows: Mapping[str, Row]) -> str:
    return repr(next(iter(rows), "none at all"))
