"""Read the header of one DICOM file: what it says of the series, and where each of its frames lies."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from gliotype.errors import InputError
from gliotype.read.cest.offsets import Offsets, stated_offset
from gliotype.read.dicom.b_value import PRIVATE_TAGS, private_b_value
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.mosaic import MOSAIC, tiles_of
from gliotype.read.files import Found
from gliotype.read.header_values import (
    age_between,
    age_in_years,
    contrast_given,
    seconds_of_day,
    sex_of,
)
from gliotype.read.parsing import reading
from gliotype.read.series import Examination, SeriesInfo
from gliotype.study import Acquisition

_MR_IMAGES = (
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.3",
    "1.2.840.10008.5.1.4.1.1.4.4",
)
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DIRECTORY = "1.2.840.10008.1.3.10"

_KEYWORDS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "SeriesNumber",
    "Modality",
    "BodyPartExamined",
    "PatientID",
    "PatientName",
    "PatientAge",
    "PatientSex",
    "PatientBirthDate",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "EchoNumbers",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "ImageType",
    "AcquisitionContrast",
    "ScanningSequence",
    "SequenceName",
    "PulseSequenceName",
    "InversionRecovery",
    "EchoPulseSequence",
    "AngioFlag",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ImageComments",
    "SliceThickness",
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "DiffusionBValue",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "TemporalPositionIdentifier",
    "AcquisitionTime",
    "ContentTime",
    "TriggerTime",
    "AcquisitionNumber",
    "InstanceNumber",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_TAGS = [*map(Tag, _KEYWORDS), *map(Tag, PRIVATE_TAGS)]


_MAX_NUMBER = 1e6
"""Positions (mm), directions and spacings (mm) are far below this."""


@dataclass(frozen=True, eq=False)
class Header:
    """What one file says.

    Attributes:
        source: its path inside the study.
        uid: SOPInstanceUID.
        series: StudyInstanceUID and SeriesInstanceUID.
        evidence: about its sequence.
        examination: whose it is.
        number: SeriesNumber.
        frames: its slices; none for a picture without a place in the patient.
        found: the file.
        echo: EchoNumbers, or None.
        unplaced: why it has no place in the patient, a clause; empty where it has one.
    """

    source: str
    uid: str
    series: tuple[str, str]
    info: SeriesInfo
    examination: Examination
    number: float
    frames: tuple[Frame, ...]
    found: Found
    echo: int | None = None
    unplaced: str = ""

    def frames_alike(self, other: Header) -> bool:
        """Whether the frames of both files say the same, except for the file they are in."""
        own = [replace(frame, found=self.found) for frame in self.frames]
        return own == [replace(frame, found=self.found) for frame in other.frames]


def read_header(found: Found) -> Header | None:
    """Read all of a file but its pixels.

    Returns:
        The header, or None for an object that is not an image (a report, a directory, a presentation state).

    Raises:
        InputError: if the file is damaged, or no DICOM at all.
    """
    with reading(f"{found.relative} is cut off or damaged within its header: export or copy it again"):
        return _header(found)


def _header(found: Found) -> Header | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = read_dataset(found, stop_before_pixels=True, specific_tags=_TAGS)
        kind = _text(dataset, "SOPClassUID") or str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
        if kind == _DIRECTORY:
            return None
        if not kind:
            raise InputError(f"{found.relative} is not a DICOM image: it is damaged or something else")
        if "Rows" not in dataset:
            if kind in _MR_IMAGES:
                raise InputError(f"{found.relative} is cut off within its header: export or copy it again")
            return None
        pictured = kind.startswith(_SECONDARY_CAPTURE) or int(dataset.get("SamplesPerPixel", 1)) != 1
        frames = () if pictured else tuple(_frames(dataset, found))
        if len(frames) == 1 and MOSAIC in frames[0].image_type:
            frames = tiles_of(frames[0])
        return Header(
            source=found.relative,
            uid=_text(dataset, "SOPInstanceUID") or found.relative,
            series=(_text(dataset, "StudyInstanceUID"), _text(dataset, "SeriesInstanceUID")),
            info=_series_info(dataset, found, pictured),
            examination=_examination(dataset),
            number=_number(dataset.get("SeriesNumber")) or 0.0,
            frames=frames,
            found=found,
            echo=_integer(dataset.get("EchoNumbers")),
            unplaced="" if frames else _unplaced(dataset, pictured),
        )


def _unplaced(dataset: Dataset, pictured: bool) -> str:
    """Say why no frame of a file has a place in the patient."""
    if pictured:
        return "is a picture without a place in the patient"
    needed = {
        "ImageOrientationPatient": "orientation",
        "ImagePositionPatient": "position",
        "PixelSpacing": "pixel spacing",
    }
    missing = [word for keyword, word in needed.items() if not dataset.get(keyword)]
    listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1] if missing else ""]))
    return f"does not say where it lies in the patient (its {listed or 'geometry'} is missing or unusable)"


def _frames(dataset: Dataset, found: Found) -> Iterator[Frame]:
    """List the frames of a file that say where they lie."""
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or [None]
    if per_frame == [None] and (_integer(dataset.get("NumberOfFrames")) or 1) > 1:
        raise InputError(
            f"{found.relative} holds {dataset.get('NumberOfFrames')} frames without a position for each (a classic "
            "multi-frame file): export the series as enhanced MR, or one file for each slice"
        )
    for index, own in enumerate(per_frame):
        groups = _Groups(dataset, shared, own, found.relative)
        position = groups.numbers("PlanePositionSequence", "ImagePositionPatient")
        orientation = groups.numbers("PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = groups.numbers("PixelMeasuresSequence", "PixelSpacing")
        if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0:
            continue
        slope = groups.scale("RescaleSlope", 1.0)
        frame_type = groups.value("MRImageFrameTypeSequence", "FrameType") or dataset.get("ImageType")
        yield Frame(
            found=found,
            index=index,
            size=(int(dataset.Rows), int(dataset.Columns)),
            position=(position[0], position[1], position[2]),
            orientation=orientation,
            spacing=(spacing[0], spacing[1]),
            te_ms=_positive(
                groups.number("MREchoSequence", "EffectiveEchoTime") or _number(dataset.get("EchoTime"))
            ),
            image_type=_values(frame_type),
            b_value=_b_value(dataset, groups),
            temporal=_integer(
                groups.value("FrameContentSequence", "TemporalPositionIndex")
                or dataset.get("TemporalPositionIdentifier")
            ),
            time_s=seconds_of_day(
                str(
                    groups.value("FrameContentSequence", "FrameAcquisitionDateTime")
                    or dataset.get("AcquisitionTime")
                    or dataset.get("ContentTime")
                    or ""
                )
            ),
            trigger_ms=_number(dataset.get("TriggerTime")),
            number=(
                _integer(dataset.get("AcquisitionNumber")) or 0,
                _integer(dataset.get("InstanceNumber")) or 0,
            ),
            offset=_offset(dataset, groups),
            thickness_mm=_positive(groups.number("PixelMeasuresSequence", "SliceThickness")),
            slope=slope,
            intercept=groups.scale("RescaleIntercept", 0.0),
        )


def _offset(dataset: Dataset, groups: _Groups) -> Offsets | None:
    """Take the saturation offset that a comment on the frame or image states."""
    comments = (groups.value("FrameContentSequence", "FrameComments"), dataset.get("ImageComments"))
    return next((found for text in comments if text and (found := stated_offset(str(text)))), None)


def _b_value(dataset: Dataset, groups: _Groups) -> float | None:
    """Take the standard b-value, else what an enhanced header says without one, else the maker's private one."""
    standard = groups.number("MRDiffusionSequence", "DiffusionBValue")
    if standard is not None:
        return standard if standard >= 0 else None
    if groups.value("MRDiffusionSequence", "DiffusionDirectionality") == "NONE":
        return 0.0
    return private_b_value(dataset)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Look-up of a frame's values: its own functional group, then the shared one, then the top level."""

    dataset: Dataset
    shared: Dataset | None
    own: Dataset | None
    source: str = ""

    def value(self, group: str, keyword: str) -> Any:
        """Return the value, or None."""
        for groups in (self.own, self.shared):
            item = None if groups is None else _first(groups, group)
            if item is not None and item.get(keyword) is not None:
                return item.get(keyword)
        return self.dataset.get(keyword)

    def number(self, group: str, keyword: str) -> float | None:
        """Return the value as a number, or None."""
        return _number(self.value(group, keyword))

    def numbers(self, group: str, keyword: str) -> tuple[float, ...]:
        """Return a multiple value as finite numbers, empty where it is missing."""
        value = self.value(group, keyword)
        known = [_number(v) for v in value] if isinstance(value, MultiValue | list) else []
        numbers = tuple(number for number in known if number is not None)
        if len(numbers) < len(known) or max(map(abs, numbers), default=0.0) > _MAX_NUMBER:
            raise InputError(
                f"{self.source}: its {keyword} is not made of plausible numbers: export the series again"
            )
        return numbers

    def scale(self, keyword: str, usual: float) -> float:
        """Return RescaleSlope or RescaleIntercept; a value that is there must be a number, and no slope is 0."""
        value = self.value("PixelValueTransformationSequence", keyword)
        number = _number(value)
        if number is None and value not in (None, ""):
            raise InputError(f"{self.source}: its {keyword} is not a number: export the series again")
        if number == 0 and keyword == "RescaleSlope":
            raise InputError(
                f"{self.source}: its RescaleSlope is 0, which leaves no image: export the series again"
            )
        return usual if number is None else number


def _series_info(dataset: Dataset, found: Found, pictured: bool) -> SeriesInfo:
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    own = _first(dataset, "PerFrameFunctionalGroupsSequence")
    groups = _Groups(dataset, shared, own)
    description = _text(dataset, "SeriesDescription") or _text(dataset, "ProtocolName")
    scanning = set(_values(dataset.get("ScanningSequence")))
    if _text(dataset, "InversionRecovery").upper() == "YES":
        scanning.add("IR")
    scanning |= {"SPIN": {"SE"}, "GRADIENT": {"GR"}}.get(_text(dataset, "EchoPulseSequence").upper(), set())
    agent = contrast_given(_text(dataset, "ContrastBolusAgent"))
    administered = str(
        groups.value("ContrastBolusUsageSequence", "ContrastBolusAgentAdministered") or ""
    ).upper()
    if administered in ("YES", "NO"):
        agent = administered == "YES"
    elif dataset.get("ContrastBolusAgentSequence"):
        agent = True
    texts = ("SeriesDescription", "SequenceName", "PulseSequenceName", "BodyPartExamined")
    folder = found.relative.rpartition("/")[0].rpartition("/")[2]
    return SeriesInfo(
        acquisition=Acquisition(
            te_ms=_positive(
                groups.number("MREchoSequence", "EffectiveEchoTime") or _number(dataset.get("EchoTime"))
            ),
            tr_ms=_positive(groups.number("MRTimingAndRelatedParametersSequence", "RepetitionTime")),
            ti_ms=_positive(
                _number(groups.value("MRModifierSequence", "InversionTimes"))
                or _number(dataset.get("InversionTime"))
            ),
            flip_angle_deg=groups.number("MRTimingAndRelatedParametersSequence", "FlipAngle"),
            field_t=_positive(_number(dataset.get("MagneticFieldStrength"))),
            contrast=agent,
            description=description or None,
            study_uid=_text(dataset, "StudyInstanceUID") or None,
        ),
        texts=tuple(text for key in texts if (text := _text(dataset, key))),
        protocol=_text(dataset, "ProtocolName"),
        folder=folder,
        scanning=frozenset(scanning),
        weighting=str(groups.value("MRImageFrameTypeSequence", "AcquisitionContrast") or "").upper(),
        angiography=_text(dataset, "AngioFlag").upper() == "Y",
        modality=_text(dataset, "Modality").upper() or "MR",
        image_type=_values(dataset.get("ImageType")),
        pictured=pictured,
        frequency_mhz=_positive(
            groups.number("MRImagingModifierSequence", "TransmitterFrequency")
            or _number(dataset.get("ImagingFrequency"))
        ),
    )


def _examination(dataset: Dataset) -> Examination:
    """Take patient and study; the patient's number or name leaves this function only as a hash."""
    age = age_in_years(_text(dataset, "PatientAge"))
    dates = (_text(dataset, key) for key in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    reckoned = age_between(_text(dataset, "PatientBirthDate"), next(filter(None, dates), ""))
    person = _text(dataset, "PatientID").strip() or str(dataset.get("PatientName") or "").strip("^ ")
    return Examination(
        patient=hashlib.sha256(person.lower().encode()).hexdigest()[:16] if person else "",
        study=_text(dataset, "StudyInstanceUID"),
        description=_text(dataset, "StudyDescription"),
        age=age if age is not None else reckoned,
        age_from_dates=age is None and reckoned is not None,
        sex=sex_of(_text(dataset, "PatientSex")),
    )


def _first(dataset: Dataset, keyword: str) -> Dataset | None:
    sequence = dataset.get(keyword)
    return sequence[0] if sequence else None


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value)


def _values(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(v).strip().upper() for v in ([value] if isinstance(value, str) else value))


def _number(value: Any) -> float | None:
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if isinstance(value, str):
        value = value.strip().replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None


def _positive(number: float | None) -> float | None:
    return number if number is not None and number > 0 else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
