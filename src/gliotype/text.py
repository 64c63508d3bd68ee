"""Small helpers that put values into words and content into text."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable

_MAX_SPANS = 5


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
    if len(parts) > _MAX_SPANS:
        parts = [*parts[:_MAX_SPANS], f"{len(parts) - _MAX_SPANS} more"]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def printable(name: str) -> str:
    r"""Return a file name that every text can hold: bytes that are not UTF-8, as old exports have, become U+FFFD.

    Example:
        >>> printable("M\udcfcller/T1.nii.gz") == "M\ufffdller/T1.nii.gz"
        True
    """
    return os.fsencode(name).decode("utf-8", errors="replace")


def percent(probability: float) -> str:
    """Write a probability in percent, without claiming certainty.

    Example:
        >>> percent(0.874), percent(0.004), percent(0.999)
        ('87 %', '< 1 %', '> 99 %')
    """
    if probability < 0.01:
        return "< 1 %"
    if probability > 0.99:
        return "> 99 %"
    return f"{100 * probability:.0f} %"


def data_uri(content: bytes, media_type: str) -> str:
    """Return a file's content as a data URI.

    Example:
        >>> data_uri(b"<svg/>", "image/svg+xml")
        'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
