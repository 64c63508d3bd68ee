"""Refuse an experiment in which the same patient is in two sets, under any name."""

from __future__ import annotations

from collections.abc import Mapping

from gliotype.errors import InputError
from gliotype.experiment.protocol import CROSS_VALIDATION, Protocol
from gliotype.train.data.examples import Patients

BRATS_SOURCES = ("tcga-", "ucsf-pdgm-", "upenn-gbm-")
"""How the names of patients begin who may also be in BraTS."""


def refuse_leakage(
    protocol: Protocol, sources: Mapping[str, Patients], chosen: Mapping[str, tuple[str, ...]]
) -> None:
    """Make sure that no two sets share a patient.

    Names are compared without case and leading zeros, TCGA names by their barcode, and by every alias that a cohort's
    tables give (the BraTS names of UCSF-PDGM patients and of their follow-ups, the TCIA names of BraTS patients).
    BIDS patients, who may be ``sub-001`` in every hospital, are compared by the sizes of their images, too, and
    simulated ones by seed and number.

    Raises:
        InputError: if two sets share patients (it names them), or if this cannot be checked because a cohort with BraTS
            names lacks the table of their other names.
    """
    names = {
        name: {subject: sources[protocol.all_sets[name].cohort].identities(subject) for subject in subjects}
        for name, subjects in chosen.items()
    }
    _refuse_unknown_twins(names)
    if CROSS_VALIDATION in names:
        _refuse_twins(names[CROSS_VALIDATION])
    seen: dict[str, tuple[str, str]] = {}
    twice: dict[str, str] = {}
    for name, patients in names.items():
        for subject, identities in patients.items():
            for identity in identities:
                other, known = seen.setdefault(identity, (name, subject))
                if other != name:
                    twice[f"{known} of {other} is {subject} of {name}"] = identity
    if twice:
        examples = "; ".join(list(twice)[:5])
        raise InputError(
            f"{len(twice)} patients are in two sets ({examples}): leave them out of one, or give simulated cohorts "
            "seeds of their own, since a model that has seen a patient is not tested on it"
        )


def _refuse_twins(patients: Mapping[str, frozenset[str]]) -> None:
    """Refuse two patients with a name in common among those who are divided into folds."""
    seen: dict[str, str] = {}
    for subject, identities in patients.items():
        for identity in identities:
            if (other := seen.setdefault(identity, subject)) != subject:
                raise InputError(
                    f"{other} and {subject} are the same patient (both are {identity}), so that one fold may learn "
                    "what another tests: leave one of them out with exclude"
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
