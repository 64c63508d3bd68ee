"""Saturation offsets as sidecars, text files and DICOM headers state them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from gliotype.cest import PROTON_MHZ_PER_T, UNSATURATED, Saturation
from gliotype.errors import InputError
from gliotype.read.files import Found
from gliotype.read.limits import MAX_SIDECAR_BYTES
from gliotype.read.nifti.bids import number_of
from gliotype.read.parsing import reading

ACCEPTED = (
    "SaturationOffsetsPPM or SaturationOffsetsHz in its JSON sidecar, or a text file NAME_offsets.txt, "
    "NAME.offsets or offsets.txt next to it"
)
"""Where offsets are looked for, for messages."""

LARGEST_PPM = 10.0
"""Median distance from water up to which offsets without a unit are in ppm."""
SMALLEST_HZ = 30.0
"""Median distance from water at or above which offsets without a unit are in Hz."""

_KEYS = re.compile(
    r"(?:cest|saturation|sat|frequency|freq)+offsets?(?P<unit>ppm|hz)?|offsets?(?P<own>ppm|hz)"
)
_NO_SATURATION = frozenset(
    {"m0", "s0", "inf", "-inf", "off", "none", "nan", "unsaturated", "reference", "ref"}
)
_FILES = re.compile(
    r"(?:(?P<stem>.*)[_.-])?(?:sat(?:uration)?_?|freq(?:uency)?_?)?offsets?(?:_(?P<unit>ppm|hz))?"
)
_STATED = re.compile(r"(?<![\d.])([+-]?\d+(?:[.,]\d+)?)_?\s*(ppm|hz)(?![a-z])")
_NUMBERS = re.compile(r"[^\s,;\[\]()]+")


@dataclass(frozen=True)
class Offsets:
    """Offsets as a file states them.

    Attributes:
        values: of each frame, `UNSATURATED` for none.
        unit: ``"ppm"``, ``"hz"``, or empty where the file does not say.
    """

    values: tuple[float, ...]
    unit: str


def saturation_of(sidecar: Mapping[str, Any]) -> Saturation | None:
    """Take the saturation from a JSON sidecar; None where it names no offsets.

    Names of the offsets are recognised in any case, with or without underscores: ``SaturationOffsets``, followed by
    ``PPM`` or ``Hz`` unless ``SaturationOffsetsUnits`` says it; or ``offsets_ppm`` and ``offsets_hz``. Values are a
    list, or one number for a single image; ``null`` or a word such as ``"M0"`` is a frame without saturation.

    Example:
        >>> saturation_of({"SaturationOffsetsHz": ["M0", 447.06], "ImagingFrequency": 127.73}).offsets_ppm
        (inf, 3.5)
        >>> saturation_of({"EchoTime": 0.1}) is None
        True
    """
    for key, value in sidecar.items():
        plain = re.sub(r"[^a-z0-9]", "", key.lower())
        if not (match := _KEYS.fullmatch(plain)):
            continue
        entries = value if isinstance(value, list) else [value]
        values = [_offset(entry) for entry in entries]
        known = tuple(number for number in values if number is not None)
        if not known or len(known) < len(values):
            continue
        unit = (
            match["unit"] or match["own"] or str(sidecar.get("SaturationOffsetsUnits") or "").strip().lower()
        )
        said = Saturation(
            b1_ut=number_of(sidecar.get("SaturationB1")),
            duration_s=number_of(sidecar.get("SaturationDuration")),
            duty_cycle=number_of(sidecar.get("SaturationDutyCycle")),
        )
        return in_ppm(Offsets(known, unit), megahertz_of(sidecar), said)
    return None


def megahertz_of(sidecar: Mapping[str, Any]) -> float | None:
    """Take the proton frequency in MHz from a sidecar: as it is stated, else from the field strength."""
    stated = number_of(sidecar.get("ImagingFrequency"))
    field_t = number_of(sidecar.get("MagneticFieldStrength"))
    return stated or (None if field_t is None else field_t * PROTON_MHZ_PER_T)


def in_ppm(offsets: Offsets, megahertz: float | None, said: Saturation | None = None) -> Saturation:
    """Convert offsets to ppm; what keeps them from being converted becomes the saturation's problem.

    Args:
        offsets: as stated.
        megahertz: proton frequency of the scanner, or None.
        said: what else is known of the saturation.
    """
    said = said or Saturation()
    near = [abs(value) for value in offsets.values if np.isfinite(value)]
    unit = offsets.unit
    if unit not in ("ppm", "hz"):
        typical = float(np.median(near)) if near else 0.0
        unit = "ppm" if typical <= LARGEST_PPM else "hz" if typical >= SMALLEST_HZ else ""
    if not unit:
        return replace(said, problem="it is not clear whether its offsets are in ppm or Hz: name the unit")
    if unit == "ppm":
        return replace(said, offsets_ppm=offsets.values)
    if not megahertz:
        return replace(
            said,
            problem="its offsets are in Hz and the field strength is unknown: give MagneticFieldStrength",
        )
    return replace(said, offsets_ppm=tuple(round(value / megahertz, 4) for value in offsets.values))


def offset_files(found: Iterable[Found]) -> dict[str, Offsets]:
    """Read every text file of a study whose name says that it lists offsets, by its path in the study."""
    files = {}
    for file in found:
        if _names_offsets(file.relative) is None or file.path.stat().st_size > MAX_SIDECAR_BYTES:
            continue
        try:
            with reading(f"{file.relative} is not a readable list of offsets"):
                text = file.path.read_text(encoding="utf-8", errors="replace")
        except InputError:
            continue
        if (offsets := parse_offsets(text, file.relative)) is not None:
            files[file.relative] = offsets
    return files


def parse_offsets(text: str, name: str = "") -> Offsets | None:
    r"""Read offsets from a text, in a row or a column; None where it is not a list of them.

    Args:
        text: numbers and words for a frame without saturation, such as ``M0``; ``#`` begins a comment. The unit may
            stand in a comment or the first line.
        name: of the file, which may end in ``_ppm`` or ``_hz``.

    Example:
        >>> parse_offsets("# ppm\nM0\n-3.5\n3.5\n")
        Offsets(values=(inf, -3.5, 3.5), unit='ppm')
        >>> parse_offsets("patient moved") is None
        True
    """
    match = _names_offsets(name)
    unit = (match["unit"] or "") if match else ""
    if not unit and (said := re.search(r"(?<![a-z])(ppm|hz)(?![a-z])", text.lower())):
        unit = said[1]
    body = re.sub(r"#.*", " ", text)
    words = [
        word for word in _NUMBERS.findall(body) if word.lower() not in ("ppm", "hz", "offset", "offsets")
    ]
    values = [_offset(word) for word in words]
    known = tuple(value for value in values if value is not None)
    return Offsets(known, unit) if known and len(known) == len(values) else None


def offsets_beside(image: str, files: Mapping[str, Offsets]) -> str | None:
    """Return the path of the list of offsets of an image: of its own name, else the only list of its folder.

    Args:
        image: path in the study, without ending; of a DICOM series that of any file.
        files: by path, as `offset_files` gives them.
    """
    path = PurePosixPath(image)
    common = []
    for name in files:
        match = _names_offsets(name)
        if match is None or PurePosixPath(name).parent != path.parent:
            continue
        if (match["stem"] or "") == path.name.lower():
            return name
        if not match["stem"]:
            common.append(name)
    return common[0] if len(common) == 1 else None


def stated_offset(text: str) -> Offsets | None:
    """Read the one offset that a description or comment states; None where it states none, or several.

    Example:
        >>> stated_offset("APT +3.5ppm"), stated_offset("cest_-447Hz").values, stated_offset("CEST M0").values
        (Offsets(values=(3.5,), unit='ppm'), (-447.0,), (inf,))
        >>> stated_offset("t1_mprage") is None
        True
    """
    lowered = text.lower()
    found = _STATED.findall(lowered)
    if len(found) == 1:
        value = number_of(found[0][0])
        return None if value is None else Offsets((value,), found[0][1])
    if not found and re.search(r"(?<![a-z0-9])(?:[ms]0|unsat(?:urated)?)(?![a-z0-9])", lowered):
        return Offsets((UNSATURATED,), "ppm")
    return None


def _names_offsets(relative: str) -> re.Match[str] | None:
    name = PurePosixPath(relative).name.lower()
    for ending in (".txt", ".csv", ".tsv", ".dat"):
        if name.endswith(ending):
            return _FILES.fullmatch(name.removesuffix(ending))
    return _FILES.fullmatch(name) if name.endswith(".offsets") else None


def _offset(entry: object) -> float | None:
    """Read one offset; None where it is none."""
    if entry is None:
        return UNSATURATED
    if isinstance(entry, str) and entry.strip().lower() in _NO_SATURATION:
        return UNSATURATED
    return number_of(entry)
