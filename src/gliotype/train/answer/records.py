"""What is stored of a labelled patient to fit the answer: numbers and statements for every plausible outline."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gliotype.answer.combine import Statements
from gliotype.answer.gate import gate
from gliotype.answer.statements import AS_DRAWN, ask
from gliotype.atomic_files import reading_cached, write_text
from gliotype.cohorts import CohortPatient
from gliotype.findings import Statement
from gliotype.measure import measure
from gliotype.predictors.age import age_statement
from gliotype.predictors.logistic import LogisticModel
from gliotype.prepare import prepare
from gliotype.read import read_mask, read_study
from gliotype.segment import find_brain, given_tumour, segment
from gliotype.study import PreparedStudy, Study, Subject, Tumour

EXPERT = "expert's mask"
"""Name of the outline that an expert drew."""


@dataclass(frozen=True)
class OutlineRecord:
    """One outline of a patient.

    Attributes:
        name: how it was drawn.
        numbers: shape features and signal ratios that could be measured, by name.
        statements: log likelihood ratio and its standard deviation of the methods that are not refitted, by name.
    """

    name: str
    numbers: dict[str, float]
    statements: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class PatientRecord:
    """A labelled patient.

    Attributes:
        patient: name in the cohort.
        cohort: name of the cohort.
        mutant: whether IDH-mutant.
        age: years, or None.
        outlines: the drawn one first; none where no tumour was found.
        expert: the expert's mask, or None.
        gate: reasons why no definite call may be made on the drawn outline; see `gliotype.answer.gate`.
    """

    patient: str
    cohort: str
    mutant: bool
    age: float | None
    outlines: tuple[OutlineRecord, ...]
    expert: OutlineRecord | None
    gate: tuple[str, ...]

    def statements(self, radiomics: tuple[LogisticModel, ...]) -> Statements:
        """Return what each method says for each outline, `radiomics` by the models given."""
        return _statements(self.outlines, self.age, radiomics)

    def expert_statements(self, radiomics: tuple[LogisticModel, ...]) -> Statements | None:
        """Return what each method says for the expert's mask, or None where there is none."""
        return None if self.expert is None else _statements((self.expert,), self.age, radiomics)


def read_record(file: Path) -> PatientRecord:
    """Read what `write_record` wrote.

    Raises:
        InputError: if the file is damaged, or an earlier version wrote it.
    """
    with reading_cached(file):
        document = json.loads(file.read_text(encoding="utf-8"))
        expert, reasons = document.pop("expert"), document.pop("gate")
        outlines = tuple(_outline(each) for each in document.pop("outlines"))
        return PatientRecord(
            **document,
            outlines=outlines,
            expert=None if expert is None else _outline(expert),
            gate=tuple(reasons),
        )


def write_record(record: PatientRecord, file: Path) -> None:
    """Write a record as JSON."""
    write_text(file, json.dumps(asdict(record), indent=1) + "\n")


def _outline(document: dict[str, object]) -> OutlineRecord:
    statements = document["statements"]
    assert isinstance(statements, dict)
    return OutlineRecord(
        str(document["name"]),
        document["numbers"],  # type: ignore[arg-type]
        {method: (float(value), float(sd)) for method, (value, sd) in statements.items()},
    )


def record_of(patient: CohortPatient, cohort: str) -> PatientRecord:
    """Read a patient, find the tumour, and ask gate and methods, the methods also for every other outline.

    Raises:
        GliotypeError: if the patient's files cannot be read or used.
    """
    study = read_study(None, files=patient.files, subject=patient.subject)
    prepared = prepare(study, find_brain)
    expert = None if patient.mask is None else given_tumour(read_mask(patient.mask), prepared)
    return record_prepared(study, prepared, segment(prepared), expert, patient.mutant, cohort)


def record_prepared(
    study: Study,
    prepared: PreparedStudy,
    tumour: Tumour,
    expert: Tumour | None,
    mutant: bool,
    cohort: str,
) -> PatientRecord:
    """Ask gate and methods about a prepared patient; see `record_of`."""
    subject = study.subject
    drawn = [(AS_DRAWN, tumour)] if tumour.found else []
    drawn += [(outline.name, tumour.drawn_as(outline)) for outline in tumour.outlines]
    return PatientRecord(
        patient=subject.id,
        cohort=cohort,
        mutant=mutant,
        age=subject.age,
        outlines=tuple(_record(name, prepared, each, subject) for name, each in drawn),
        expert=None if expert is None or not expert.found else _record(EXPERT, prepared, expert, subject),
        gate=gate(study, prepared, tumour, measure(prepared, tumour)) if tumour.found else (),
    )


def _record(name: str, prepared: PreparedStudy, tumour: Tumour, subject: Subject) -> OutlineRecord:
    measurements = measure(prepared, tumour)
    said = ask(prepared, tumour, measurements, subject)
    numbers = {**measurements.shape, **measurements.signal}
    return OutlineRecord(
        name,
        {key: value for key, value in numbers.items() if value is not None},
        {
            method: (statement.log_likelihood_ratio, statement.sd)
            for method, statement in said.items()
            if method not in ("radiomics", "age")
        },
    )


def _statements(
    outlines: Iterable[OutlineRecord], age: float | None, radiomics: tuple[LogisticModel, ...]
) -> Statements:
    said = [_of_outline(outline, age, radiomics) for outline in outlines]
    methods = list(dict.fromkeys(method for each in said for method in each))
    return Statements(
        outlines=tuple(outline.name for outline in outlines),
        log_likelihood_ratios={
            method: np.array(
                [each[method].log_likelihood_ratio if method in each else np.nan for each in said]
            )
            for method in methods
        },
        sd={method: next(each[method].sd for each in said if method in each) for method in methods},
    )


def _of_outline(
    outline: OutlineRecord, age: float | None, radiomics: tuple[LogisticModel, ...]
) -> dict[str, Statement]:
    said = {method: Statement(*values) for method, values in outline.statements.items()}
    applicable = [model for model in radiomics if set(model.features) <= set(outline.numbers)]
    if applicable:
        widest = max(applicable, key=lambda model: len(model.features))
        said["radiomics"] = widest.statement(outline.numbers)
    of_age = age_statement(age)
    return said if of_age is None else {**said, "age": of_age}


def make_records(
    patients: Iterable[CohortPatient],
    cohort: str,
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[PatientRecord, ...]:
    """Make the records of a cohort, or read those that an earlier run wrote.

    Args:
        patients: labelled.
        cohort: its name.
        folder: where each patient's record lies.
        progress: called with a line for each patient.

    Raises:
        GliotypeError: if a patient cannot be read or used.
    """
    records = []
    for number, patient in enumerate(patients, start=1):
        file = folder / f"{cohort}-{patient.subject.id}.json"
        progress(f"patient {number}: {patient.subject.id}")
        if not file.exists():
            write_record(record_of(patient, cohort), file)
        records.append(read_record(file))
    return tuple(records)
