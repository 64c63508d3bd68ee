"""Refuse a study in which the same patient is in two sets, under whatever name."""

from __future__ import annotations

from collections.abc import Mapping

from gliotype.cohorts.names import canonical
from gliotype.errors import InputError
from gliotype.train.examples import Patients
from gliotype.train.folder import FolderPatients
from gliotype.train.protocol import Protocol


def refuse_leakage(
    protocol: Protocol, sources: Mapping[str, Patients], chosen: Mapping[str, tuple[str, ...]]
) -> None:
    """Make sure that no two sets share a patient.

    Names are compared without case and leading zeros, TCGA names by their barcode, and by every alias that a cohort's
    tables give (the BraTS names of UCSF-PDGM patients, the TCIA names of BraTS patients).

    Raises:
        InputError: if two sets share patients; it names them.
    """
    seen: dict[str, tuple[str, str]] = {}
    twice: dict[str, str] = {}
    for name, subjects in chosen.items():
        cohort = protocol.sets[name].cohort
        for subject in subjects:
            for identity in identities(sources[cohort], cohort, subject):
                other, known = seen.setdefault(identity, (name, subject))
                if other != name:
                    twice[f"{known} of {other} is {subject} of {name}"] = identity
    if twice:
        shown = "; ".join(list(twice)[:5])
        raise InputError(
            f"{len(twice)} patients are in two sets ({shown}): leave them out of one, since a model that has seen a "
            "patient is not tested on it"
        )


def identities(source: Patients, cohort: str, subject: str) -> set[str]:
    """Return all names under which a patient may be met elsewhere."""
    if not isinstance(source, FolderPatients):
        return {f"{cohort}/{subject}"}  # a simulated patient is nobody else
    names = (subject, *source.members[subject].aliases)
    return {canonical(name) for name in names}
