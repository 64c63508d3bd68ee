"""Digital patients: anatomy, tumour, tissue, scanner."""

from gliotype.simulate.cohort.raw_study import demo_study

__all__ = ["demo_study"]
