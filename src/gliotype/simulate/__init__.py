"""Digital patients: anatomy, tumour, tissue, scanner."""

from gliotype.simulate.cohort.demo import DEMO_SEQUENCES, DemoPatient, demo_seed, demo_study

__all__ = ["DEMO_SEQUENCES", "DemoPatient", "demo_seed", "demo_study"]
