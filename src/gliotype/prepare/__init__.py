"""Prepare a study: `Study` to `PreparedStudy`, and masks back to the images as they were acquired."""

from gliotype.prepare.acquired import to_acquired
from gliotype.prepare.brain import BrainFinder, atlas_brain
from gliotype.prepare.study import prepare, prepare_registered

__all__ = ["BrainFinder", "atlas_brain", "prepare", "prepare_registered", "to_acquired"]
