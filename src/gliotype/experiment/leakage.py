"""Refuse an experiment in which the same patient is there twice, under any name."""

from __future__ import annotations

from collections.abc import Mapping

from gliotype.errors import InputError
from gliotype.experiment.protocol import Protocol
from gliotype.experiment.splits import Member
from gliotype.train.data.copies import find_twice
from gliotype.train.data.examples import Patients

BRATS_SOURCES = ("tcga-", "ucsf-pdgm-", "upenn-gbm-")
"""How the names of patients begin who may also be in BraTS."""


def refuse_leakage(
    protocol: Protocol, sources: Mapping[str, Patients], chosen: Mapping[str, tuple[str, ...]]
) -> None:
    """Make sure that no patient is there twice: in two sets, at two hospitals, or twice in one of them.

    Names are compared without case and leading zeros, TCGA names by their barcode, and by every alias that a cohort's
    tables give (the BraTS names of UCSF-PDGM patients and of their follow-ups, the TCIA names of BraTS patients).
    Simulated patients are compared by seed and number, and those on disk also by the content of their images, since
    ``sub-001`` is somebody else in every hospital.

    Raises:
        InputError: if a patient is there twice (it names both places), or if this cannot be checked because a cohort
            with BraTS names lacks the table of their other names.
    """
    cohorts = {name: protocol.all_sets[name].cohort for name in chosen}
    names = {
        name: {subject: sources[cohorts[name]].identities(subject) for subject in subjects}
        for name, subjects in chosen.items()
    }
    _refuse_unknown_twins(names)
    identities = {
        (name, subject): own for name, own_names in names.items() for subject, own in own_names.items()
    }
    images = {(name, subject): sources[cohorts[name]].images(subject) for name, subject in identities}
    twice = find_twice(identities, images)

    def describe(member: Member) -> str:
        name, subject = member
        site = sources[cohorts[name]].strata(subject).get("site", "")
        return f"{subject} ({', '.join(filter(None, dict.fromkeys((name, cohorts[name], site))))})"

    if twice:
        listed = [
            f"{describe(one)} is {describe(other)}, {why}" for (one, other), why in list(twice.items())[:5]
        ]
        simulated = any(protocol.cohorts[cohorts[name]].simulated for pair in twice for name, _ in pair)
        seeds = ", or give simulated cohorts seeds of their own" if simulated else ""
        raise InputError(
            f"{len(twice)} {'patient is' if len(twice) == 1 else 'patients are'} there twice ({'; '.join(listed)}): "
            f"leave one of the two out with exclude{seeds}, since a model that has seen a patient is not tested on him "
            "or her"
        )


def _refuse_unknown_twins(names: Mapping[str, Mapping[str, frozenset[str]]]) -> None:
    """Refuse BraTS patients without another name in an experiment with patients of the hospitals BraTS drew from."""
    nameless = [
        name
        for name, patients in names.items()
        if any(own.startswith("brats") for all_names in patients.values() for own in all_names)
        and all(len(all_names) == 1 for all_names in patients.values())
    ]
    for name in nameless:
        for other, patients in names.items():
            known = {own for all_names in patients.values() for own in all_names}
            if other != name and any(own.startswith(BRATS_SOURCES) for own in known):
                raise InputError(
                    f"the patients of {name} have only BraTS names, so their twins in {other} cannot be identified: "
                    "put BraTS2021_MappingToTCIA.csv into the folder of their cohort"
                )
