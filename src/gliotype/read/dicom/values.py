"""Values of a DICOM header: of its elements, and of the functional groups of an enhanced image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gliotype.errors import InputError

_MAX_NUMBER = 1e6
"""Positions (mm), directions and spacings (mm) are far below this."""


@dataclass(frozen=True, eq=False)
class FunctionalGroups:
    """Look-up of a frame's values: its own functional group, then the shared one, then the top level."""

    dataset: Dataset
    shared: Dataset | None
    own: Dataset | None
    source: str = ""

    def value(self, group: str, keyword: str) -> Any:
        """Return the value, or None."""
        for groups in (self.own, self.shared):
            item = None if groups is None else first_item(groups, group)
            if item is not None and item.get(keyword) is not None:
                return item.get(keyword)
        return self.dataset.get(keyword)

    def number(self, group: str, keyword: str) -> float | None:
        """Return the value as a number, or None."""
        return number_of(self.value(group, keyword))

    def numbers(self, group: str, keyword: str) -> tuple[float, ...]:
        """Return a multiple value as finite numbers, empty where it is missing."""
        value = self.value(group, keyword)
        known = [number_of(v) for v in value] if isinstance(value, MultiValue | list) else []
        numbers = tuple(number for number in known if number is not None)
        if len(numbers) < len(known) or max(map(abs, numbers), default=0.0) > _MAX_NUMBER:
            raise InputError(
                f"{self.source}: its {keyword} is not made of plausible numbers: export the series again"
            )
        return numbers

    def scale(self, keyword: str, usual: float) -> float:
        """Return RescaleSlope or RescaleIntercept; a value that is there must be a number, and no slope is 0."""
        value = self.value("PixelValueTransformationSequence", keyword)
        number = number_of(value)
        if number is None and value not in (None, ""):
            raise InputError(f"{self.source}: its {keyword} is not a number: export the series again")
        if number == 0 and keyword == "RescaleSlope":
            raise InputError(
                f"{self.source}: its RescaleSlope is 0, which leaves no image: export the series again"
            )
        return usual if number is None else number


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, or None."""
    sequence = dataset.get(keyword)
    return sequence[0] if sequence else None


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return a value as text, empty where it is missing."""
    value = dataset.get(keyword)
    return "" if value is None else str(value)


def values_of(value: Any) -> tuple[str, ...]:
    """Return the words of a single or multiple value in capitals, empty where it is missing."""
    if value is None:
        return ()
    return tuple(str(v).strip().upper() for v in ([value] if isinstance(value, str) else value))


def number_of(value: Any) -> float | None:
    """Return the first of a value as a finite number, or None; a decimal comma is read as a point."""
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if isinstance(value, str):
        value = value.strip().replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None


def positive(number: float | None) -> float | None:
    """Return a number above 0, or None."""
    return number if number is not None and number > 0 else None


def integer_of(value: Any) -> int | None:
    """Return a number without its fraction, or None."""
    number = number_of(value)
    return None if number is None else int(number)
