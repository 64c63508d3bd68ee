"""A patient of a cohort on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gliotype.study import Sequence, Subject


@dataclass(frozen=True)
class CohortPatient:
    """A patient whose IDH status is known.

    Attributes:
        subject: name in the cohort, age and sex.
        mutant: whether IDH-mutant.
        files: NIfTI file of each available structural sequence.
        mask: expert's tumour mask, or None.
        aliases: names of the same patient in other data sets.
        strata: what else is known, by name: ``codeletion`` (``codeleted`` or ``intact``), ``grade`` (``2`` to ``4``)
            and ``idh_variant`` (such as ``IDH1 R132H``) are written alike in all layouts.
        functional: file of each further sequence (DSC, ADC), read where a method asks for it.
    """

    subject: Subject
    mutant: bool
    files: Mapping[Sequence, Path]
    mask: Path | None = None
    aliases: tuple[str, ...] = ()
    strata: Mapping[str, str] = field(default_factory=dict)
    functional: Mapping[Sequence, Path] = field(default_factory=dict)
