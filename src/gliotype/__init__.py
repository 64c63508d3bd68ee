"""Gliotype predicts the IDH status of a glioma from pre-operative MRI, and shows why."""

__version__ = "0.1.0"
