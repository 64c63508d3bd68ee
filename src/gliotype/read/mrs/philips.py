"""Philips SPAR and SDAT: a text with the parameters, and FIDs as pairs of floats of the VAX."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gliotype.errors import InputError
from gliotype.mrs import Floats
from gliotype.read.mrs.file import MrsFile, as_fids, box, nucleus_of, positive
from gliotype.read.nifti.bids import number_of
from gliotype.read.parsing import reading
from gliotype.volume import Grid

_LONGEST_SPAR = 1 << 20


def read_sdat(sdat: Path, spar: Path, source: str) -> MrsFile:
    """Read a pair of files.

    Args:
        sdat: the FIDs.
        spar: the parameters.
        source: path of the FIDs relative to the study.

    Raises:
        InputError: if they are damaged or do not fit together.
    """
    with reading(f"{source} or its SPAR file cannot be read ({{reason}}): export both again"):
        facts = _facts(spar)
        values = vax_floats(sdat.read_bytes())
    fids = values[0::2][: len(values) // 2] + 1j * values[1::2]
    points = int(positive(facts.get("samples")) or 0)
    rows = int(positive(facts.get("rows")) or 1)
    if points == 0 or len(fids) < points * rows:
        raise InputError(
            f"{source} holds {len(fids)} points where its SPAR file says {points} x {rows}: export both again"
        )
    width = positive(facts.get("sample_frequency"))
    hertz = positive(facts.get("synthesizer_frequency"))
    texts = (facts.get("scan_id", ""), facts.get("examination_name", "") if _sequence_like(facts) else "")
    return MrsFile(
        source=source,
        fids=as_fids(fids[: points * rows].reshape(rows, points).T[:, None, :, None], source),
        dwell_s=None if width is None else 1.0 / width,
        frequency_mhz=None if hertz is None else hertz / 1e6,
        nucleus=nucleus_of(facts.get("nucleus")),
        te_ms=positive(facts.get("echo_time")),
        tr_ms=positive(facts.get("repetition_time")),
        texts=tuple(filter(None, texts)),
        averages=int(positive(facts.get("averages")) or 1),
        voxel=_voxel(facts),
    )


def _sequence_like(facts: dict[str, str]) -> bool:
    """Whether the examination is named after a sequence; it may also hold the patient's name, which is not kept."""
    return bool(re.fullmatch(r"(?i)(mega|press|slaser|steam)[\w-]*", facts.get("examination_name", "")))


def vax_floats(content: bytes) -> Floats:
    """Convert single-precision floats of the VAX (F format).

    Example:
        >>> vax_floats(bytes([0x80, 0x40, 0x00, 0x00, 0x20, 0xC1, 0x00, 0x00])).tolist()
        [1.0, -2.5]
    """
    words = np.frombuffer(content[: len(content) // 4 * 4], "<u2").reshape(-1, 2).astype(np.uint32)
    numbers = ((words[:, 0] << 16) | words[:, 1]).view(np.float32) / np.float32(4)
    return np.where((words[:, 0] & 0x7F80) == 0, 0.0, numbers).astype(np.float64)


def _facts(spar: Path) -> dict[str, str]:
    text = spar.read_bytes()[:_LONGEST_SPAR].decode("latin-1")
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("!"))
    return {key.strip().lower(): value.strip().strip('"') for key, value in pairs}


def _voxel(facts: dict[str, str]) -> Grid | None:
    """Build the box: sizes, offsets and angles, of which right, front and top are positive here."""
    numbers = {
        f"{axis}_{what}": number_of(facts.get(f"{axis}_{what}"))
        for axis in ("lr", "ap", "cc")
        for what in ("size", "off_center", "angulation")
    }
    known = {key: value for key, value in numbers.items() if value is not None}
    if len(known) < len(numbers):
        return None
    angles = [-known["lr_angulation"], -known["ap_angulation"], known["cc_angulation"]]
    turn = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array([known[f"{axis}_size"] for axis in ("lr", "ap", "cc")])
    affine[:3, 3] = [-known["lr_off_center"], -known["ap_off_center"], known["cc_off_center"]]
    return box(affine)
