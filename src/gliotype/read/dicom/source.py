"""Keep what results in DICOM need to know of their source: its instances, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom.tag import Tag

from gliotype.dicom_source import DicomSource, SourceFrame
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.header import Header
from gliotype.read.parsing import reading

PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
)
STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
)
SERIES = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "Modality",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "NumberOfFrames",
    "SliceThickness",
    "LongitudinalTemporalInformationModified",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
"""What results in DICOM take over from the header of their source: of the patient, the study, the series."""

_TAGS = [*map(Tag, (*PATIENT, *STUDY, *SERIES))]


def dicom_source(frames: Iterable[Frame], headers: Mapping[str, Header]) -> DicomSource:
    """Say which instances an image comes from; the series has no identifier where slices of several were joined.

    Args:
        frames: one for each slice, ascending.
        headers: of each file, by its path inside the study.

    Raises:
        InputError: if the header cannot be read again.
    """
    frames = tuple(frames)
    found = frames[0].found
    with reading(f"{found.relative} cannot be read again: export the series again"):
        header = read_dataset(found, stop_before_pixels=True, specific_tags=_TAGS)
        header.decode()
    if len({headers[frame.found.relative].series for frame in frames}) > 1:
        header.SeriesInstanceUID = ""
    many = int(header.get("NumberOfFrames") or 1) > 1
    return DicomSource(
        header,
        tuple(
            SourceFrame(
                uid=headers[frame.found.relative].uid,
                number=frame.index + 1 if many else None,
                size=frame.size,
                position=frame.position,
                orientation=frame.orientation,
                spacing=frame.spacing,
            )
            for frame in frames
        ),
    )
