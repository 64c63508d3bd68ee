"""What file names and JSON sidecars of NIfTI files say: patient, session, acquisition parameters."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypedDict

from gliotype.errors import InputError
from gliotype.read.files import Format, Found
from gliotype.read.header_values import age_between, age_in_years, contrast_given, sex_of
from gliotype.read.limits import MAX_SIDECAR_BYTES
from gliotype.read.parsing import reading
from gliotype.read.series import Examination, Series, broken_series
from gliotype.study import Acquisition

Sidecar = Mapping[str, Any]

B_VALUES = "b_values"
"""Key of the content of a ``.bval`` file in a sidecar."""

_IDENTIFIERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![a-z0-9])(?P<patient>sub-[a-z0-9]+)(?:[_/](?P<session>ses-[a-z0-9]+))?",
        r"(?P<patient>BraTS-[a-z]+-\d{5})-(?P<session>\d{3})",
        r"(?P<patient>BraTS(?:20)?\d\d_(?:[a-z]+_)*\d+)",
        r"(?P<patient>UCSF-PDGM-\d+)(?:_(?P<session>FU\d*d?))?",
        r"(?P<patient>UPENN-GBM-\d{5})_(?P<session>\d\d)",
        r"(?P<patient>TCGA-[a-z0-9]{2}-[a-z0-9]{4})",
        r"(?P<patient>EGD-\d{4})",
    )
)


def examination_of(relative: str, sidecar: Sidecar) -> Examination:
    """Read patient and session from a path that follows BIDS or a public cohort's naming.

    Example:
        >>> e = examination_of("sub-07/ses-pre/anat/sub-07_ses-pre_T1w.nii.gz", {})
        >>> e.patient, e.study
        ('sub-07', 'sub-07/ses-pre')
        >>> examination_of("BraTS2021_01478/BraTS2021_01478_t1ce.nii.gz", {}).study
        'BraTS2021_01478'
        >>> examination_of("img1.nii.gz", {}).patient
        ''
    """
    for pattern in _IDENTIFIERS:
        for part in reversed(relative.split("/")):
            if match := pattern.search(part):
                groups = match.groupdict()
                patient = groups["patient"]
                session = groups.get("session") or _session_folder(relative)
                return Examination(
                    patient.lower(),
                    f"{patient}/{session}" if session else patient,
                    **_age_and_sex(sidecar),
                )
    return Examination(study=str(sidecar.get("StudyInstanceUID", "")), **_age_and_sex(sidecar))


class _AgeAndSex(TypedDict):
    age: float | None
    age_from_dates: bool
    sex: str | None


def _age_and_sex(sidecar: Sidecar) -> _AgeAndSex:
    """Take the age as it is written, else between the dates of birth and examination; and the sex."""
    age = age_in_years(_said(sidecar, "PatientAge"))
    dates = ("AcquisitionDate", "AcquisitionDateTime", "SeriesDate", "StudyDate")
    examined = next(filter(None, (_said(sidecar, key) for key in dates)), "")
    reckoned = age_between(_said(sidecar, "PatientBirthDate"), examined) if age is None else None
    return {
        "age": reckoned if age is None else age,
        "age_from_dates": reckoned is not None,
        "sex": sex_of(_said(sidecar, "PatientSex")),
    }


def _said(sidecar: Sidecar, key: str) -> str:
    """Return an entry as text: numbers as well, nothing else."""
    value = sidecar.get(key)
    return str(value) if isinstance(value, str | int | float) else ""


def _session_folder(relative: str) -> str:
    """Return the BIDS session among the folders of a path, or empty."""
    match = re.search(r"(?:^|/)(ses-[A-Za-z0-9]+)/", relative)
    return match[1] if match else ""


def sidecars_of(found: Iterable[Found]) -> dict[str, Sidecar]:
    """Read every JSON file of a study that holds an object, and every list of b-values, by its path in the study."""
    sidecars: dict[str, Sidecar] = {}
    for file in found:
        if file.relative.lower().endswith((".json", ".bval")):
            try:
                content = _json(file) if file.relative.lower().endswith(".json") else _b_values(file)
            except InputError:
                continue
            if isinstance(content, dict):
                sidecars[file.relative] = content
    return sidecars


def broken_sidecars(found: Iterable[Found]) -> list[Series]:
    """Return a broken series for each JSON file that has the name of a NIfTI file and cannot be read.

    What the file would have said about the image is missing then, which the user should know.
    """
    found = list(found)
    images = {stem_of(f.relative) for f in found if f.format is Format.NIFTI}
    broken = []
    for file in found:
        if file.relative.lower().endswith(".json") and stem_of(file.relative[: -len(".json")]) in images:
            try:
                _json(file)
            except InputError as error:
                broken.append(broken_series(file.relative, error, stem_of(file.relative[: -len(".json")])))
    return broken


def _json(file: Found) -> Any:
    """Read a JSON file.

    Raises:
        InputError: if it is not JSON, nested too deeply, or larger than the limit.
    """
    with reading(f"{file.relative} is not a readable JSON sidecar ({{reason}}): export or repair it"):
        return _without_surrogates(json.loads(_text_of(file)))


def _b_values(file: Found) -> dict[str, list[float]]:
    """Read the b-values of a ``.bval`` file, in one row or in one column.

    Raises:
        InputError: if it holds something else, or is larger than the limit.
    """
    with reading(f"{file.relative} is not a readable list of b-values ({{reason}}): export or repair it"):
        return {B_VALUES: [float(word) for word in _text_of(file).replace(",", " ").split()]}


def _text_of(file: Found) -> str:
    """Read a text in UTF-8, with or without a byte order mark, in UTF-16, or in Latin-1.

    Raises:
        InputError: if it is larger than the limit.
    """
    if file.path.stat().st_size > MAX_SIDECAR_BYTES:
        raise InputError(
            f"{file.relative} is larger than the limit of {MAX_SIDECAR_BYTES / 1e6:.0f} MB for a sidecar: remove it"
        )
    content = file.path.read_bytes()
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _without_surrogates(value: Any) -> Any:
    """Replace halves of surrogate pairs, which no file can hold, in every text of a JSON value."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_surrogates(entry) for entry in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(entry) for key, entry in value.items()}
    return value


def sidecar_for(relative: str, sidecars: Mapping[str, Sidecar]) -> Sidecar:
    """Collect what the sidecars say about one NIfTI file, the nearest having the last word.

    A sidecar belongs to the image if it has the image's name, or, by the inheritance principle of BIDS,
    lies in the same folder or above, ends in the same suffix, and has no entity that the image has not.

    Example:
        >>> above = {"T1w.json": {"EchoTime": 0.003, "FlipAngle": 9}}
        >>> own = {"sub-1/anat/sub-1_T1w.json": {"FlipAngle": 8}}
        >>> sidecar_for("sub-1/anat/sub-1_T1w.nii.gz", above | own)
        {'EchoTime': 0.003, 'FlipAngle': 8}
    """
    path = PurePosixPath(relative)
    parts = set(stem_of(relative).split("_"))
    suffix = stem_of(relative).rsplit("_", 1)[-1]
    belonging = []
    for name, content in sidecars.items():
        other = PurePosixPath(name)
        if other.parent != path.parent and other.parent not in path.parents:
            continue
        own = other.stem == stem_of(relative) and other.parent == path.parent
        inherited = other.stem.rsplit("_", 1)[-1] == suffix and set(other.stem.split("_")) <= parts
        if own or inherited:
            belonging.append((len(other.parts), len(other.stem), content))
    merged: dict[str, Any] = {}
    for _, _, content in sorted(belonging, key=lambda item: item[:2]):
        merged.update(content)
    return merged


def stem_of(relative: str) -> str:
    """Return a file's name without folders and without ``.nii``, ``.nii.gz`` or ``.hdr``.

    Example:
        >>> stem_of("anat/sub-1_T1w.nii.gz")
        'sub-1_T1w'
    """
    return re.sub(r"\.(nii|hdr|img)?(\.gz)?$", "", PurePosixPath(relative).name, flags=re.IGNORECASE)


def acquisition_of(sidecar: Sidecar, description: str) -> Acquisition:
    """Take the acquisition parameters from a sidecar as dcm2niix and BIDS write it (times in seconds)."""
    agent = sidecar.get("ContrastBolusAgent") or sidecar.get("ContrastBolusIngredient")
    return Acquisition(
        te_ms=_milliseconds(sidecar.get("EchoTime"), longest_s=2.0),
        tr_ms=_milliseconds(sidecar.get("RepetitionTime"), longest_s=60.0),
        ti_ms=_milliseconds(sidecar.get("InversionTime"), longest_s=20.0),
        flip_angle_deg=number_of(sidecar.get("FlipAngle")),
        field_t=number_of(sidecar.get("MagneticFieldStrength")),
        contrast=contrast_given(str(agent)) if agent else None,
        description=description,
        study_uid=_text(sidecar.get("StudyInstanceUID")),
    )


def numbers_of(value: Any) -> tuple[float, ...]:
    """Read a list of numbers; empty where it is anything else.

    Example:
        >>> numbers_of([0, 1.5]), numbers_of(["soon"]), numbers_of(None)
        ((0.0, 1.5), (), ())
    """
    numbers = [number_of(entry) for entry in value] if isinstance(value, list) else []
    known = tuple(number for number in numbers if number is not None)
    return known if len(known) == len(numbers) else ()


def number_of(value: Any) -> float | None:
    """Read a finite number, also one that was written as text, with a decimal point or comma.

    Example:
        >>> number_of(3), number_of("0,005"), number_of(True), number_of(float("inf")), number_of(10**400)
        (3.0, 0.005, None, None, None)
    """
    if isinstance(value, str):
        value = value.strip().replace(",", ".")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _milliseconds(value: Any, longest_s: float) -> float | None:
    """Convert seconds to milliseconds; a number beyond any real duration was in milliseconds already."""
    number = number_of(value)
    if number is None or number <= 0:
        return None
    return round(number * 1000.0 if number <= longest_s else number, 4)
