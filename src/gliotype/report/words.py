"""How answers and numbers are worded, in the report and on the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

from gliotype.paths import without_paths
from gliotype.result import Call, Result
from gliotype.text import percent

CALL_WORDS = {
    Call.MUTANT: "IDH-mutant",
    Call.WILDTYPE: "IDH-wildtype",
    Call.INDETERMINATE: "Indeterminate",
    Call.NO_TUMOUR: "No tumour found",
}

REGION_WORDS = {
    "enhancing": "Enhancing tumour",
    "core": "Non-enhancing or necrotic core",
    "oedema": "Oedema and infiltrated tissue",
}

METHOD_WORDS = {
    "age": "age",
    "radiomics": "radiomics",
    "hybrid": "hybrid network",
    "t2net": "T2-net",
    "tsnet": "TS-net",
    "mismatch": "T2-FLAIR mismatch",
    "adc": "ADC",
    "mrs": "2HG spectroscopy",
    "perfusion": "perfusion network",
}

SOURCE_WORDS = {
    "outline": "uncertainty about the outline of the tumour",
    "hospital": "differences between hospitals",
    "weights": "uncertainty about the weight of each method",
    "coefficients": "the uncertainty of the methods themselves",
}
"""What varies in the range of an answer."""

SOURCE_ADVICE = {
    "outline": "look at the outline, and give a corrected one with --mask",
    "hospital": "a calibration with patients of this clinic would narrow the range",
}

_UNIT_WORDS = {"1": "", "mm2": "mm²", "mm3": "mm³"}

RESEARCH_USE = "Research use only: not a medical device, not for diagnosis or treatment decisions."


def percentage(value: float) -> str:
    """Write a fraction in percent.

    Example:
        >>> percentage(0.874), percentage(0.0), percentage(1.0)
        ('87 %', '0 %', '100 %')
    """
    return f"{100 * value:.0f} %"


def interval_words(interval: tuple[float, float] | None) -> str:
    """Write a 95 % interval of a probability.

    Example:
        >>> interval_words((0.712, 0.95))
        '95 % interval 71 % to 95 %'
    """
    if interval is None:
        return "no interval"
    return f"95 % interval {percent(interval[0])} to {percent(interval[1])}"


def range_words(interval: tuple[float, float] | None) -> str:
    """Write the range of an answer.

    Example:
        >>> range_words((0.712, 0.95)), range_words(None)
        ('range 71 % to 95 %', 'no range')
    """
    if interval is None:
        return "no range"
    return f"range {percent(interval[0])} to {percent(interval[1])}"


def number(value: float | None, unit: str = "") -> str:
    """Write a measured number with about three significant digits and its unit; None is a dash.

    Example:
        >>> number(118083.2, "mm3"), number(0.7), number(None, "ml"), number(-0.000342, "1/s")
        ('118,083 mm³', '0.7', '–', '-0.000342 1/s')
    """
    if value is None:
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    written = f"{value:.3g}" if 0 < size < 0.1 else f"{value + 0.0:,.{digits}f}"
    if "." in written and "e" not in written:
        written = written.rstrip("0").rstrip(".")
    return f"{written} {_UNIT_WORDS.get(unit, unit)}".strip()


def age_words(age: float | None) -> str:
    """Write an age.

    Example:
        >>> age_words(44.0), age_words(None)
        ('44 years', 'age not given')
    """
    return "age not given" if age is None else f"{age:.3g} years"


def method_words(name: str) -> str:
    """Name a method as readers know it.

    Example:
        >>> method_words("mismatch"), method_words("new_method")
        ('T2-FLAIR mismatch', 'new method')
    """
    return METHOD_WORDS.get(name, label_words(name))


def label_words(name: str) -> str:
    """Split the name of a measurement or method into words, and write sequences as readers do.

    Example:
        >>> label_words("Maximum3DDiameter"), label_words("T1C_p95_over_ring")
        ('Maximum 3D Diameter', 'T1c p95 over ring')
    """
    words = re.sub(r"_|(?<=[a-z])(?=[A-Z0-9])(?<=[a-z]{3})|(?<=\dD)(?=[A-Z])", " ", name)
    return re.sub(r"\bT1C\b", "T1c", words)


def without_sources(result: Result) -> Callable[[str], str]:
    """Make a filter that puts ``image 3`` where a text quotes where the third image came from.

    Paths may hold a patient's name; they appear only in ``prediction.json``.
    """
    images = {image.source: f"image {n}" for n, image in reversed([*enumerate(result.study.images, start=1)])}
    return without_paths(result.paths, images)
