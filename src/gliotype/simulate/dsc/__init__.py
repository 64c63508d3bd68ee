"""Simulate DSC perfusion: kinetics, tissue, signal, noise, vessels, and whole series."""
