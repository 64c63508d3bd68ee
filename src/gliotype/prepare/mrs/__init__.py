"""From the transients of a single-voxel measurement to one spectrum that can be fitted."""

from gliotype.prepare.mrs.process import process, process_series

__all__ = ["process", "process_series"]
