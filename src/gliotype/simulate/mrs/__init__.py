"""Spectra of digital patients: concentrations by class, measurements with all that disturbs them, and their files."""
