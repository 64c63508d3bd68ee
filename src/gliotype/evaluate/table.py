"""Predictions and labels from CSV files, joined by subject."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.cohorts import IDH, Target, is_codeleted, is_mutant
from gliotype.errors import InputError
from gliotype.paths import as_path
from gliotype.predictors.predictor import DEFAULT_PREVALENCE
from gliotype.tables import is_unknown, plain, read_text_file

Floats = NDArray[np.float64]

MAX_STRATA = 20
"""A column of the labels with more distinct values than this does not stratify the patients."""

NOT_GIVEN = "not given"

_COLUMNS = ("subject", "probability", "prevalence", "idh", "age")
"""Columns with a meaning of their own; the header may write them in any case."""


@dataclass(frozen=True)
class Labels:
    """What is known about the patients.

    Attributes:
        name: of the file.
        mutant: whether an IDH mutation was found, by subject; those with an empty field are left out.
        age: years by subject, where given.
        columns: every other column, by name: its text by subject, empty where not given.
        target: what the label is; with codeletion, `mutant` is whether a patient is codeleted.
    """

    name: str
    mutant: Mapping[str, bool]
    age: Mapping[str, float]
    columns: Mapping[str, Mapping[str, str]]
    target: Target = IDH


@dataclass(frozen=True)
class Predictions:
    """The probability of IDH mutation of each subject, None for a no-call.

    Attributes:
        name: of the file.
        probability: by subject, 0 to 1.
        prevalence: to which a subject's prediction refers, where the file states it.
    """

    name: str
    probability: Mapping[str, float | None]
    prevalence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Patients:
    """The patients who have a label and a prediction, sorted by subject.

    Attributes:
        subjects: their names.
        mutant: whether IDH-mutant.
        score: probability of IDH mutation; of a no-call, the prevalence that was stated for it.
        no_call: whether the prediction was empty.
        prevalence: to which each prediction refers, stated with it or for all.
        age: years, NaN where not given.
        strata: by column, each patient's value.
        unused_columns: columns with one value, or with too many to stratify the patients.
        without_label: number of predictions whose subject has no label.
        without_prediction: number of labels whose subject has no prediction.
        sources: names of the files, ``predictions`` and ``labels``.
        target: what was predicted.
    """

    subjects: tuple[str, ...]
    mutant: NDArray[np.bool_]
    score: Floats
    no_call: NDArray[np.bool_]
    prevalence: Floats
    age: Floats
    strata: Mapping[str, tuple[str, ...]]
    unused_columns: tuple[str, ...]
    without_label: int
    without_prediction: int
    sources: Mapping[str, str]
    target: Target = IDH

    @property
    def age_score(self) -> Floats:
        """Age as a score, (n,): the higher, the likelier is the positive class; NaN where not given."""
        return self.age if self.target.older else -self.age


def read_predictions(path: str | Path) -> Predictions:
    """Read the columns ``subject`` and ``probability``, and ``prevalence`` if there is one.

    An empty probability is a no-call. A folder is read for the ``prediction.json`` in each folder within it.

    Raises:
        InputError: if the file cannot be read, a column is missing, a subject occurs twice, a probability
            is not a number from 0 to 1, or a prevalence is not one between 0 and 1.
    """
    path = as_path(path)
    if path.is_dir():
        return _read_results(path)
    found: dict[str, float | None] = {}
    prevalence: dict[str, float] = {}
    for where, subject, row in _rows(path, ("subject", "probability")):
        text = row["probability"]
        found[subject] = _within(text, 1.0) if text else None
        if text and found[subject] is None:
            raise InputError(
                f"{where}: the probability {text!r} is not a number from 0 to 1: write the probability of an "
                "IDH mutation, or leave it empty for a no-call"
            )
        stated = row.get("prevalence", "")
        if not is_unknown(stated):
            number = _within(stated, 1.0)
            if number in (None, 0.0, 1.0):
                raise InputError(
                    f"{where}: the prevalence {stated!r} is not a number between 0 and 1: correct or empty it"
                )
            prevalence[subject] = number
    return Predictions(path.name, found, prevalence)


def _read_results(folder: Path) -> Predictions:
    """Read ``prediction.json`` of each patient's folder within a folder.

    Raises:
        InputError: if there is none, one cannot be read, a subject occurs twice, or a prediction was made with a site
            calibration, which a calibration must not rest on.
    """
    found: dict[str, float | None] = {}
    prevalence: dict[str, float] = {}
    for path in sorted(folder.glob("*/prediction.json")):
        where = f"{path.parent.name}/{path.name}"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            subject, probability = document["subject"], document["probability"]
            stated = float(document["prevalence"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{where} is not a prediction of Gliotype: remove it, or predict again"
            ) from error
        if subject in found:
            raise InputError(
                f"{where}: the subject {subject!r} occurs a second time: predict each with its own --id"
            )
        if document.get("site"):
            raise InputError(
                f"{where} was made with a site calibration: predict without one to calibrate or evaluate anew"
            )
        found[str(subject)], prevalence[str(subject)] = probability, stated
    if not found:
        raise InputError(
            f"{folder} has no prediction.json in any folder within it: name the folder of the results"
        )
    return Predictions(folder.name, found, prevalence)


def read_labels(path: str | Path, target: Target = IDH) -> Labels:
    """Read the columns ``subject`` and ``idh``, ``age`` if there is one, and all others as text.

    ``idh`` is 1 or ``mutant``, 0 or ``wildtype``, or empty where it is not known (see `is_mutant`).
    ``age`` is in years, or empty or NA.
    With the target codeletion, the column ``codeletion`` is read instead (see `is_codeleted`); where there is a column
    ``idh``, too, only mutants have a label.

    Raises:
        InputError: if the file cannot be read, a column is missing, a subject occurs twice, or a value of
            ``idh``, ``codeletion`` or ``age`` has no meaning.
    """
    path = as_path(path)
    mutant: dict[str, bool] = {}
    age: dict[str, float] = {}
    columns: dict[str, dict[str, str]] = {}
    for where, subject, row in _rows(path, ("subject", target.name)):
        word, years = row.pop(target.name), row.pop("age", "")
        try:
            status = is_mutant(word) if target == IDH else is_codeleted(word)
            if is_mutant(row.pop(IDH.name, IDH.positive)) is not True:
                status = None
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if status is not None:
            mutant[subject] = status
        number = None if is_unknown(years) else _within(years, 120.0)
        if not is_unknown(years) and number is None:
            raise InputError(f"{where}: the age {years!r} is not in years from 0 to 120: correct or empty it")
        if number is not None:
            age[subject] = number
        for column, text in row.items():
            columns.setdefault(column, {})[subject] = text
    return Labels(path.name, mutant, age, columns, target)


def join(predictions: Predictions, labels: Labels, *, prevalence: float = DEFAULT_PREVALENCE) -> Patients:
    """Put predictions and labels of the same subjects together.

    A column of the labels with 2 to `MAX_STRATA` distinct values among these patients stratifies them,
    unless each has a value of their own, as a name is; and so does age, into 0-44, 45-60, and 61 or more completed
    years.

    Args:
        predictions: of each subject.
        labels: of each subject.
        prevalence: of IDH mutation, the score of a no-call whose prediction states none. It is that of the clinic, not
            of these patients, whose proportion of mutants nobody knew beforehand.

    Raises:
        InputError: if fewer than two mutant or two wildtype patients have a prediction.
    """
    subjects = tuple(sorted(predictions.probability.keys() & labels.mutant.keys()))
    if not subjects:
        raise InputError(
            f"no subject of {predictions.name} (such as {_example(predictions.probability)}) has a label in "
            f"{labels.name} (such as {_example(labels.mutant)}): write the subjects alike in both"
        )
    mutant = np.array([labels.mutant[subject] for subject in subjects])
    which = f"with a prediction in {predictions.name} and a label in {labels.name}"
    check_both_classes(mutant, which, labels.target.classes)
    given = [predictions.probability[subject] for subject in subjects]
    stated = np.array([predictions.prevalence.get(subject, prevalence) for subject in subjects])
    score = np.array([p if value is None else value for value, p in zip(given, stated, strict=True)])
    age = np.array([labels.age.get(subject, np.nan) for subject in subjects])
    columns = {
        name: tuple(texts[subject] or NOT_GIVEN for subject in subjects)
        for name, texts in labels.columns.items()
    }
    if np.isfinite(age).any():
        columns["age"] = tuple(_age_band(years) for years in age)
    strata = {
        name: values
        for name, values in columns.items()
        if 2 <= len(set(values)) <= min(MAX_STRATA, len(subjects) - 1)
    }
    return Patients(
        subjects=subjects,
        mutant=mutant,
        score=score,
        no_call=np.array([value is None for value in given]),
        prevalence=stated,
        age=age,
        strata=strata,
        unused_columns=tuple(name for name in columns if name not in strata),
        without_label=len(predictions.probability) - len(subjects),
        without_prediction=len(labels.mutant) - len(subjects),
        sources={"predictions": predictions.name, "labels": labels.name},
        target=labels.target,
    )


def has_both_classes(mutant: NDArray[np.bool_]) -> bool:
    """Determine whether there are two mutant and two wildtype patients, the least for an AUROC."""
    return min(int(mutant.sum()), int((~mutant).sum())) >= 2


def check_both_classes(mutant: Iterable[bool], which: str, classes: tuple[str, str] = IDH.classes) -> None:
    """Make sure that there are two mutant and two wildtype patients, or two of each class of another target.

    Args:
        mutant: whether each is IDH-mutant.
        which: completes "the patients ...".
        classes: words for both, the positive one first.

    Raises:
        InputError: if not.
    """
    status = np.array([bool(each) for each in mutant], dtype=np.bool_)
    if not has_both_classes(status):
        raise InputError(
            f"the patients {which} are {status.sum()} {classes[0]} and {(~status).sum()} {classes[1]}: two of "
            "each are the least, so add patients"
        )


def paired(first: Patients, second: Patients) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return mutant or not, and both scores, of the patients whom two sets of predictions share."""
    position = {subject: index for index, subject in enumerate(second.subjects)}
    mine = [index for index, subject in enumerate(first.subjects) if subject in position]
    theirs = [position[first.subjects[index]] for index in mine]
    return first.mutant[mine], first.score[mine], second.score[theirs]


def _age_band(years: float) -> str:
    if np.isnan(years):
        return NOT_GIVEN
    return "0-44" if years < 45 else "45-60" if years < 61 else "61 or more"


def _example(subjects: Mapping[str, object]) -> str:
    return repr(next(iter(subjects), "none at all"))


def _within(text: str, most: float) -> float | None:
    """Return a number from 0 to `most`, and None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= most else None


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each row's position (``file, line n``), its subject and its other fields, stripped of blanks.

    Raises:
        InputError: if the file is missing, no CSV in UTF-8 or empty, a column of `needed` is missing, a row has
            another number of fields than the header, or a subject is empty or occurs twice.
    """
    try:
        reader = csv.reader(io.StringIO(read_text_file(path, "CSV"), newline=""), strict=True)
        lines = [(reader.line_num, [plain(field) for field in line]) for line in reader if any(line)]
    except csv.Error as error:
        raise InputError(f"{path.name} is not CSV in UTF-8 ({error}): save it as that") from error
    if len(lines) < 2:
        raise InputError(f"{path.name} has no rows: give it a header and a line for each subject")
    known = {*_COLUMNS, *needed}
    header = [name.lower() if name.lower() in known else name for name in lines[0][1]]
    for column in (*needed, *(name for name in _COLUMNS if header.count(name) > 1)):
        if header.count(column) != 1:
            raise InputError(
                f"{path.name} has {header.count(column)} columns named {column!r} "
                f"(its header is {', '.join(header)}): it needs one, and commas between the columns"
            )
    seen = set()
    for number, fields in lines[1:]:
        where = f"{path.name}, line {number}"
        if len(fields) != len(header):
            raise InputError(f"{where} has {len(fields)} fields, the header {len(header)}: make them alike")
        row = dict(zip(header, fields, strict=True))
        subject = row.pop("subject")
        if not subject or subject in seen:
            found = f"the subject {subject!r} occurs a second time" if subject else "the subject is empty"
            raise InputError(f"{where}: {found}: give each subject one line")
        seen.add(subject)
        yield where, subject, row
