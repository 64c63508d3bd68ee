"""The numbers and the answer as a DICOM structured report (TID 1500, Comprehensive 3D SR)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from highdicom.sr.enum import RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

from gliotype.dicom_source import DicomSource
from gliotype.report import words
from gliotype.report.dicom import codes
from gliotype.report.dicom.identity import NAME, Identity, instances
from gliotype.report.dicom.segmentation import BRAIN, REGIONS, WHOLE, Kind, Segmentations
from gliotype.result import Call

Group = VolumetricROIMeasurementsAndQualitativeEvaluations
Numbers = Mapping[str, float | None]

STATUS = {
    Call.MUTANT: codes.POSITIVE,
    Call.WILDTYPE: codes.NEGATIVE,
    Call.INDETERMINATE: codes.INDETERMINATE,
}
OF_SERIES = (
    "dsc_frames",
    "dsc_interval",
    "baseline_frames",
    "arterial_voxels",
    "white_matter_voxels",
    "tumour_voxels",
)
"""Perfusion numbers about the series, not the tumour; they stay in ``prediction.json``."""
PERFUSION_REGIONS = {"whole": "whole", "enhancing": "enhancing", "non_enhancing": "core", "oedema": "oedema"}
"""Segment by the region in the names of perfusion numbers."""


def make_report(
    identity: Identity, source: DicomSource, segmentations: Segmentations, maps: Mapping[str, Dataset]
) -> Dataset:
    """Make the report; each number refers to the segment that it was taken in.

    Args:
        identity: of the run, with its outputs.
        source: the reference series.
        segmentations: the objects to refer to.
        maps: further objects that count as evidence.
    """
    document = identity.outputs.document
    groups = [_group(identity, source, segmentations, kind) for kind in _kinds(segmentations)]
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(
                observer_type=dictionary.DCM.Device,
                observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                    uid=identity.uid("device"),
                    name=NAME,
                    manufacturer_name=NAME,
                    model_name=NAME,
                    serial_number=identity.weights,
                ),
            )
        ),
        procedure_reported=codes.MULTIPARAMETRIC_MRI,
        imaging_measurements=groups,
    )
    report[0].ContentSequence.extend(_comment(text) for text in _comments(document))
    dataset = Comprehensive3DSR(
        evidence=[*instances(source), *segmentations.objects.values(), *maps.values()],
        content=report,
        is_complete=True,
        **identity.arguments("report", 9111, "measurements"),
    )
    return identity.finish(dataset)


def _kinds(segmentations: Segmentations) -> list[Kind]:
    """Return what is measured: the tumour and its regions, or the brain where there is no tumour."""
    kinds = [kind for kind in (WHOLE, *REGIONS.values()) if kind.name in segmentations.references]
    return kinds or [BRAIN]


def _group(identity: Identity, source: DicomSource, segmentations: Segmentations, kind: Kind) -> Group:
    document, segment = identity.outputs.document, segmentations.references[kind.name]
    return Group(
        tracking_identifier=TrackingIdentifier(
            uid=identity.uid("tracking", kind.name), identifier=kind.label
        ),
        referenced_segment=ReferencedSegment(
            sop_class_uid=segment.sop_class,
            sop_instance_uid=segment.uid,
            segment_number=segment.number,
            source_series=SourceSeriesForSegmentation(source.series_uid),
        ),
        finding_type=kind.property,
        finding_category=kind.category,
        finding_sites=None if kind is BRAIN else [FindingSite(codes.BRAIN)],
        algorithm_id=AlgorithmIdentification(
            name=NAME,
            version=identity.version,
            parameters=[words.RESEARCH_USE],
            family=codes.ARTIFICIAL_INTELLIGENCE,
            manufacturer=NAME,
        ),
        measurements=list(_measurements(identity, kind)),
        qualitative_evaluations=list(_evaluations(document, kind)) or None,
    )


def _evaluations(document: Mapping[str, Any], kind: Kind) -> Iterator[QualitativeEvaluation]:
    call = Call(document["call"])
    if kind is BRAIN:
        missed = call is Call.INDETERMINATE
        yield QualitativeEvaluation(codes.TUMOUR_FOUND, codes.INDETERMINATE if missed else codes.ABSENT)
    if kind is not WHOLE:
        return
    yield QualitativeEvaluation(codes.TUMOUR_FOUND, codes.PRESENT)
    if call in STATUS:
        yield QualitativeEvaluation(codes.IDH_STATUS, STATUS[call])
    if (sign := document["measurements"]["mismatch"].get("mismatch_sign")) is not None:
        yield QualitativeEvaluation(codes.MISMATCH_SIGN, codes.PRESENT if sign else codes.ABSENT)


def _measurements(identity: Identity, kind: Kind) -> Iterator[Measurement]:
    """List the numbers of one segment."""
    document = identity.outputs.document
    measured, units = document["measurements"], document["units"]
    if kind is BRAIN:
        brain = identity.outputs.masks["brain"]
        yield _measurement(codes.VOLUME, float((brain.array > 0).sum()) * brain.grid.voxel_ml, "ml")
        return
    if kind is not WHOLE:
        yield _measurement(codes.VOLUME, document["tumour"]["regions_ml"][kind.name], "ml")
    else:
        yield _measurement(codes.VOLUME, document["tumour"]["volume_ml"], "ml")
        yield from _answer(document)
        yield from _shape_and_place(measured, units)
        for group in ("signal", "mismatch"):
            for name, value in measured[group].items():
                if value is not None and name != "mismatch_sign":
                    yield _measurement(_code(name), value, units.get(name, "1"))
    yield from _perfusion(measured["perfusion"], units, kind)
    enhancing_only = bool(measured["diffusion"].get("adc_enhancing_only"))
    if kind is (REGIONS_BY_NAME["enhancing"] if enhancing_only else WHOLE):
        for name, value in measured["diffusion"].items():
            if value is not None and name != "adc_enhancing_only":
                yield _coded(codes.DIFFUSION.get(name), name, value, units.get(name, "1"))


REGIONS_BY_NAME = {kind.name: kind for kind in REGIONS.values()}


def _answer(document: Mapping[str, Any]) -> Iterator[Measurement]:
    """State the probability, its range, and what they depend on, in percent; and what each method adds."""
    if document["probability"] is None:
        return
    low, high = document["interval"] or (None, None)
    thresholds = document["thresholds"]
    for name, value in (
        (codes.PROBABILITY, document["probability"]),
        (codes.RANGE_LOW, low),
        (codes.RANGE_HIGH, high),
        (codes.PREVALENCE, document["prevalence"]),
        (codes.WILDTYPE_AT, thresholds["wildtype_at"]),
        (codes.MUTANT_AT, thresholds["mutant_at"]),
    ):
        if value is not None:
            yield _measurement(name, 100.0 * value, "%")
    for evidence in document["evidence"]:
        method = codes.private(evidence["method"], words.method_words(evidence["method"]))
        yield _measurement(codes.CONTRIBUTION, evidence["contribution"], "1", method=method)


def _shape_and_place(measured: Mapping[str, Numbers], units: Mapping[str, str]) -> Iterator[Measurement]:
    for name, value in measured["shape"].items():
        if value is not None:
            yield _measurement(codes.SHAPE.get(name) or _code(name), value, units.get(name, "1"))
    for name, value in measured["loci"].items():
        if value is not None:
            site = FindingSite(codes.STRUCTURES.get(name) or _code(name))
            yield _measurement(codes.IN_STRUCTURE, value, "%", finding_sites=[site])


def _perfusion(numbers: Numbers, units: Mapping[str, str], kind: Kind) -> Iterator[Measurement]:
    """List the perfusion numbers of one segment: their names begin with its region."""
    for full, value in numbers.items():
        region = next((region for region in PERFUSION_REGIONS if full.startswith(f"{region}_")), None)
        if value is None or full in OF_SERIES or PERFUSION_REGIONS.get(region or "whole") != kind.name:
            continue
        name = full if region is None else full.removeprefix(f"{region}_")
        yield _coded(codes.PERFUSION.get(name), name, value, units.get(full, "1"))


def _coded(
    code: tuple[Code, Code | None, Code | None] | None, name: str, value: float, unit: str
) -> Measurement:
    """Make a measurement with its derivation and method, or with a private code where there is no other."""
    if code is None:
        return _measurement(_code(name), value, unit)
    return _measurement(code[0], value, unit, derivation=code[1], method=code[2])


def _measurement(name: Code, value: float, unit: str, **modifiers: Any) -> Measurement:
    amount, coded_unit = codes.in_dicom_units(value, unit)
    return Measurement(name, amount, coded_unit, **modifiers)


def _code(name: str) -> Code:
    return codes.private(name, words.label_words(name))


def _comments(document: Mapping[str, Any]) -> Iterator[str]:
    """Say in words what the numbers are for, and why the answer is not a clear one."""
    yield words.RESEARCH_USE
    yield f"{words.CALL_WORDS[Call(document['call'])]}. {document['explanation']}"
    yield from document["reasons"]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=codes.COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS)
