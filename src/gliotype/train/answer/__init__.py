"""Fit the answer: coefficients for found outlines, weights of the evidence, and the card."""
