"""Read the header of one DICOM file: what it says of the series, and where each of its frames lies."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gliotype.errors import InputError
from gliotype.read.cest.offsets import Offsets, stated_offset
from gliotype.read.dicom.b_value import PRIVATE_TAGS, private_b_value
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.mosaic import MOSAIC, tiles_of
from gliotype.read.dicom.values import (
    FunctionalGroups,
    first_item,
    integer_of,
    number_of,
    positive,
    text_of,
    values_of,
)
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
        kind = text_of(dataset, "SOPClassUID") or str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
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
            uid=text_of(dataset, "SOPInstanceUID") or found.relative,
            series=(text_of(dataset, "StudyInstanceUID"), text_of(dataset, "SeriesInstanceUID")),
            info=_series_info(dataset, found, pictured),
            examination=_examination(dataset),
            number=number_of(dataset.get("SeriesNumber")) or 0.0,
            frames=frames,
            found=found,
            echo=integer_of(dataset.get("EchoNumbers")),
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
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or [None]
    if per_frame == [None] and (integer_of(dataset.get("NumberOfFrames")) or 1) > 1:
        raise InputError(
            f"{found.relative} holds {dataset.get('NumberOfFrames')} frames without a position for each (a classic "
            "multi-frame file): export the series as enhanced MR, or one file for each slice"
        )
    for index, own in enumerate(per_frame):
        groups = FunctionalGroups(dataset, shared, own, found.relative)
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
            te_ms=positive(
                groups.number("MREchoSequence", "EffectiveEchoTime") or number_of(dataset.get("EchoTime"))
            ),
            image_type=values_of(frame_type),
            b_value=_b_value(dataset, groups),
            temporal=integer_of(
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
            trigger_ms=number_of(dataset.get("TriggerTime")),
            number=(
                integer_of(dataset.get("AcquisitionNumber")) or 0,
                integer_of(dataset.get("InstanceNumber")) or 0,
            ),
            offset=_offset(dataset, groups),
            thickness_mm=positive(groups.number("PixelMeasuresSequence", "SliceThickness")),
            slope=slope,
            intercept=groups.scale("RescaleIntercept", 0.0),
        )


def _offset(dataset: Dataset, groups: FunctionalGroups) -> Offsets | None:
    """Take the saturation offset that a comment on the frame or image states."""
    comments = (groups.value("FrameContentSequence", "FrameComments"), dataset.get("ImageComments"))
    return next((found for text in comments if text and (found := stated_offset(str(text)))), None)


def _b_value(dataset: Dataset, groups: FunctionalGroups) -> float | None:
    """Take the standard b-value, else what an enhanced header says without one, else the maker's private one."""
    standard = groups.number("MRDiffusionSequence", "DiffusionBValue")
    if standard is not None:
        return standard if standard >= 0 else None
    if groups.value("MRDiffusionSequence", "DiffusionDirectionality") == "NONE":
        return 0.0
    return private_b_value(dataset)


def _series_info(dataset: Dataset, found: Found, pictured: bool) -> SeriesInfo:
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    own = first_item(dataset, "PerFrameFunctionalGroupsSequence")
    groups = FunctionalGroups(dataset, shared, own)
    description = text_of(dataset, "SeriesDescription") or text_of(dataset, "ProtocolName")
    scanning = set(values_of(dataset.get("ScanningSequence")))
    if text_of(dataset, "InversionRecovery").upper() == "YES":
        scanning.add("IR")
    scanning |= {"SPIN": {"SE"}, "GRADIENT": {"GR"}}.get(text_of(dataset, "EchoPulseSequence").upper(), set())
    agent = contrast_given(text_of(dataset, "ContrastBolusAgent"))
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
            te_ms=positive(
                groups.number("MREchoSequence", "EffectiveEchoTime") or number_of(dataset.get("EchoTime"))
            ),
            tr_ms=positive(groups.number("MRTimingAndRelatedParametersSequence", "RepetitionTime")),
            ti_ms=positive(
                number_of(groups.value("MRModifierSequence", "InversionTimes"))
                or number_of(dataset.get("InversionTime"))
            ),
            flip_angle_deg=groups.number("MRTimingAndRelatedParametersSequence", "FlipAngle"),
            field_t=positive(number_of(dataset.get("MagneticFieldStrength"))),
            contrast=agent,
            description=description or None,
            study_uid=text_of(dataset, "StudyInstanceUID") or None,
        ),
        texts=tuple(text for key in texts if (text := text_of(dataset, key))),
        protocol=text_of(dataset, "ProtocolName"),
        folder=folder,
        scanning=frozenset(scanning),
        weighting=str(groups.value("MRImageFrameTypeSequence", "AcquisitionContrast") or "").upper(),
        angiography=text_of(dataset, "AngioFlag").upper() == "Y",
        modality=text_of(dataset, "Modality").upper() or "MR",
        image_type=values_of(dataset.get("ImageType")),
        pictured=pictured,
        frequency_mhz=positive(
            groups.number("MRImagingModifierSequence", "TransmitterFrequency")
            or number_of(dataset.get("ImagingFrequency"))
        ),
    )


def _examination(dataset: Dataset) -> Examination:
    """Take patient and study; the patient's number or name leaves this function only as a hash."""
    age = age_in_years(text_of(dataset, "PatientAge"))
    dates = (text_of(dataset, key) for key in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    reckoned = age_between(text_of(dataset, "PatientBirthDate"), next(filter(None, dates), ""))
    person = text_of(dataset, "PatientID").strip() or str(dataset.get("PatientName") or "").strip("^ ")
    return Examination(
        patient=hashlib.sha256(person.lower().encode()).hexdigest()[:16] if person else "",
        study=text_of(dataset, "StudyInstanceUID"),
        description=text_of(dataset, "StudyDescription"),
        age=age if age is not None else reckoned,
        age_from_dates=age is None and reckoned is not None,
        sex=sex_of(text_of(dataset, "PatientSex")),
    )
