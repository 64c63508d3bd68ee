"""The errors that Gliotype raises: each says what was found and what to do about it.

Every error has the exit code with which the command line ends (``docs/reference/cli.md``).
"""

from __future__ import annotations


class GliotypeError(Exception):
    """Base of all errors that a caller can act on."""

    exit_code = 1


class UsageError(GliotypeError):
    """The call itself is wrong: an unknown option value, or several studies where one is due."""

    exit_code = 2


class InputError(GliotypeError):
    """The input cannot be read, or cannot be used for what was asked."""

    exit_code = 3


class GeometryError(InputError):
    """The geometry of an image is missing, singular or inconsistent."""


class NoStructuralImageError(GliotypeError):
    """The study has none of T1, T1c, T2 and FLAIR."""

    exit_code = 4


class WeightsError(GliotypeError):
    """A network's or model's weights are missing, or their hash is not the one in the manifest."""

    exit_code = 5


class OutputError(GliotypeError):
    """The results cannot be written where they were asked for."""

    exit_code = 3
