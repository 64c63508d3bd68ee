"""The one-page report as an encapsulated PDF."""

from __future__ import annotations

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from gliotype.dicom_source import DicomSource
from gliotype.report.dicom.identity import Identity, instances

TITLE = "Gliotype report (research use only)"


def make_pdf(identity: Identity, source: DicomSource) -> Dataset:
    """Wrap ``report.pdf`` into a DICOM object of the same study."""
    evidence = instances(source)
    first = evidence[0]
    pdf = identity.outputs.pdf
    dataset = SOPClass(
        study_instance_uid=first.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        patient_id=first.PatientID,
        patient_name=first.PatientName,
        patient_birth_date=first.PatientBirthDate,
        patient_sex=first.PatientSex,
        accession_number=first.AccessionNumber,
        study_id=first.StudyID,
        study_date=first.StudyDate,
        study_time=first.StudyTime,
        referring_physician_name=first.ReferringPhysicianName,
        **identity.arguments("pdf", 9121, "report"),
    )
    dataset.copy_patient_and_study_information(first)
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.DocumentTitle = TITLE
    dataset.ConceptNameCodeSequence = []
    dataset.SourceInstanceSequence = [_reference(item) for item in evidence]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + bytes(len(pdf) % 2)
    return identity.finish(dataset)


def _reference(instance: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = instance.SOPClassUID
    item.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return item
