"""Cohorts on disk: patients with their images, age and IDH status, in the layouts of public data sets and of BIDS."""

from gliotype.cohorts.layout import LAYOUTS, Layout
from gliotype.cohorts.patient import CohortPatient
from gliotype.cohorts.read import read_cohort
from gliotype.cohorts.status import is_mutant

__all__ = ["LAYOUTS", "CohortPatient", "Layout", "is_mutant", "read_cohort"]
