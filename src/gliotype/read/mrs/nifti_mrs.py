"""NIfTI-MRS: complex FIDs along the fourth axis, and a JSON text in the header extension of code 44.

The standard keeps frequencies as they turn: a higher chemical shift has the more negative one. Here they are reversed.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from gliotype.errors import InputError
from gliotype.mrs import Complexes
from gliotype.read.files import GZIP_MAGIC
from gliotype.read.mrs.file import MrsFile, as_fids, box, milliseconds, nucleus_of, positive
from gliotype.read.parsing import reading

EXTENSION = 44
_COIL, _TRANSIENT, _EDIT = ("DIM_COIL",), ("DIM_DYN", "DIM_MEAS", "DIM_PHASE_CYCLE"), ("DIM_EDIT",)


def is_nifti_mrs(path: Path) -> bool:
    """Recognise the format by the intent name in the header, without reading the FIDs."""
    try:
        with path.open("rb") as stream:
            head = stream.read(540)
        if head[:2] == GZIP_MAGIC:
            with gzip.open(path) as packed:
                head = packed.read(540)
    except (OSError, EOFError, zlib.error):
        return False
    return head[328:333] == b"mrs_v" or head[508:513] == b"mrs_v"


def read_nifti_mrs(path: Path, source: str, sidecar: Mapping[str, Any]) -> MrsFile:
    """Read a NIfTI-MRS file.

    Args:
        path: of the file.
        source: its path relative to the study.
        sidecar: what a JSON file next to it says; the header extension has precedence.

    Raises:
        InputError: if it is damaged, holds more than one voxel, or axes of unknown meaning.
    """
    with reading(f"{source} is not a readable NIfTI-MRS file ({{reason}}): convert it again"):
        image: Any = nib.load(path)
        facts = {**sidecar, **_extension(image)}
        values = np.asarray(image.dataobj)
        dwell = float(image.header["pixdim"][4])
        affine = np.asarray(image.affine)
    if values.ndim < 4:
        raise InputError(f"{source} holds no FID along its fourth axis: convert it again")
    if max(values.shape[:3]) > 1:
        shape = " x ".join(str(n) for n in values.shape[:3])
        raise InputError(f"{source} is spectroscopic imaging of {shape} voxels: only single voxels are read")
    located = int(image.header["sform_code"]) > 0 or int(image.header["qform_code"]) > 0
    texts = [
        facts.get(key) for key in ("PulseSequenceType", "SequenceName", "ProtocolName", "SeriesDescription")
    ]
    suppressed = facts.get("WaterSuppressed", facts.get("WaterSuppression"))
    return MrsFile(
        source=source,
        fids=as_fids(_ordered(values[0, 0, 0].conj(), facts, source), source),
        dwell_s=_dwell(dwell, facts),
        frequency_mhz=positive(_first(facts.get("SpectrometerFrequency"))),
        nucleus=nucleus_of(facts.get("ResonantNucleus")),
        te_ms=milliseconds(facts.get("EchoTime")),
        te1_ms=milliseconds(facts.get("EchoTime1")),
        tr_ms=milliseconds(facts.get("RepetitionTime")),
        texts=tuple(text for text in texts if isinstance(text, str) and text),
        suppressed=suppressed if isinstance(suppressed, bool) else None,
        averages=int(positive(facts.get("NumberOfTransientsAveraged")) or 1),
        voxel=box(affine) if located else None,
    )


def _extension(image: Any) -> dict[str, Any]:
    for extension in image.header.extensions:
        if extension.get_code() == EXTENSION:
            content = extension.get_content()
            text = content.decode("utf-8", errors="replace") if isinstance(content, bytes) else str(content)
            facts = json.loads(text.strip("\0 \n"))
            if isinstance(facts, dict):
                return facts
    return {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _dwell(pixdim: float, facts: Mapping[str, Any]) -> float | None:
    if 1e-6 < pixdim < 0.01:
        return pixdim
    width = positive(facts.get("SpectralWidth"))
    return None if width is None else 1.0 / width


def _ordered(values: Complexes, facts: Mapping[str, Any], source: str) -> Complexes:
    """Bring (points, 5th, 6th, 7th axis) into the order points, coils, transients, edits."""
    tags = [str(facts.get(f"dim_{n}", "")) for n in (5, 6, 7)][: values.ndim - 1]
    places: list[list[int]] = [[], [], []]
    for axis, tag in enumerate(tags, start=1):
        kind = next((n for n, names in enumerate((_COIL, _TRANSIENT, _EDIT)) if tag in names), None)
        if kind is None:
            if values.shape[axis] > 1:
                raise InputError(
                    f"{source} has an axis of {values.shape[axis]} {tag or 'entries without a name'}, "
                    "where coils, transients and editing are known: average or split it"
                )
            kind = 1
        places[kind].append(axis)
    moved = values.transpose(0, *(axis for kind in places for axis in kind))
    shape = [values.shape[0], *(int(np.prod([values.shape[axis] for axis in kind])) for kind in places)]
    return np.asarray(moved.reshape(shape))
