"""A note for the PACS in place of results: a basic text report that says why a study was not evaluated."""

from __future__ import annotations

import uuid
import warnings
from datetime import datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from gliotype._version import __version__

MANUFACTURER = "Gliotype"
RESEARCH_USE = "Gliotype is for research use only."

_FAMILY = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/gliotype/gliotype/note")
_COPIED = (
    "SpecificCharacterSet",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
)
"""What every object of the study shares; empty where the source has none."""


def write_note(source: Path, reason: str, file: Path) -> None:
    """Write a note into the study of a source; the same source and reason give the same identifiers.

    Args:
        source: any object of the study.
        reason: one sentence.
        file: DICOM file to write.

    Raises:
        OSError: if it cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = dcmread(
            source,
            stop_before_pixels=True,
            specific_tags=[*_COPIED, "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"],
        )
        note = Dataset()
        for keyword in _COPIED:
            if keyword in header:
                note[keyword] = header[keyword]
            elif keyword != "SpecificCharacterSet":
                setattr(note, keyword, "")
        _describe(note, header, reason)
        file.parent.mkdir(parents=True, exist_ok=True)
        note.save_as(file, enforce_file_format=True)


def _describe(note: Dataset, header: Dataset, reason: str) -> None:
    now = datetime.now()  # noqa: DTZ005 - DICOM has local times
    study = str(header.StudyInstanceUID)
    note.SOPClassUID = BasicTextSRStorage
    note.SOPInstanceUID = _uid(study, reason, "instance")
    note.SeriesInstanceUID = _uid(study, reason, "series")
    note.Modality = "SR"
    note.Manufacturer = note.ManufacturerModelName = MANUFACTURER
    note.SoftwareVersions = __version__
    note.SeriesDescription = "Gliotype note (research use only)"
    note.SeriesNumber, note.InstanceNumber = 9900, 1
    note.ReferencedPerformedProcedureStepSequence = []
    note.PerformedProcedureCodeSequence = []
    note.ContentDate, note.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    note.CompletionFlag, note.VerificationFlag = "COMPLETE", "UNVERIFIED"
    note.CurrentRequestedProcedureEvidenceSequence = [_evidence(header, study)]
    note.update(_document(reason))
    note.file_meta = FileMetaDataset()
    note.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _document(reason: str) -> Dataset:
    """The tree of the report: a heading, and two texts."""
    tree = Dataset()
    tree.ValueType, tree.ContinuityOfContent = "CONTAINER", "SEPARATE"
    tree.ConceptNameCodeSequence = [_code("18782-3", "LN", "Radiology Study observation (narrative)")]
    tree.ContentSequence = [
        _text(f"Gliotype did not evaluate this study: {reason}"),
        _text(RESEARCH_USE),
    ]
    return tree


def _text(text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    item.ConceptNameCodeSequence = [_code("121071", "DCM", "Finding")]
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _evidence(header: Dataset, study: str) -> Dataset:
    instance = Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = (
        header.SOPClassUID,
        header.SOPInstanceUID,
    )
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = str(header.SeriesInstanceUID), [instance]
    evidence = Dataset()
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = study, [series]
    return evidence


def _uid(*what: str) -> str:
    return f"2.25.{uuid.uuid5(_FAMILY, chr(0).join(what)).int}"
