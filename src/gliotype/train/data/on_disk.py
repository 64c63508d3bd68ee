"""A cohort on disk as a source of examples: each patient goes through the whole chain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.cohorts import LAYOUTS, CohortPatient, read_cohort
from gliotype.cohorts.names import canonical
from gliotype.errors import InputError
from gliotype.prepare import prepare
from gliotype.read import read_mask, read_study
from gliotype.segment import find_brain
from gliotype.study import PreparedStudy, Sequence
from gliotype.train.data.examples import NO_INPUTS, Example, example_of
from gliotype.train.data.inputs import SEQUENCES

_NUMBER = re.compile(r"sub-[a-z]?\d{1,4}")
"""A name that every hospital may give to a patient of its own, without leading zeros."""


@dataclass(frozen=True)
class FolderPatients:
    """A cohort in one of `gliotype.cohorts.LAYOUTS`."""

    path: Path
    layout: str

    @cached_property
    def members(self) -> Mapping[str, CohortPatient]:
        """The labelled patients by name."""
        return {patient.subject.id: patient for patient in read_cohort(self.path, self.layout)}

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self.members)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What all examples depend on."""
        return {"layout": self.layout}

    def key(self, subject: str) -> str:
        """Name a patient after the label, the age, and the size and time of every image."""
        p = self.members[subject]
        images = {str(sequence): _stamp(file) for sequence, file in {**p.files, **p.functional}.items()}
        return json.dumps([subject, p.mutant, p.subject.age, images, _stamp(p.mask)], sort_keys=True)

    def mutant(self, subject: str) -> bool:
        """Determine whether a patient is IDH-mutant."""
        return self.members[subject].mutant

    def strata(self, subject: str) -> Mapping[str, str]:
        """Return the other columns that the layout knows."""
        return self.members[subject].strata

    def identities(self, subject: str) -> frozenset[str]:
        """Return the patient's name and its aliases; a mere number, such as ``sub-001``, with its cohort."""
        patient = self.members[subject]
        own = canonical(subject)
        if LAYOUTS[self.layout].numbered and _NUMBER.fullmatch(own):
            own = f"{own} of {self.path.resolve()}"
        return frozenset({own, *map(canonical, patient.aliases)})

    def images(self, subject: str) -> tuple[Path, ...]:
        """Return the files of the structural images."""
        return tuple(self.members[subject].files.values())

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Read and prepare a patient and find the tumour.

        Raises:
            InputError: if an image cannot be read, or a perfusion series that is asked for does not state the times of
                its frames.
        """
        patient = self.members[subject]
        wanted = {SEQUENCES[name] for name in inputs & SEQUENCES.keys()}
        functional = {
            sequence: patient.functional[sequence] for sequence in patient.functional.keys() & wanted
        }
        study = read_study(None, files={**patient.files, **functional}, subject=patient.subject)
        for image in study.images:
            if image.sequence is Sequence.DSC and image.acquisition.frame_times_s is None:
                raise InputError(
                    f"{functional[Sequence.DSC].name} does not state the time between its frames: give a JSON sidecar "
                    "with RepetitionTime, or remove the series"
                )
        prepared = prepare(study, find_brain)
        mask = patient.mask
        strata = {**patient.strata, "sequences": " ".join(sorted(patient.files))}
        truth = None if mask is None else lambda to: _true_mask(mask, to)
        return example_of(prepared, study.subject, patient.mutant, strata, truth, inputs)


def _true_mask(file: Path, prepared: PreparedStudy) -> NDArray[np.bool_]:
    there = prepared.acquired_from_prepared[prepared.reference]
    return np.asarray(read_mask(file).resample(prepared.grid, there, order=0).array) > 0


def _stamp(file: Path | None) -> list[object] | None:
    if file is None:
        return None
    status = file.stat()
    return [file.name, status.st_size, int(status.st_mtime)]
