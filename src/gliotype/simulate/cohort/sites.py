"""Hospitals of simulated patients: who comes, how old, and how they are scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from gliotype.errors import UsageError
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import AGES

Disease = GliomaType | Distractor | None
"""A class of tumour, a kind of other lesion, or nothing."""

FIELD_MIX: Mapping[float, float] = MappingProxyType({3.0: 0.7, 1.5: 0.3})
"""Field strengths in tesla and their proportions; a design value, since the cohorts' papers name no scanners."""

MALE: Mapping[GliomaType, float] = MappingProxyType(
    {
        GliomaType.GLIOBLASTOMA: 0.59,
        GliomaType.WILDTYPE_LOWER_GRADE: 0.58,
        GliomaType.ASTROCYTOMA: 0.61,
        GliomaType.OLIGODENDROGLIOMA: 0.62,
    }
)
"""Proportion of men in each class (UCSF-PDGM v5, n = 501)."""


@dataclass(frozen=True)
class Site:
    """A hospital, as far as published numbers describe it.

    The scanner (`field_mix`, `thickness_mm`, `missing`) is a design value and the same everywhere, because the numbers
    of the single hospitals were not published or not available. Volumes, grades, enhancement and the
    mismatch sign come with the class of tumour (`gliotype.simulate.lesion.glioma.draw_plan`), not with the site.

    Attributes:
        name: what the caller calls it.
        source: where the case mix and the ages come from, one sentence.
        case_mix: proportion of each disease; they add up to 1.
        ages: mean and standard deviation in years of each class of tumour, drawn truncated to 18-90.
        field_mix: proportion of each field strength in tesla.
        thickness_mm: range of slice thickness.
        missing: proportion of patients that lack one of the four structural sequences.
        dsc: how perfusion is acquired (`gliotype.simulate.dsc.protocols.DSC_SITES`).
    """

    name: str
    source: str
    case_mix: Mapping[Disease, float]
    ages: Mapping[GliomaType, tuple[float, float]] = field(default_factory=lambda: MappingProxyType(AGES))
    field_mix: Mapping[float, float] = field(default_factory=lambda: FIELD_MIX)
    thickness_mm: tuple[float, float] = (1.0, 6.0)
    missing: float = 0.1
    dsc: str = "external"

    @property
    def mutant_fraction(self) -> float:
        """Prevalence of IDH mutation.

        Example:
            >>> round(SITES["severance"].mutant_fraction, 2), round(SITES["tcia"].mutant_fraction, 2)
            (0.28, 0.44)
        """
        return sum(
            fraction
            for disease, fraction in self.case_mix.items()
            if isinstance(disease, GliomaType) and disease.idh_mutant
        )


def _mix(mutant: float, oligo_of_mutant: float, lower_of_wildtype: float) -> Mapping[Disease, float]:
    return MappingProxyType(
        {
            GliomaType.GLIOBLASTOMA: (1 - mutant) * (1 - lower_of_wildtype),
            GliomaType.WILDTYPE_LOWER_GRADE: (1 - mutant) * lower_of_wildtype,
            GliomaType.ASTROCYTOMA: mutant * (1 - oligo_of_mutant),
            GliomaType.OLIGODENDROGLIOMA: mutant * oligo_of_mutant,
        }
    )


def _ages(
    glioblastoma: tuple[float, float],
    lower_grade: tuple[float, float],
    astrocytoma: tuple[float, float],
    oligodendroglioma: tuple[float, float],
) -> Mapping[GliomaType, tuple[float, float]]:
    return MappingProxyType(
        dict(zip(AGES, (glioblastoma, lower_grade, astrocytoma, oligodendroglioma), strict=True))
    )


SITES: Mapping[str, Site] = MappingProxyType(
    {
        site.name: site
        for site in (
            Site(
                "severance",
                "Mix and ages like Severance, the development cohort of Choi 2021 (28 % IDH-mutant; ages of 430 "
                "wildtype and 166 mutant training patients); the split within IDH status is a design value.",
                _mix(0.28, 0.11 / 0.28, 0.08 / 0.72),
                _ages((57.6, 14.5), (57.6, 14.5), (42.1, 11.9), (42.1, 11.9)),
                dsc="snuh",
            ),
            Site(
                "snuh",
                "125 of 463 IDH-mutant as in Choi 2019 (SNUH); the split within IDH status is a design value, "
                "ages are those of UCSF-PDGM.",
                _mix(125 / 463, 0.11 / 0.28, 0.08 / 0.72),
                dsc="snuh",
            ),
            Site(
                "tcia",
                "94 of 214 IDH-mutant as in the TCIA/TCGA patients of Bangalore Yogananda 2020; the split within "
                "IDH status and ages are those of 839 TCGA-LGG and TCGA-GBM patients.",
                _mix(94 / 214, 109 / (109 + 260), 85 / (85 + 327)),
                _ages((62.2, 12.3), (54.7, 12.6), (38.8, 11.1), (45.9, 12.8)),
            ),
            Site(
                "tcga-lgg",
                "402 of 487 IDH-mutant as in TCGA-LGG, codeletion and ages as there; no glioblastoma.",
                _mix(402 / 487, 109 / (109 + 260), 1.0),
                _ages((62.2, 12.3), (54.7, 12.6), (38.8, 11.1), (45.9, 12.8)),
            ),
            Site(
                "ucsf",
                "Mix and ages of UCSF-PDGM v5 (501 patients, 103 of them IDH-mutant).",
                _mix(103 / 501, 13 / 103, 24 / 398),
            ),
            Site("healthy", "Heads without tumour; no cohort.", MappingProxyType({None: 1.0})),
            Site(
                "distractors",
                "Infarcts, plaques and metastases in equal parts: lesions other than glioma, not after any cohort.",
                MappingProxyType({kind: 1 / len(Distractor) for kind in Distractor}),
            ),
        )
    }
)
"""Every site by name; `Site.source` names the source of each."""


def find_site(name: str) -> Site:
    """Look a site up.

    Raises:
        UsageError: if there is none of that name; it lists those that there are.
    """
    if name not in SITES:
        raise UsageError(f"there is no site {name!r}: choose one of {', '.join(SITES)}")
    return SITES[name]


def draw_disease(rng: np.random.Generator, site: Site) -> Disease:
    """Draw what a site's next patient has."""
    diseases = list(site.case_mix)
    return diseases[rng.choice(len(diseases), p=list(site.case_mix.values()))]


def draw_site_age(rng: np.random.Generator, site: Site, glioma: GliomaType) -> float:
    """Draw the age in years of a site's patient with a class of tumour, truncated to 18-90.

    Example:
        >>> age = draw_site_age(np.random.default_rng(0), SITES["tcia"], GliomaType.ASTROCYTOMA)
        >>> 18 <= age <= 90
        True
    """
    mean, deviation = site.ages[glioma]
    age = rng.normal(mean, deviation)
    while not 18 <= age <= 90:
        age = rng.normal(mean, deviation)
    return float(age)


def site_age(site: Site, glioma: GliomaType, age: float) -> float:
    """Carry an age in years that was drawn from `gliotype.simulate.patient.AGES` over to a site's ages.

    Example:
        >>> round(site_age(SITES["severance"], GliomaType.ASTROCYTOMA, 38.1), 1)
        42.1
    """
    mean, deviation = site.ages[glioma]
    drawn_mean, drawn_deviation = AGES[glioma]
    return min(max(mean + deviation * (age - drawn_mean) / drawn_deviation, 18.0), 90.0)
