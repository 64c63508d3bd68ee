"""Measure DSC perfusion: a prepared series in; curves, maps and numbers out."""

from gliotype.measure.dsc.analyse import NoPerfusion, VoxelPerfusion, analyse
from gliotype.measure.dsc.numbers import PERFUSION_UNITS
from gliotype.measure.dsc.perfusion import perfusion

__all__ = ["PERFUSION_UNITS", "NoPerfusion", "VoxelPerfusion", "analyse", "perfusion"]
