"""What one file of spectroscopy holds, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gliotype.errors import GeometryError, InputError
from gliotype.mrs import Complexes
from gliotype.read.nifti.bids import number_of
from gliotype.volume import Grid, Matrix

LARGEST_VOXEL_MM = 150.0
"""A longer edge is not that of a measured box: converters write one where they do not know it."""

SMALLEST_VOXEL_MM = 2.0

MOST_POINTS = 1 << 22
"""Complex numbers that are read of one file at most."""


@dataclass(frozen=True, eq=False)
class MrsFile:
    """A file of spectroscopy.

    Attributes:
        source: path relative to the study.
        fids: (points, coils, transients, edits), positive frequencies being higher chemical shifts.
        dwell_s: time between two points; None where the file does not say.
        frequency_mhz: of the scanner; None where the file does not say.
        nucleus: such as ``"1H"``.
        te_ms: echo time, or None.
        te1_ms: first echo time, or None.
        tr_ms: repetition time, or None.
        texts: names of sequence and protocol, and of the file.
        suppressed: whether water was suppressed, as far as the file says.
        averages: of the scanner within each transient.
        voxel: the measured box, or None.
    """

    source: str
    fids: Complexes
    dwell_s: float | None
    frequency_mhz: float | None
    nucleus: str = "1H"
    te_ms: float | None = None
    te1_ms: float | None = None
    tr_ms: float | None = None
    texts: tuple[str, ...] = ()
    suppressed: bool | None = None
    averages: int = 1
    voxel: Grid | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def box(affine: Matrix) -> Grid | None:
    """Return a grid of one voxel, or None where its size is not that of a measured box."""
    try:
        grid = Grid((1, 1, 1), np.asarray(affine, dtype=np.float64))
    except GeometryError:
        return None
    plausible = all(SMALLEST_VOXEL_MM <= edge <= LARGEST_VOXEL_MM for edge in grid.spacing)
    return grid if plausible else None


def as_fids(values: Complexes, source: str) -> Complexes:
    """Check FIDs of (points, coils, transients, edits).

    Raises:
        InputError: if there are none, or unreasonably many.
    """
    if values.ndim != 4 or 0 in values.shape:
        raise InputError(f"{source} holds no FID: export it again")
    if values.size > MOST_POINTS:
        raise InputError(f"{source} holds {values.size:,} points, more than a single-voxel measurement has")
    return np.ascontiguousarray(values, dtype=np.complex128)


def positive(value: Any) -> float | None:
    """Read a number above 0.

    Example:
        >>> positive("97,0"), positive(0), positive(None)
        (97.0, None, None)
    """
    number = number_of(value)
    return number if number is not None and number > 0 else None


def milliseconds(seconds: Any) -> float | None:
    """Read a time in seconds as milliseconds."""
    number = positive(seconds)
    return None if number is None else round(1000 * number, 4)


def nucleus_of(value: Any) -> str:
    """Read the name of a nucleus; protons where nothing is said.

    Example:
        >>> nucleus_of(["31P"]), nucleus_of("1H"), nucleus_of(None)
        ('31P', '1H', '1H')
    """
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    text = re.sub(r"[^0-9A-Za-z]", "", value).upper() if isinstance(value, str) else ""
    return text or "1H"
