"""Fuzzing of everything that reads files."""
