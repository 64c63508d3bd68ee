"""Which patients train, tune and test: named sets, folds by patient, and leaving one hospital out.

A design is a tuple of splits. Named sets are one split. Of k folds, each is the test set once while the next one tunes
and the others train. Sets with the role test are external to the folds: every split is tested on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gliotype.cohorts import IDH, Target
from gliotype.errors import InputError
from gliotype.evaluate.table import check_both_classes
from gliotype.experiment.protocol import CROSS_VALIDATION, Protocol, SetSettings
from gliotype.train.data.examples import Patients
from gliotype.train.on_patients import hold_out

Member = tuple[str, str]
"""A patient: the set to which he or she belongs, and the name in its cohort."""


@dataclass(frozen=True)
class Split:
    """One training with its tests.

    Attributes:
        name: such as ``fold 2``, ``repeat 3 fold 1`` or ``north left out``; empty for named sets.
        training: patients to learn from.
        tuning: other patients, for calibration and threshold.
        tests: patients of each test set who are tested by this training.
    """

    name: str
    training: tuple[Member, ...]
    tuning: tuple[Member, ...]
    tests: Mapping[str, tuple[Member, ...]]


def draw_sets(protocol: Protocol, sources: Mapping[str, Patients]) -> dict[str, tuple[str, ...]]:
    """Draw the patients of each set, patient by patient, without overlap between sets that share a cohort.

    Sets with `where` take their patients by value (a site, say); the others divide the rest in a random order. The
    patients of folds are drawn like a set, after all others.

    Raises:
        InputError: if a cohort has too few patients.
    """
    rng = np.random.default_rng(protocol.seed)
    chosen: dict[str, tuple[str, ...]] = {}
    for cohort, source in sources.items():
        excluded = protocol.cohorts[cohort].exclude
        order = rng.permutation(len(source.subjects))
        left = [subject for i in order if (subject := source.subjects[i]) not in excluded]
        of_cohort = {name: s for name, s in protocol.all_sets.items() if s.cohort == cohort}
        for name, settings in sorted(of_cohort.items(), key=lambda item: not item[1].where):
            able = [s for s in left if settings.where.items() <= source.strata(s).items()]
            if settings.patients is not None and len(able) < settings.patients:
                raise InputError(
                    f"the set {name} asks for {settings.patients} patients, but {len(able)} of the cohort {cohort} are "
                    "left: ask for fewer, or add patients"
                )
            taken = (
                able[: settings.patients]
                if settings.mutants is None
                else _by_class(name, settings, source, able, protocol.aim)
            )
            if not taken:
                raise InputError(f"the set {name} is empty: change its cohort or where")
            chosen[name] = tuple(sorted(taken))
            left = [subject for subject in left if subject not in set(taken)]
    return chosen


def _by_class(
    name: str, settings: SetSettings, source: Patients, able: list[str], target: Target
) -> list[str]:
    """Take the patients of a set that states how many are mutant."""
    assert settings.patients is not None
    assert settings.mutants is not None
    taken = []
    for wanted, status in ((settings.mutants, True), (settings.patients - settings.mutants, False)):
        of_class = [subject for subject in able if source.mutant(subject) is status]
        if len(of_class) < wanted:
            raise InputError(
                f"the set {name} asks for {wanted} {target.classes[not status]} patients, but {len(of_class)} "
                f"of the cohort {settings.cohort} are left: ask for fewer, or add patients"
            )
        taken += of_class[:wanted]
    return taken


def make_splits(
    protocol: Protocol, sources: Mapping[str, Patients], chosen: Mapping[str, tuple[str, ...]]
) -> tuple[Split, ...]:
    """Turn the sets of a protocol into trainings with their tests.

    Args:
        protocol: of the experiment.
        sources: patients by cohort.
        chosen: patients of each set, as `draw_sets` returned them.

    Raises:
        InputError: if patients are too few, of one class, or of no known hospital.
    """
    members = {name: tuple((name, subject) for subject in subjects) for name, subjects in chosen.items()}
    external = {name: members[name] for name in protocol.named("test")}
    settings = protocol.cross_validation
    if settings is None:
        training, tuning = (members[protocol.named(role)[0]] for role in ("training", "tuning"))
        splits: Iterable[Split] = (Split("", training, tuning, external),)
    else:
        source = sources[settings.cohort]
        subjects = chosen[CROSS_VALIDATION]
        mutant = {subject: source.mutant(subject) for subject in subjects}
        if settings.leave_out is not None:
            values = {subject: source.strata(subject).get(settings.leave_out, "") for subject in subjects}
            splits = _leave_one_out(mutant, values, settings.leave_out, external, protocol.seed, protocol.aim)
        else:
            splits = _rotate_folds(
                mutant, settings.folds, settings.repeats, external, protocol.seed, protocol.aim
            )
    found = tuple(splits)
    _check_classes(protocol, sources, found)
    return found


def deal_folds(
    mutant: Mapping[str, bool], folds: int, seed: int, target: Target = IDH
) -> tuple[tuple[str, ...], ...]:
    """Deal patients into folds of equal size and equal proportion of mutants, at random.

    Args:
        mutant: whether each patient is IDH-mutant.
        folds: how many.
        seed: of the order.
        target: gives the words for the classes.

    Raises:
        InputError: if a class has fewer than two patients for each fold.

    Example:
        >>> folds = deal_folds({f"{n:02d}": n < 8 for n in range(20)}, 3, seed=1)
        >>> [(len(fold), sum(int(name) < 8 for name in fold)) for fold in folds]
        [(7, 3), (7, 3), (6, 2)]
    """
    classes = [
        sorted(name for name, status in mutant.items() if status is wanted) for wanted in (True, False)
    ]
    if min(map(len, classes)) < 2 * folds:
        raise InputError(
            f"{len(classes[0])} {target.positive} and {len(classes[1])} {target.negative} patients are too few for "
            f"{folds} folds: each fold needs two of each class, so make fewer folds or have {2 * folds} of each class"
        )
    rng = np.random.default_rng(seed)
    in_order = [names[i] for names in classes for i in rng.permutation(len(names))]
    return tuple(tuple(sorted(in_order[start::folds])) for start in range(folds))


def nested_subset(mutant: Mapping[Member, bool], size: int, seed: int) -> tuple[Member, ...]:
    """Take part of the training patients, each class in its proportion; a larger part holds every smaller one.

    Args:
        mutant: whether each training patient is IDH-mutant.
        size: how many; all when there are no more.
        seed: of the order.

    Example:
        >>> everybody = {("home", str(n)): n % 4 == 0 for n in range(40)}
        >>> small, large = (nested_subset(everybody, size, 1) for size in (12, 20))
        >>> len(small), sum(everybody[name] for name in small), set(small) <= set(large)
        (12, 3, True)
    """
    rng = np.random.default_rng(seed)
    ranks: list[tuple[float, Member]] = []
    for wanted in (True, False):
        names = sorted(name for name, status in mutant.items() if status is wanted)
        places = rng.permutation(len(names))
        ranks += [((place + 0.5) / len(names), name) for place, name in zip(places, names, strict=True)]
    return tuple(sorted(name for _, name in sorted(ranks)[:size]))


def _rotate_folds(
    mutant: Mapping[str, bool],
    folds: int,
    repeats: int,
    external: Mapping[str, tuple[Member, ...]],
    seed: int,
    target: Target,
) -> Iterator[Split]:
    """Yield a split for each fold of each repeat: it is tested, the next fold tunes, the others train."""
    for repeat in range(repeats):
        dealt = deal_folds(mutant, folds, seed + repeat, target)
        for test in range(folds):
            tuning = (test + 1) % folds
            training = [name for i, fold in enumerate(dealt) if i not in (test, tuning) for name in fold]
            name = f"fold {test + 1}" if repeats == 1 else f"repeat {repeat + 1} fold {test + 1}"
            tests = {CROSS_VALIDATION: _members(dealt[test]), **external}
            yield Split(name, _members(training), _members(dealt[tuning]), tests)


def _leave_one_out(
    mutant: Mapping[str, bool],
    values: Mapping[str, str],
    column: str,
    external: Mapping[str, tuple[Member, ...]],
    seed: int,
    target: Target,
) -> Iterator[Split]:
    """Yield a split for each hospital: it is tested; of the others' patients 18 % of each class tune."""
    unknown = [subject for subject, value in values.items() if not value.strip()]
    if unknown:
        raise InputError(
            f"{len(unknown)} patients have no {column} ({', '.join(unknown[:5])}): fill in that column of the cohort's "
            "table, or leave them out by where"
        )
    hospitals = sorted(set(values.values()))
    if len(hospitals) < 2:
        raise InputError(
            f"all patients have the {column} {hospitals[0]}: leaving one out needs at least two, so make folds instead"
        )
    for hospital in hospitals:
        others = [subject for subject in mutant if values[subject] != hospital]
        training, tuning = hold_out([mutant[subject] for subject in others], seed, target)
        tested = [subject for subject in mutant if values[subject] == hospital]
        yield Split(
            f"{hospital} left out",
            _members(others[i] for i in training),
            _members(others[i] for i in tuning),
            {CROSS_VALIDATION: _members(tested), **external},
        )


def _members(subjects: Iterable[str]) -> tuple[Member, ...]:
    return tuple((CROSS_VALIDATION, subject) for subject in sorted(subjects))


def _check_classes(protocol: Protocol, sources: Mapping[str, Patients], splits: tuple[Split, ...]) -> None:
    """Make sure that every training and tuning, and every test set as a whole, has two patients of each class."""

    def mutants(members: Iterable[Member]) -> Iterator[bool]:
        return (sources[protocol.all_sets[name].cohort].mutant(subject) for name, subject in members)

    named = protocol.cross_validation is None
    for split in splits:
        for role, members in (("training", split.training), ("tuning", split.tuning)):
            which = f"of the set {members[0][0]}" if named else f"for {role} in {split.name}"
            check_both_classes(mutants(members), which, protocol.aim.classes)
    for test in splits[0].tests:
        together = dict.fromkeys(member for split in splits for member in split.tests[test])
        check_both_classes(mutants(together), f"of the set {test}", protocol.aim.classes)
