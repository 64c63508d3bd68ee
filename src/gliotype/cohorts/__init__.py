"""Cohorts on disk: patients with their images, age and IDH status, in the layouts of public data sets and of BIDS."""

from gliotype.cohorts.layout import LAYOUTS, Layout
from gliotype.cohorts.patient import CohortPatient
from gliotype.cohorts.read import read_cohort
from gliotype.cohorts.status import is_codeleted, is_mutant
from gliotype.cohorts.target import CODELETION, IDH, TARGETS, Target, find_target, target_of

__all__ = [
    "CODELETION",
    "IDH",
    "LAYOUTS",
    "TARGETS",
    "CohortPatient",
    "Layout",
    "Target",
    "find_target",
    "is_codeleted",
    "is_mutant",
    "read_cohort",
    "target_of",
]
