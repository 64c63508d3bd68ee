"""Read a cohort's folder and tables into patients."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gliotype.cohorts.layout import LAYOUTS, SUB_LABELS, Layout
from gliotype.cohorts.names import canonical, examination
from gliotype.cohorts.patient import CohortPatient
from gliotype.cohorts.status import grade_of, idh_variant, is_codeleted, is_mutant
from gliotype.cohorts.target import CODELETION
from gliotype.errors import InputError, UsageError
from gliotype.paths import as_path
from gliotype.study import Sequence, Subject
from gliotype.tables import is_unknown, plain, read_text_file

_SEX = {"m": "M", "male": "M", "f": "F", "female": "F"}

Row = Mapping[str, str]


def read_cohort(folder: str | Path, layout: str) -> tuple[CohortPatient, ...]:
    """Read the patients of a cohort whose IDH status is known.

    Args:
        folder: of the cohort, with its tables.
        layout: one of `LAYOUTS`.

    Returns:
        Patients in the order of their names.

    Raises:
        UsageError: for an unknown layout.
        InputError: if the folder, its tables, a needed column or the images of a labelled patient are missing, no
            label matches a patient, a label or an age has no meaning, or a patient is labelled twice.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"there is no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    folder = as_path(folder)
    chosen = LAYOUTS[layout]
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give the folder of a cohort in the layout {layout}")
    rows = _rows(folder, chosen)
    folders = _folders(folder, chosen)
    if not folders:
        raise InputError(f"{folder} holds no patient in the layout {layout} (folders {chosen.folders})")
    patients: list[CohortPatient] = []
    without: list[CohortPatient] = []
    for name in sorted(folders):
        own = rows.get(canonical(name), [])
        mutant = _status(name, own, chosen.columns["idh"])
        if mutant is None:
            continue
        patient = _patient(folder, folders[name], name, mutant, own, chosen)
        (patients if patient.files else without).append(patient)
    if without:
        names = ", ".join(p.subject.id for p in without[:5])
        raise InputError(
            f"{len(without)} labelled patients have no structural image ({names}): complete or remove their folders"
        )
    if not patients:
        raise InputError(
            f"no label matches a patient: the tables name {_example(rows)}, the folders {min(folders)}; "
            "the IDH status is 1/0 or mutant/wildtype"
        )
    return tuple(patients)


def _status(name: str, rows: list[Row], column: str) -> bool | None:
    try:
        statuses = {is_mutant(_cell(row, column)) for row in rows} - {None}
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if len(statuses) > 1:
        raise InputError(f"{name} is labelled mutant and wildtype: correct the tables")
    return next(iter(statuses), None)


def _sub_labels(rows: list[Row], idh: str) -> dict[str, str]:
    """Return the 1p/19q status and the IDH variant of a patient, where they are known.

    A 1p/19q status that has no meaning, or two, stay as they are written: only who asks for it needs to correct them.
    """
    found: dict[str, str] = {}
    statuses = {_codeletion(text) for text in _sub_label_cells(rows, CODELETION.name)} - {None}
    if statuses:
        found[CODELETION.name] = " and ".join(sorted(filter(None, statuses)))
    stated = [*_sub_label_cells(rows, "idh_variant"), *(_cell(row, idh) for row in rows)]
    if variant := next(filter(None, map(idh_variant, stated)), None):
        found["idh_variant"] = variant
    return found


def _codeletion(text: str) -> str | None:
    try:
        codeleted = is_codeleted(text)
    except InputError:
        return text
    return None if codeleted is None else CODELETION.positive if codeleted else CODELETION.negative


def _sub_label_cells(rows: list[Row], fact: str) -> Iterator[str]:
    """Yield the texts of all columns that state a fact of `SUB_LABELS`."""
    for row in rows:
        for column, text in row.items():
            if re.sub(r"[\W_]", "", column) in SUB_LABELS[fact]:
                yield text


def _cell(row: Row, column: str) -> str:
    """Return the text of a column, whose name may be written in any case."""
    return row.get(column.casefold(), "")


def _first_known(rows: list[Row], column: str) -> str | None:
    """Return the text of the first row that has a known value in a column; None where no row has."""
    texts = (_cell(row, column) for row in rows)
    return next((text for text in texts if not is_unknown(text)), None)


def _patient(
    cohort: Path, folders: list[Path], name: str, mutant: bool, rows: list[Row], layout: Layout
) -> CohortPatient:
    """Join a patient's first examination that has images with the first known value of each fact."""
    folder, examination_folder, files = _images(folders, layout)
    others = {each.name for each in _examinations(folder, layout) if each != examination_folder}
    masks = _matching(cohort, layout.mask, folder.name)
    texts = {fact: _first_known(rows, column) for fact, column in layout.columns.items()}
    facts = {fact: text for fact, text in texts.items() if text is not None}
    if "grade" in facts:
        facts["grade"] = grade_of(facts["grade"])
    strata = {fact: text for fact, text in facts.items() if fact not in ("idh", "age", "sex")}
    return CohortPatient(
        Subject(name, _age(name, facts.get("age")), _SEX.get(facts.get("sex", "").lower())),
        mutant,
        files,
        next((mask for mask in masks if others.isdisjoint(mask.parts)), None),
        tuple(alias for row in rows for alias in _aliases(row, layout)),
        {**strata, **_sub_labels(rows, layout.columns["idh"])},
        _found(examination_folder, layout.functional, folder.name),
    )


def _aliases(row: Row, layout: Layout) -> Iterator[str]:
    """Yield the names in other data sets; one without a number, such as ``not in TCIA``, is not a name."""
    for pattern in layout.aliases:
        known = {column: _cell(row, column) for column in re.findall(r"{(.*?)}", pattern)}
        if all(known.values()) and re.search(r"\d", [*known.values()][-1]):
            yield pattern.format_map(known)


def _folders(cohort: Path, layout: Layout) -> dict[str, list[Path]]:
    """Return the patients' folders, the first examination's first, by the name of the first."""
    found: dict[str, list[tuple[tuple[str, bool, str], Path, str]]] = {}
    for path in cohort.glob(layout.folders):
        match = re.match(layout.subject, path.name)
        if match and path.is_dir() and "derivatives" not in path.relative_to(cohort).parts:
            name = match.group(1)
            found.setdefault(canonical(name), []).append((examination(name), path, name))
    return {min(folders)[2]: [path for _, path, _ in sorted(folders)] for folders in found.values()}


def _examinations(folder: Path, layout: Layout) -> list[Path]:
    """Return the folders of a patient's examinations in order; the patient's own where there are none."""
    return (sorted(folder.glob(layout.examinations)) if layout.examinations else []) or [folder]


def _images(folders: list[Path], layout: Layout) -> tuple[Path, Path, dict[Sequence, Path]]:
    """Find a patient's first folder and examination that have images, and these."""
    for folder in folders:
        for examination_folder in _examinations(folder, layout):
            if found := _found(examination_folder, layout.images, folder.name):
                return folder, examination_folder, found
    return folders[0], folders[0], {}


def _found(folder: Path, images: Mapping[Sequence, tuple[str, ...]], name: str) -> dict[Sequence, Path]:
    """Find the file of each sequence that an examination has."""
    return {
        sequence: file
        for sequence, patterns in images.items()
        if (file := next(_matching(folder, patterns, name), None))
    }


def _matching(folder: Path, patterns: tuple[str, ...], name: str) -> Iterator[Path]:
    """Yield the files that match a pattern, those of the first pattern first."""
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for pattern in patterns:
        if not pattern.startswith("!"):
            files = sorted(folder.glob(pattern.replace("{id}", name)))
            yield from (file for file in files if not any(file.match(each) for each in unwanted))


def _rows(folder: Path, layout: Layout) -> dict[str, list[Row]]:
    """Join all tables of a cohort by the patient's name: the rows of a patient's examinations, the first one first."""
    tables = [file for pattern in layout.tables for file in sorted(folder.glob(pattern))]
    if not tables:
        raise InputError(
            f"{folder} holds no table ({' or '.join(layout.tables)}): put the cohort's table there"
        )
    joined: dict[tuple[str, bool, str], dict[str, str]] = {}
    for table in tables:
        seen: set[tuple[str, bool, str]] = set()
        for row in _table(table):
            name = next(filter(None, (_cell(row, column) for column in layout.identity)), None)
            if name is None:
                continue
            key = examination(name)
            if key in seen:
                places = sorted({_cell(joined[key], "site"), _cell(row, "site")} - {""})
                where = f", at {' and '.join(places)}" if len(places) > 1 else ""
                raise InputError(f"{table.name} names {name} twice{where}: give each patient one line")
            seen.add(key)
            joined.setdefault(key, {}).update(row)
    if not any(layout.columns["idh"].casefold() in row for row in joined.values()):
        raise InputError(
            f"no table of {folder} has the columns {layout.identity[0]!r} and {layout.columns['idh']!r}: "
            f"found {', '.join(table.name for table in tables)}"
        )
    patients: dict[str, list[Row]] = {}
    for key in sorted(joined):
        patients.setdefault(key[0], []).append(joined[key])
    return patients


def _table(file: Path) -> list[dict[str, str]]:
    separator = "\t" if file.suffix == ".tsv" else ","
    try:
        rows = csv.DictReader(io.StringIO(read_text_file(file, "CSV"), newline=""), delimiter=separator)
        return [
            {key.strip().casefold(): plain(value or "") for key, value in row.items() if key} for row in rows
        ]
    except csv.Error as error:
        raise InputError(
            f"the table {file.name} cannot be read ({error}): save it as CSV in UTF-8"
        ) from error


def _age(name: str, text: str | None) -> float | None:
    """Read an age in years; ``89+`` and ``041Y`` are such."""
    if text is None:
        return None
    try:
        years = float(text.rstrip("+Yy"))
    except ValueError:
        years = -1.0
    if not 0 <= years <= 120:
        raise InputError(
            f"{name}: the age is {text!r}: write years such as 41.5, or leave it empty if not known"
        )
    return years


def _example(rows: Mapping[str, list[Row]]) -> str:
    return repr(next(iter(rows), "none at all"))
