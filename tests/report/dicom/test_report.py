"""The structured report: its answer, its numbers with their codes, units and segments, and what it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gliotype.report.dicom import codes
from gliotype.result import Call
from support.dicom_results import Case, centred, make_case, no_tumour, perhaps_missed

AXIAL = np.diag([-1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("study"), centred(AXIAL))


def items(dataset: Dataset) -> Iterator[Dataset]:
    """Every content item of a report, in order."""
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from items(item)


def groups(report: Dataset) -> dict[str, Dataset]:
    """The measurement groups by their tracking identifier."""
    found = [i for i in items(report) if i.ValueType == "CONTAINER" and name(i) == "125007"]
    return {next(i.TextValue for i in items(group) if name(i) == "112039"): group for group in found}


def name(item: Dataset) -> str:
    concept = item.ConceptNameCodeSequence[0]
    return str(concept.get("CodeValue") or concept.LongCodeValue)


def numbers(group: Dataset) -> list[tuple[str, float, str, tuple[str, ...]]]:
    """Code, value, unit and modifiers of each number of a group."""
    return [
        (
            name(item),
            float(item.MeasuredValueSequence[0].NumericValue),
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
            tuple(
                i.ConceptCodeSequence[0].CodeValue
                for i in item.get("ContentSequence", [])
                if i.ValueType == "CODE"
            ),
        )
        for item in group.ContentSequence
        if item.ValueType == "NUM"
    ]


def evaluations(group: Dataset) -> dict[str, str]:
    return {
        name(item): item.ConceptCodeSequence[0].CodeValue
        for item in group.ContentSequence
        if item.ValueType == "CODE" and item.RelationshipType == "CONTAINS"
    }


def with_document(case: Case, **changes: Any) -> Case:
    return replace(case, outputs=replace(case.outputs, document={**case.outputs.document, **changes}))


def test_the_answer_has_its_probability_range_and_prevalence_in_percent(case: Case) -> None:
    whole = groups(case.objects()["report_sr.dcm"])["Whole tumour"]
    assert evaluations(whole)["IDH_STATUS"] == "260385009"
    found = numbers(whole)
    for code, value in (
        ("probability", 13.0),
        ("interval_low", 5.0),
        ("interval_high", 28.0),
        ("prevalence", 30.0),
        ("wildtype_at", 20.0),
        ("mutant_at", 80.0),
    ):
        assert (code, value, "%", ()) in found
    assert ("contribution", -1.14, "1", ("radiomics",)) in found


@pytest.mark.parametrize(
    ("call", "code"),
    [(Call.MUTANT, "10828004"), (Call.WILDTYPE, "260385009"), (Call.INDETERMINATE, "82334004")],
)
def test_each_call_has_its_code(call: Call, code: str, case: Case) -> None:
    reasons = ["The range straddles a threshold."] if call is Call.INDETERMINATE else []
    report = with_document(case, call=call.value, reasons=reasons).objects()["report_sr.dcm"]
    assert evaluations(groups(report)["Whole tumour"])["IDH_STATUS"] == code
    said = [item.TextValue for item in items(report) if name(item) == "121106"]
    assert any("Research use only" in text for text in said)
    assert set(reasons) <= set(said)


def test_numbers_have_their_codes_units_and_modifiers(case: Case) -> None:
    found = numbers(groups(case.objects()["report_sr.dcm"])["Whole tumour"])
    assert ("118565006", round(case.outputs.document["tumour"]["volume_ml"], 4), "cm3", ()) in [
        (code, round(value, 4), unit, modifiers) for code, value, unit, modifiers in found
    ]
    assert ("QCFX", 0.594, "1", ()) in found
    assert ("RNU0", 118083.0, "mm3", ()) in found
    assert ("L0JK", 87.2, "mm", ()) in found
    assert ("loci", 61.2, "%", ("83251001",)) in found
    assert ("126398", 2.1, "1", ("373098007", "corrected")) in [
        (code, value, unit, tuple(sorted(modifiers))) for code, value, unit, modifiers in found
    ]


def test_diffusion_is_stated_in_a_unit_of_dicom_and_in_the_part_that_was_assessed(case: Case) -> None:
    measured = {
        **case.outputs.document["measurements"],
        "diffusion": {"adc_mean": 0.812, "adc_enhancing_only": 1.0},
    }
    units = {**case.outputs.document["units"], "adc_mean": "1e-3 mm2/s"}
    found = groups(with_document(case, measurements=measured, units=units).objects()["report_sr.dcm"])
    assert ("113041", 812.0, "um2/s", ("373098007",)) in numbers(found["Enhancing tumour"])
    assert "113041" not in [code for code, *_ in numbers(found["Whole tumour"])]


def test_perfusion_of_a_region_is_a_number_of_its_segment(case: Case) -> None:
    perfusion = {
        "non_enhancing_nrcbv_p95": 3.25,
        "whole_k2": -0.002,
        "dsc_frames": 60.0,
        "tumour_coverage": 98.0,
    }
    measured = {**case.outputs.document["measurements"], "perfusion": perfusion}
    units = {"whole_k2": "1/s", "tumour_coverage": "%"}
    found = groups(with_document(case, measurements=measured, units=units).objects()["report_sr.dcm"])
    core = [(code, value, unit) for code, value, unit, _ in numbers(found["Non-enhancing or necrotic core"])]
    assert ("126398", 3.25, "1") in core
    whole = [(code, value, unit) for code, value, unit, _ in numbers(found["Whole tumour"])]
    assert ("k2", -0.002, "/s") in whole
    assert ("tumour_coverage", 98.0, "%") in whole
    assert "dsc_frames" not in [code for code, *_ in whole]


def test_each_group_refers_to_its_segment_and_the_source_series(case: Case) -> None:
    made = case.objects()
    segmentation, report = made["tumour_seg.dcm"], made["report_sr.dcm"]
    labels = {segment.SegmentNumber: segment.SegmentLabel for segment in segmentation.SegmentSequence}
    found = groups(report)
    assert set(found) == set(labels.values()) - {"Brain"}
    for label, group in found.items():
        (reference,) = [
            item.ReferencedSOPSequence[0] for item in group.ContentSequence if item.ValueType == "IMAGE"
        ]
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert labels[reference.ReferencedSegmentNumber] == label
        assert "1.2.3.4" in [item.UID for item in group.ContentSequence if item.ValueType == "UIDREF"]


def test_everything_referred_to_is_listed_as_evidence(case: Case) -> None:
    made = case.objects()
    (study,) = made["report_sr.dcm"].CurrentRequestedProcedureEvidenceSequence
    listed = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert listed == {frame.uid for frame in case.source.frames} | {
        made[name].SOPInstanceUID for name in ("tumour_seg.dcm", "saliency_map.dcm")
    }


def test_without_a_tumour_the_report_says_so_and_gives_no_status(tmp_path: Path) -> None:
    report = no_tumour(tmp_path, centred(AXIAL)).objects()["report_sr.dcm"]
    (group,) = groups(report).values()
    assert evaluations(group)["TUMOUR_FOUND"] == "272519000"
    assert "IDH_STATUS" not in evaluations(group)
    assert [code for code, *_ in numbers(group)] == ["118565006"]
    assert any("No tumour found" in item.TextValue for item in items(report) if name(item) == "121106")


def test_a_tumour_that_may_have_been_missed_is_not_reported_as_absent(tmp_path: Path) -> None:
    report = perhaps_missed(tmp_path, centred(AXIAL)).objects()["report_sr.dcm"]
    (group,) = groups(report).values()
    assert evaluations(group)["TUMOUR_FOUND"] == "82334004"
    assert "IDH_STATUS" not in evaluations(group)


def test_label_maps_are_referred_to_by_the_object_that_holds_the_segment(case: Case) -> None:
    made = case.objects(labelmap=True)
    referred = {
        label: next(i.ReferencedSOPSequence[0] for i in group.ContentSequence if i.ValueType == "IMAGE")
        for label, group in groups(made["report_sr.dcm"]).items()
    }
    assert referred["Whole tumour"].ReferencedSOPInstanceUID == made["whole_tumour_seg.dcm"].SOPInstanceUID
    assert referred["Enhancing tumour"].ReferencedSOPInstanceUID == made["tumour_seg.dcm"].SOPInstanceUID


def test_code_values_are_short_enough_for_every_reader_and_unlike() -> None:
    signal = [
        f"{sequence}_{statistic}"
        for sequence in ("T1C", "FLAIR", "T2", "T1")
        for statistic in (
            *(f"{each}_over_ring" for each in ("mean", "p5", "p25", "p50", "p95")),
            *(f"inner_{each}_over_tissue" for each in ("mean", "p5", "p25", "p50", "p95")),
            "cv",
            "mean_over_white_matter",
        )
    ]
    others = [
        *(f"Maximum2DDiameter{plane}" for plane in ("Axial", "Coronal", "Sagittal")),
        *(
            "mismatch_fraction",
            "t2_flair_ratio_fraction",
            "flair_centre_over_rim",
            "flair_p5_over_white_matter",
        ),
        *("t2_cv", "assessed_volume", "cystic_fraction", "enhancing_fraction"),
        *("adc_ratio", "adc_white_matter", "adc_assessed_volume", "adc_fluid_fraction", "adc_coverage"),
        *("psr", "fwhm", "tumour_coverage"),
    ]
    values = [codes.private(name, name).value for name in (*signal, *others)]
    assert len(set(values)) == len(values)
    assert max(map(len, values)) <= 16
