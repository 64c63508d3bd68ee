"""The diffusion b-value in the private elements of scanner makers, where the standard element is missing."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_GE_OFFSET = 1_000_000_000
"""GE adds this to b-values of some releases."""

_LARGEST = 20_000.0
"""No clinical scanner reaches this b-value (s/mm2); larger numbers mean something else."""


def _plain(value: float) -> float:
    return value


def _without_offset(value: float) -> float:
    return value - _GE_OFFSET if value >= _GE_OFFSET else value


_ELEMENTS: tuple[tuple[int, int, str, Callable[[float], float]], ...] = (
    (0x0019_0010, 0x0019_100C, "SIEMENS", _plain),
    (0x0043_0010, 0x0043_1039, "GEMS", _without_offset),
    (0x2001_0010, 0x2001_1003, "PHILIPS", _plain),
)
"""Element of the private creator, element of the b-value, what the creator's name begins with, how to read it."""

PRIVATE_TAGS: tuple[int, ...] = tuple(tag for creator, value, *_ in _ELEMENTS for tag in (creator, value))
"""Elements that `private_b_value` reads."""


def private_b_value(dataset: Dataset) -> float | None:
    """Return the b-value in s/mm2 that a maker's private element holds, or None.

    Known are Siemens (0019,100C), GE (0043,1039; the first of its values, with or without an offset of 1e9) and
    Philips (2001,1003), each only where the private creator is that maker's.

    Example:
        >>> dataset = Dataset()
        >>> dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
        >>> dataset.add_new(0x00431039, "IS", [1000001000, 8, 0, 0])
        >>> private_b_value(dataset)
        1000.0
    """
    for creator, element, maker, read in _ELEMENTS:
        if element in dataset and _text(_value(dataset, creator)).upper().startswith(maker):
            number = _number(_value(dataset, element))
            value = None if number is None else read(number)
            if value is not None and 0 <= value < _LARGEST:
                return value
    return None


def _value(dataset: Dataset, tag: int) -> Any:
    """Return the first value of an element, or None."""
    value = dataset[tag].value if tag in dataset else None
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    return value


def _text(value: Any) -> str:
    return value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float | None:
    """Read a number, also from the bytes of an element of unknown type: text, or a little-endian float."""
    if isinstance(value, bytes):
        text = value.rstrip(b" \0").split(b"\\")[0]
        if len(value) == 4 and not text.strip().isdigit():
            return float(struct.unpack("<f", value)[0])
        value = text.decode("ascii", errors="replace")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
