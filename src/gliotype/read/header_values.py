"""Read single header entries that DICOM and JSON sidecars share."""

from __future__ import annotations

import re
from datetime import date

_OLDEST = 120
_EARLIEST_BIRTH = 1901


def age_in_years(text: str) -> float | None:
    """Read a DICOM age string (``063Y``, ``018M``, ``010W``, ``003D``), or None where it is not one.

    A number without a unit counts in years. ``000Y`` is what anonymisers leave, and no age.

    Example:
        >>> age_in_years("063Y"), age_in_years("018M"), age_in_years(""), age_in_years("000Y")
        (63.0, 1.5, None, None)
        >>> age_in_years("63"), age_in_years("63.5"), age_in_years("063 years"), age_in_years("999")
        (63.0, 63.5, 63.0, None)
    """
    match = re.fullmatch(r"\s*(\d{1,4}(?:[.,]\d+)?)\s*([YMWD]?)(?:RS?|EARS?)?\s*", text.upper())
    if not match:
        return None
    number = float(match[1].replace(",", "."))
    years = number / {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[match[2]]
    return round(years, 2) if 0 < years <= _OLDEST else None


def age_between(birth: str, examination: str) -> float | None:
    """Reckon the age in years from two dates (``YYYYMMDD``, with or without separators), or None.

    Dates that anonymisers put in (before 1901, the same day as the examination, later than it) give none.

    Example:
        >>> age_between("19560314", "20190304"), age_between("1956-03-14", "2019-03-20")
        (62.97, 63.01)
        >>> age_between("19000101", "20190304"), age_between("", "20190304"), age_between("20190304", "20190304")
        (None, None, None)
    """
    born, seen = _date(birth), _date(examination)
    if born is None or seen is None or born.year < _EARLIEST_BIRTH:
        return None
    years = round((seen - born).days / 365.25, 2)
    return years if 0 < years <= _OLDEST else None


def _date(text: str) -> date | None:
    match = re.match(r"\s*(\d{4})[-./]?(\d{2})[-./]?(\d{2})(?!\d{1,5}$)", text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def seconds_of_day(text: str) -> float | None:
    """Read the time of day in s from a DICOM time or date-time, or as JSON sidecars write it.

    Example:
        >>> seconds_of_day("101500.5"), seconds_of_day("20190304101500"), seconds_of_day("10:15:00.5")
        (36900.5, 36900.0, 36900.5)
        >>> seconds_of_day("2019-03-04T10:15:00"), seconds_of_day("soon")
        (36900.0, None)
    """
    text = re.sub(r"^\s*\d{4}-\d\d-\d\d[T ]", "", text).strip().replace(":", "")
    match = re.match(r"(?:\d{8})?([01]\d|2[0-3])([0-5]\d)([0-5]\d(?:\.\d+)?)(?!\d)", text)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else None


def sex_of(text: str) -> str | None:
    """Return ``"M"`` or ``"F"`` if the text is one of them.

    Example:
        >>> sex_of("m "), sex_of("O")
        ('M', None)
    """
    letter = text.strip().upper()
    return letter if letter in ("M", "F") else None


def contrast_given(agent: str) -> bool | None:
    """Read a ContrastBolusAgent entry: False for a written no, None for one that names no agent.

    Anonymisers and forms leave all kinds of texts there; only the name of an agent, a dose or a written yes counts.

    Example:
        >>> contrast_given("8 ml Gadovist"), contrast_given("None"), contrast_given(" ")
        (True, False, None)
        >>> contrast_given("ANONYMIZED"), contrast_given("-"), contrast_given("sem contraste"), contrast_given("7.5 mL")
        (None, None, False, True)
    """
    word = " ".join(re.sub(r"[^a-z0-9+.,/-]+", " ", agent.lower()).split()).strip(" .-/,")
    if not word:
        return None
    if re.fullmatch(_NO_AGENT, word):
        return False
    dose = re.search(r"(\d+(?:[.,]\d+)?) ?(?:ml|cc|mmol|mg)", word)
    if dose and float(dose[1].replace(",", ".")) == 0:
        return False
    return True if dose or re.search(_AGENT, word) else None


_AGENT = (
    r"\b(?:gado?\w*|gd|km|mdc|civ|dotarem|dotagraf|clariscan|cyclolux|magnevist|magnograf|multihance|prohance|omniscan"
    r"|optimark|elucirem|vueway|artirem|pixxoscan|ablavar|vasovist|primovist|eovist|fer(?:aheme|umoxytol)|resovist"
    r"|contrast\w*|kontrast\w*|yes|y|ja|oui|si|sim|given|iv)\b"
)
_NO_AGENT = (
    r"(?:no|n|none|non|not|nil|na|n/a|0|0 ?ml|false|ohne|sans|sin|sem|senza|zonder|kein|keine?s?|without|w/o|nein|nao"
    r"|nativ|native|plain|aucun|ninguno|nenhum|nessuno|geen|uten|utan|yok)"
    r"(?: (?:contrast\w*|kontrast\w*|km|gd|gad\w*|agent|given|iv|injection|mdc|meio|medio|de|applied|used))*"
    r"|(?:non|un)[- ]?(?:contrast|enhanced)"
)
