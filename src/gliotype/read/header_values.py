"""Read single header entries that DICOM and JSON sidecars share."""

from __future__ import annotations

import re


def age_in_years(text: str) -> float | None:
    """Read a DICOM age string (``063Y``, ``018M``, ``010W``, ``003D``), or None where it is not one.

    ``000Y`` is what anonymisers leave, and no age.

    Example:
        >>> age_in_years("063Y"), age_in_years("018M"), age_in_years(""), age_in_years("000Y")
        (63.0, 1.5, None, None)
    """
    match = re.fullmatch(r"\s*(\d{1,3})([YMWD])\s*", text.upper())
    if not match:
        return None
    years = float(match[1]) / {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[match[2]]
    return round(years, 2) if 0 < years <= 120 else None


def sex_of(text: str) -> str | None:
    """Return ``"M"`` or ``"F"`` if the text is one of them.

    Example:
        >>> sex_of("m "), sex_of("O")
        ('M', None)
    """
    letter = text.strip().upper()
    return letter if letter in ("M", "F") else None


def contrast_given(agent: str) -> bool | None:
    """Read a ContrastBolusAgent entry: False for a written no, None for an empty one.

    Example:
        >>> contrast_given("8 ml Gadovist"), contrast_given("None"), contrast_given(" ")
        (True, False, None)
    """
    word = agent.strip().lower()
    if not word:
        return None
    return word not in {"no", "n", "none", "no contrast", "without", "0", "na", "n/a", "nil", "ohne", "sans"}
