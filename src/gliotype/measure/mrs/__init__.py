"""Single-voxel spectroscopy: a simulated basis, a linear-combination fit, and 2HG with its bound."""

from gliotype.measure.mrs.spectroscopy import SPECTROSCOPY_UNITS, fit_spectrum, spectroscopy

__all__ = ["SPECTROSCOPY_UNITS", "fit_spectrum", "spectroscopy"]
