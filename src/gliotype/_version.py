"""The version of Gliotype, for everyone who prints it."""

__version__ = "0.2.0"
