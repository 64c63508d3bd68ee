"""The patients of ``gliotype demo``, chosen by a rule about the simulated tumour and never by the answer."""

from __future__ import annotations

from enum import StrEnum
from itertools import count
from pathlib import Path

from gliotype.seeds import check_seed
from gliotype.simulate.cohort.raw_study import raw_patient, raw_plan, write_raw_study
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan
from gliotype.study import STRUCTURAL, Sequence

DEMO_SEQUENCES = (*STRUCTURAL, Sequence.DSC)
"""What is written unless the caller says otherwise."""


class DemoPatient(StrEnum):
    """The two kinds of patient that a reader of brain MRI would call typical.

    Attributes:
        MUTANT: an IDH-mutant astrocytoma of grade 2 or 3 that does not enhance.
        WILDTYPE: an IDH-wildtype glioblastoma that enhances.
    """

    MUTANT = "mutant"
    WILDTYPE = "wildtype"

    @property
    def glioma(self) -> GliomaType:
        """Class of the tumour."""
        return GliomaType.ASTROCYTOMA if self is DemoPatient.MUTANT else GliomaType.GLIOBLASTOMA

    def accepts(self, plan: TumourPlan) -> bool:
        """Whether a tumour is typical of this kind; this is the whole rule."""
        enhances = plan.enhancing_fraction > 0
        if self is DemoPatient.MUTANT:
            return plan.type.idh_mutant and not enhances and plan.grade in (2, 3)
        return not plan.type.idh_mutant and enhances


def demo_seed(patient: DemoPatient = DemoPatient.MUTANT, first: int = 0) -> int:
    """Find the first seed, at or above `first`, whose simulated tumour is typical.

    Example:
        >>> demo_seed(DemoPatient.MUTANT), demo_seed(DemoPatient.WILDTYPE)
        (1, 0)
    """
    anatomy = template_anatomy()
    return next(seed for seed in count(first) if patient.accepts(raw_plan(seed, patient.glioma, anatomy)))


def demo_study(
    folder: str | Path,
    seed: int,
    patient: DemoPatient = DemoPatient.MUTANT,
    *,
    sequences: tuple[Sequence, ...] = DEMO_SEQUENCES,
) -> float:
    """Write the raw study of one simulated patient.

    Args:
        folder: for the files; created if missing.
        seed: random seed, such as `demo_seed` finds it.
        patient: which kind of tumour to simulate.
        sequences: which to write.

    Returns:
        The patient's age in years.
    """
    check_seed(seed)
    simulated = raw_patient(seed, patient.glioma)
    write_raw_study(simulated, folder, seed, sequences=sequences)
    return round(simulated.age, 1)
