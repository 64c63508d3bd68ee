"""Discrimination and calibration of predictions against the truth."""
