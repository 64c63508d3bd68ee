"""Siemens rda: a text header, then the averaged FID as pairs of doubles.

Its frequencies run as in NIfTI-MRS; see there.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gliotype.errors import InputError
from gliotype.read.mrs.file import MrsFile, as_fids, box, nucleus_of, positive
from gliotype.read.nifti.bids import number_of
from gliotype.read.parsing import reading
from gliotype.volume import LPS_FROM_RAS, Grid

_BEGIN, _END = b">>> Begin of header <<<", b">>> End of header <<<"
_LONGEST_HEADER = 1 << 18


def is_rda(path: Path) -> bool:
    """Recognise the format by its first line."""
    try:
        with path.open("rb") as stream:
            return stream.read(64).startswith(_BEGIN)
    except OSError:
        return False


def read_rda(path: Path, source: str) -> MrsFile:
    """Read an rda file.

    Raises:
        InputError: if it is damaged, or holds more than one voxel.
    """
    with reading(f"{source} is not a readable rda file ({{reason}}): export it again"):
        content = path.read_bytes()
        end = content.index(_END, 0, _LONGEST_HEADER)
        facts = _facts(content[:end])
        data = content[content.index(b"\n", end) + 1 :]
        values = np.frombuffer(data[: len(data) // 16 * 16], "<c16")
    matrix = [int(positive(facts.get(f"CSIMatrixSize[{n}]")) or 1) for n in range(3)]
    if max(matrix) > 1:
        shape = " x ".join(str(n) for n in matrix)
        raise InputError(f"{source} is spectroscopic imaging of {shape} voxels: only single voxels are read")
    points = int(positive(facts.get("VectorSize")) or len(values))
    if len(values) < points:
        raise InputError(
            f"{source} holds {len(values)} of {points} points: it is incomplete, export it again"
        )
    dwell_us = positive(facts.get("DwellTime"))
    name = f"{facts.get('SequenceName', '')} {facts.get('SequenceDescription', '')}".strip()
    return MrsFile(
        source=source,
        fids=as_fids(values[:points].conj().reshape(-1, 1, 1, 1), source),
        dwell_s=None if dwell_us is None else dwell_us * 1e-6,
        frequency_mhz=positive(facts.get("MRFrequency")),
        nucleus=nucleus_of(facts.get("Nucleus")),
        te_ms=positive(facts.get("TE")),
        tr_ms=positive(facts.get("TR")),
        texts=tuple(filter(None, (name, facts.get("ProtocolName", ""), facts.get("SeriesDescription", "")))),
        averages=int(positive(facts.get("NumberOfAverages")) or 1),
        voxel=_voxel(facts),
    )


def _facts(header: bytes) -> dict[str, str]:
    lines = header.decode("latin-1").splitlines()
    found = (re.match(r"([\w\[\],]+):\s?(.*)", line) for line in lines)
    return {match[1]: match[2].strip() for match in found if match}


def _voxel(facts: dict[str, str]) -> Grid | None:
    """Build the box from the directions of its edges and its middle, which the header gives in LPS."""

    def vector(*keys: str) -> np.ndarray | None:
        numbers = [number_of(facts.get(key)) for key in keys]
        return None if None in numbers else np.array(numbers, dtype=np.float64)

    row, column = (vector(*(f"{name}[{n}]" for n in range(3))) for name in ("RowVector", "ColumnVector"))
    middle = vector("VOIPositionSag", "VOIPositionCor", "VOIPositionTra")
    if middle is None:
        middle = vector(*(f"PositionVector[{n}]" for n in range(3)))
    edges = vector("PixelSpacingRow", "PixelSpacingCol", "SliceThickness")
    if row is None or column is None or middle is None or edges is None:
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row, column, np.cross(row, column)], axis=1) * edges
    affine[:3, 3] = middle
    return box(LPS_FROM_RAS @ affine)
