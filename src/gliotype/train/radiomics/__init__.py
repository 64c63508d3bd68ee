"""Fit the radiomics and age models to public tables."""
