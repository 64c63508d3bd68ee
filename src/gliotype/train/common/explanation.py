"""What moved a trained method's answer for one patient: a map on a slice, contributions, or both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import atomic_write, reading_cached
from gliotype.train.data.examples import Example


def _nothing() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a method answers as it does.

    Attributes:
        kind: what it shows, such as ``map of votes``.
        image: slice through the tumour, (i, j), x to the right and y to anterior; empty without a map.
        map: what each pixel says, (i, j), positive for the positive class; empty without a map.
        numbers: contributions by name, the largest first.
        unit: of the numbers.
    """

    kind: str
    image: NDArray[np.float32] = field(default_factory=_nothing)
    map: NDArray[np.float32] = field(default_factory=_nothing)
    numbers: tuple[tuple[str, float], ...] = ()
    unit: str = "log-odds"


@runtime_checkable
class ExplainingMethod(Protocol):
    """A trained method that says what moved its answer."""

    def explain(self, example: Example) -> Explanation | None:
        """Return what moved the answer for a patient; None where there is no answer."""
        ...


def largest_first(contributions: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """Sort contributions by size.

    Example:
        >>> largest_first({"age": 0.2, "shape": -1.0})
        (('shape', -1.0), ('age', 0.2))
    """
    return tuple(sorted(contributions.items(), key=lambda item: -abs(item[1])))


def write_explanation(explanation: Explanation, file: Path) -> None:
    """Write an explanation, replaced at once when complete."""
    about = {"kind": explanation.kind, "numbers": explanation.numbers, "unit": explanation.unit}
    with atomic_write(file) as aside:
        np.savez_compressed(aside, image=explanation.image, map=explanation.map, about=json.dumps(about))


def read_explanation(file: Path) -> Explanation:
    """Read an explanation.

    Raises:
        InputError: if the file is damaged.
    """
    with reading_cached(file), np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
        numbers = tuple((name, float(value)) for name, value in about["numbers"])
        return Explanation(about["kind"], arrays["image"], arrays["map"], numbers, about["unit"])
