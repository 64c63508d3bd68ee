"""The errors that Gliotype raises: each says what was found and what to do about it.

Every error has the exit code with which the command line ends (``docs/reference/cli.md``).
"""

from __future__ import annotations

from collections.abc import Iterable


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


def spans(numbers: Iterable[int]) -> str:
    """List whole numbers for a message, runs of them shortened; at most five spans.

    Example:
        >>> spans([7]), spans([17, 18]), spans([9, 3, 4, 5, 12])
        ('7', '17 and 18', '3-5, 9 and 12')
        >>> spans(range(0, 40, 2))
        '0, 2, 4, 6, 8 and 15 more'
    """
    runs: list[list[int]] = []
    for number in sorted(int(n) for n in numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(number) for number in run]
    if len(parts) > _MOST_SPANS:
        parts = [*parts[:_MOST_SPANS], f"{len(parts) - _MOST_SPANS} more"]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


_MOST_SPANS = 5
