"""Prepare a study: `Study` to `PreparedStudy`."""

from gliotype.prepare.brain import BrainFinder, atlas_brain
from gliotype.prepare.study import prepare

__all__ = ["BrainFinder", "atlas_brain", "prepare"]
