"""Digital patients: anatomy, tumour, tissue, scanner."""

from gliotype.simulate.cohort.demo import DemoPatient, demo_seed, demo_study

__all__ = ["DemoPatient", "demo_seed", "demo_study"]
