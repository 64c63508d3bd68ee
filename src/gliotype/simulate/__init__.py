"""Digital patients: anatomy, tumour, tissue, scanner."""

from gliotype.simulate.raw import demo_study

__all__ = ["demo_study"]
