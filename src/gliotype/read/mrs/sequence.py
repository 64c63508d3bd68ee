"""Which sequence a spectrum is of: by the words of its header or name, or as the caller says."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from gliotype.errors import UsageError
from gliotype.mrs import MrsSequence, Timing
from gliotype.read.mrs.file import MrsFile

_WORDS = (
    (MrsSequence.MEGA, r"mega|mpress|hermes|hercules|svs_?edit|eja_svs_mpress|edited"),
    (MrsSequence.SLASER, r"s[\W_]?laser|semi[\W_]?laser|svs_slaser"),
    (MrsSequence.STEAM, r"steam|svs_st(?![a-z])"),
    (MrsSequence.PRESS, r"press|svs_se(?![a-z])|probe-?p"),
)
_WATER = (
    r"(?:^|[\W_])(?:(?:raw_)?ref|mrsref|water_?ref|w_?ref|water|h2o|unsuppressed|unsupp|no_?ws)(?:[\W_]|\d|$)"
)


def timing_of(file: MrsFile, given: Timing | None = None) -> tuple[Timing | None, bool, str]:
    """Identify sequence and echo time.

    Args:
        file: of spectroscopy.
        given: what the caller says.

    Returns:
        The timing (None where the echo time is unknown), whether PRESS was only assumed, and how it was found out,
        a clause.
    """
    if given is not None:
        return given, False, f"{given}, as the caller says"
    texts = (*file.texts, PurePosixPath(file.source).name)
    word = next(
        ((sequence, match[0]) for sequence, pattern in _WORDS for text in texts
         if (match := re.search(pattern, text, re.IGNORECASE))),
        None,
    )  # fmt: skip
    if file.fids.shape[3] > 1:
        sequence, why = MrsSequence.MEGA, "it holds several conditions of editing"
    elif word is not None:
        sequence, why = word[0], f"its header or name says '{word[1]}'"
    else:
        sequence, why = MrsSequence.PRESS, "nothing names its sequence, so PRESS was assumed"
    if file.te_ms is None:
        return None, False, f"{sequence}: {why}; its echo time is unknown"
    timing = Timing(sequence, file.te_ms, file.te1_ms)
    return timing, word is None and file.fids.shape[3] == 1, f"{timing}: {why}"


def names_water(file: MrsFile) -> bool:
    """Whether the file is a reference without water suppression, by its header or its name."""
    if file.suppressed is not None:
        return not file.suppressed
    stem = re.sub(r"\.(nii|gz|rda|sdat|raw|h2o)", "", PurePosixPath(file.source).name.lower())
    return file.source.lower().endswith(".h2o") or re.search(_WATER, stem) is not None


def parse_timing(text: str) -> Timing:
    """Read what the caller says: sequence and echo time, or both echo times.

    Raises:
        UsageError: if it is not such a text.

    Example:
        >>> str(parse_timing("PRESS:32+65")), str(parse_timing("slaser:110"))
        ('PRESS, TE 97 ms (32 + 65)', 'sLASER, TE 110 ms')
    """
    match = re.fullmatch(r"\s*(\w[\w-]*)\s*:\s*([\d.]+)\s*(?:\+\s*([\d.]+))?\s*(?:ms)?\s*", text)
    names = {"press": MrsSequence.PRESS, "slaser": MrsSequence.SLASER, "mega": MrsSequence.MEGA}
    names |= {"mega-press": MrsSequence.MEGA, "steam": MrsSequence.STEAM}
    try:
        if match is None or match[1].lower() not in names:
            raise ValueError(text)
        first, second = float(match[2]), None if match[3] is None else float(match[3])
    except ValueError:
        raise UsageError(
            f"the sequence of the spectrum is {text!r}: give press, slaser or mega with the echo time in ms, "
            "such as press:32+65, slaser:110 or mega:68"
        ) from None
    total = first if second is None else first + second
    if not 5 <= total <= 1000:
        raise UsageError(f"the echo time of the spectrum is {total:g} ms: give 5 to 1000 ms")
    return Timing(names[match[1].lower()], total, None if second is None else first)
