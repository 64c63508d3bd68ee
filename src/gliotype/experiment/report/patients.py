"""Who was studied: the flow of patients, their characteristics, and those whom the first method called wrongly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gliotype.cohorts import Target
from gliotype.experiment.protocol import CROSS_VALIDATION, Protocol
from gliotype.experiment.score import Scored
from gliotype.experiment.splits import Split
from gliotype.train.data.examples import Example, Patients

MAX_VALUES = 8
"""A column with more distinct values than this is left out of the characteristics."""


@dataclass(frozen=True)
class FlowSet:
    """A set in the flow diagram.

    Attributes:
        name: of the set.
        role: what it is for.
        patients: number.
        mutants: those IDH-mutant.
        without_tumour: those in whom no tumour was found.
        divided: how the folds divide it; empty of a named set.
    """

    name: str
    role: str
    patients: int
    mutants: int
    without_tumour: int
    divided: str = ""


@dataclass(frozen=True)
class Flow:
    """The patients of a cohort.

    Attributes:
        cohort: its name.
        source: where they come from.
        patients: with a known label.
        excluded: names that the protocol excludes.
        unused: patients who are in no set.
        sets: those who are.
    """

    cohort: str
    source: str
    patients: int
    excluded: tuple[str, ...]
    unused: int
    sets: tuple[FlowSet, ...]


def flow_of(
    protocol: Protocol,
    sources: Mapping[str, Patients],
    splits: tuple[Split, ...],
    sets: Mapping[str, list[Example]],
) -> tuple[Flow, ...]:
    """Count the patients of each cohort from the table to the sets."""
    flows = []
    for name, cohort in protocol.cohorts.items():
        own = {key: sets[key] for key, settings in protocol.all_sets.items() if settings.cohort == name}
        total = len(sources[name].subjects)
        used = sum(map(len, own.values()))
        excluded = tuple(each for each in cohort.exclude if each in sources[name].subjects)
        source = f"simulated, site {cohort.simulated}" if cohort.path is None else f"{cohort.layout} folder"
        flows.append(
            Flow(
                name,
                source,
                total,
                cohort.exclude,
                total - len(excluded) - used,
                tuple(_flow_set(protocol, key, examples, splits) for key, examples in own.items()),
            )
        )
    return tuple(flows)


def _flow_set(protocol: Protocol, name: str, examples: list[Example], splits: tuple[Split, ...]) -> FlowSet:
    divided = ""
    if name == CROSS_VALIDATION:
        parts = {
            "training": [len(split.training) for split in splits],
            "tuning": [len(split.tuning) for split in splits],
            "test": [len(split.tests[name]) for split in splits],
        }
        counts = "; ".join(f"{role} {_range(numbers)}" for role, numbers in parts.items())
        divided = f"{len(splits)} trainings: {counts}"
    return FlowSet(
        name,
        "folds" if name == CROSS_VALIDATION else protocol.sets[name].role,
        len(examples),
        sum(e.mutant for e in examples),
        sum(not e.found for e in examples),
        divided,
    )


def _range(numbers: list[int]) -> str:
    return f"{numbers[0]}" if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


@dataclass(frozen=True)
class Characteristics:
    """Table 1.

    Attributes:
        columns: set and class, such as ``internal, mutant``.
        rows: characteristic, value (empty of a number), and a text for each column.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def characteristics_of(sets: Mapping[str, list[Example]], target: Target) -> Characteristics:
    """Describe the patients of each set by class: ages, and every column with few values."""
    columns = [
        (name, status, [e for e in examples if e.mutant is (status == target.positive)])
        for name, examples in sets.items()
        for status in target.classes
    ]
    groups = [group for *_, group in columns]
    everybody = [e for group in groups for e in group]
    rows = [
        ("patients", "", tuple(str(len(group)) for group in groups)),
        ("age, years", "mean ± SD", tuple(_mean_and_sd([e.age for e in group]) for group in groups)),
        ("age, years", "range", tuple(_extremes([e.age for e in group]) for group in groups)),
        ("age", "not known", tuple(_count(group, lambda e: math.isnan(e.age)) for group in groups)),
        ("no tumour found", "", tuple(_count(group, lambda e: not e.found) for group in groups)),
        ("Dice of whole tumour", "mean ± SD", tuple(_mean_and_sd([e.dice for e in g], 3) for g in groups)),
    ]
    for column in sorted({column for e in everybody for column in e.strata}):
        values = {e.strata.get(column, "").strip() for e in everybody}
        if 2 <= len(values) <= MAX_VALUES:
            rows += [
                (column, value or "not given", _counts(groups, column, value)) for value in sorted(values)
            ]
    return Characteristics(tuple((name, status) for name, status, _ in columns), tuple(rows))


def _counts(groups: Iterable[list[Example]], column: str, value: str) -> tuple[str, ...]:
    return tuple(_count(group, lambda e: e.strata.get(column, "").strip() == value) for group in groups)


def _count(group: list[Example], has: Callable[[Example], bool]) -> str:
    count = sum(map(has, group))
    return f"{count} ({100 * count / len(group):.0f} %)" if group else "0"


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean_and_sd(values: Iterable[float], digits: int = 1) -> str:
    known = _known(values)
    if len(known) < 2:
        return "–"
    return f"{np.mean(known):.{digits}f} ± {np.std(known, ddof=1):.{digits}f}"


def _extremes(values: Iterable[float]) -> str:
    known = _known(values)
    return f"{min(known):.0f} to {max(known):.0f}" if known else "–"


@dataclass(frozen=True)
class Failure:
    """A patient whom the first method called wrongly, or to whom it gave no call.

    Attributes:
        test: name of the test set.
        example: the patient.
        probability: None for a no-call.
        others: probabilities of the other methods, in the order of the protocol; None where there is none.
    """

    test: str
    example: Example
    probability: float | None
    others: tuple[float | None, ...]


def failures_of(
    protocol: Protocol, scored: Iterable[Scored], sets: Mapping[str, list[Example]]
) -> tuple[Failure, ...]:
    """List the no-calls and the wrong calls of the first method in each test set, the surest of these first."""
    found: list[Failure] = []
    scored = [each for each in scored if each.metrics is not None]
    for test in protocol.tests:
        own = {each.row.model: each for each in scored if each.row.set_name == test}
        first = own.get(protocol.methods[0])
        if first is None or first.patients is None:
            continue
        given = {name: _probabilities(each) for name, each in own.items()}
        wrong = [
            Failure(
                test,
                example,
                given[protocol.methods[0]].get(example.subject),
                tuple(given.get(name, {}).get(example.subject) for name in protocol.methods[1:]),
            )
            for example in sets[test]
            if example.subject in first.wrong
        ]
        found += sorted(wrong, key=_surest_first)
    return tuple(found)


def _surest_first(failure: Failure) -> tuple[float, str]:
    p = failure.probability
    return (2.0 if p is None else p if failure.example.mutant else 1 - p, failure.example.subject)


def _probabilities(scored: Scored) -> dict[str, float | None]:
    patients = scored.patients
    assert patients is not None
    return {
        subject: None if no_call else float(score)
        for subject, score, no_call in zip(patients.subjects, patients.score, patients.no_call, strict=True)
    }
