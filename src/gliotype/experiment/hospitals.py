"""Check, before an image is read, that the hospitals of an experiment can be harmonised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from gliotype.errors import InputError
from gliotype.experiment.protocol import HarmonisationSettings, Protocol
from gliotype.experiment.splits import Member, Split
from gliotype.train.common.harmonise import FEWEST
from gliotype.train.data.examples import Patients


def check_hospitals(protocol: Protocol, sources: Mapping[str, Patients], splits: tuple[Split, ...]) -> None:
    """Make sure that every patient has a hospital, and every hospital patients from whom it can be adjusted.

    Raises:
        InputError: if not, where the protocol asks for harmonisation.
    """
    settings = protocol.harmonisation
    if settings is None:
        return
    hospital: dict[Member, str] = {}
    for split in splits:
        for members in (split.training, split.tuning, *split.tests.values()):
            for name, subject in members:
                strata = sources[protocol.all_sets[name].cohort].strata(subject)
                hospital[name, subject] = strata.get(settings.column, "").strip()
    if without := [subject for (_, subject), name in hospital.items() if not name]:
        raise InputError(
            f"harmonisation: {len(without)} patients have no {settings.column} ({', '.join(without[:5])}): fill in "
            "that column of the cohort's table, or leave them out"
        )
    if len(set(hospital.values())) < 2:
        raise InputError(f"harmonisation: all patients have the same {settings.column}, so leave it out")
    for split in splits:
        _check_split(settings, split, hospital)


def _check_split(settings: HarmonisationSettings, split: Split, hospital: Mapping[Member, str]) -> None:
    def count(members: Iterable[Member]) -> Counter[str]:
        return Counter(hospital[member] for member in members)

    where = f" in {split.name}" if split.name else ""
    training = count(split.training)
    for name, patients in training.items():
        if patients < FEWEST:
            raise InputError(
                f"harmonisation: {name} has {patients} training patients{where}, and {FEWEST} are needed: make more "
                f"folds, or leave that {settings.column} out by where"
            )
    for members in (split.tuning, *split.tests.values()):
        for name, patients in count(members).items():
            if name in training:
                continue
            if settings.unseen == "refuse":
                raise InputError(
                    f"harmonisation: {name} has no training patient{where}: set harmonisation.unseen to 'own patients' "
                    "to adjust it by its own unlabelled patients, or leave it out"
                )
            if patients < FEWEST:
                raise InputError(
                    f"harmonisation: {name} has no training patient{where} and {patients} of its own, and {FEWEST} are "
                    "needed to adjust it by these: add patients, or leave it out"
                )
