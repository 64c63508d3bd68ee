"""LCModel RAW: a text with one averaged FID, whose time between two points only some programs write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gliotype.errors import InputError
from gliotype.read.mrs.file import MrsFile, as_fids, milliseconds, nucleus_of, positive
from gliotype.read.parsing import reading

_LARGEST = 1 << 24


def is_raw(path: Path) -> bool:
    """Recognise the format by one of its namelists near the beginning."""
    try:
        with path.open("rb") as stream:
            head = stream.read(2048)
    except OSError:
        return False
    return b"\0" not in head and re.search(rb"\$\s*(NMID|SEQPAR)", head, re.IGNORECASE) is not None


def read_raw(path: Path, source: str, sidecar: Mapping[str, Any]) -> MrsFile:
    """Read a RAW file.

    The format does not fix which way frequencies run: `gliotype.prepare.mrs` finds that out.

    Args:
        path: of the file.
        source: its path relative to the study.
        sidecar: what a JSON file next to it says, for what the format does not hold.

    Raises:
        InputError: if it is damaged.
    """
    with reading(f"{source} is not a readable LCModel RAW file ({{reason}}): export it again"):
        text = path.read_bytes()[:_LARGEST].decode("latin-1")
        last = max(match.end() for match in re.finditer(r"\$END", text, re.IGNORECASE))
        facts = {
            key.lower(): value.strip().strip("'\"")
            for key, value in re.findall(r"([A-Za-z]\w*)\s*=\s*('[^']*'|[^\s,']+)", text[:last])
        }
        numbers = np.array(text[last:].replace("D", "E").split(), dtype=np.float64)
    if len(numbers) < 2:
        raise InputError(f"{source} holds no FID after its header: export it again")
    width = positive(sidecar.get("SpectralWidth"))
    dwell = (
        positive(facts.get("dwelltime")) or positive(facts.get("deltat")) or (1.0 / width if width else None)
    )
    frequency = positive(facts.get("hzpppm")) or positive(sidecar.get("SpectrometerFrequency"))
    values = numbers[0 : len(numbers) // 2 * 2 : 2] + 1j * numbers[1::2]
    named = (facts.get("seq", ""), sidecar.get("SequenceName", ""))
    return MrsFile(
        source=source,
        fids=as_fids(values.conj().reshape(-1, 1, 1, 1), source),
        dwell_s=dwell,
        frequency_mhz=frequency,
        nucleus=nucleus_of(sidecar.get("ResonantNucleus")),
        te_ms=positive(facts.get("echot")) or milliseconds(sidecar.get("EchoTime")),
        te1_ms=milliseconds(sidecar.get("EchoTime1")),
        tr_ms=milliseconds(sidecar.get("RepetitionTime")),
        texts=tuple(text for text in named if isinstance(text, str) and text),
    )
