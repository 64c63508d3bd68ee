from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gliotype.report.json import prediction_json
from gliotype.result import Result
from gliotype.study import Measurements
from support.factory import make_no_tumour, make_result, make_result_with_cest, make_result_with_perfusion

DOCUMENTED = Path(__file__).parents[2] / "docs" / "reference" / "outputs.md"


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


def written(result: Result, seconds: float = 1.25) -> dict[str, Any]:
    document = json.loads(prediction_json(result, seconds))
    assert isinstance(document, dict)
    return document


def test_it_keeps_the_contract(result: Result) -> None:
    document = written(result)
    assert document["schema"] == 1
    assert document["subject"] == "case-7"
    assert (document["call"], document["probability"]) == ("wildtype", 0.13)
    assert document["interval"] == [0.05, 0.28]
    assert document["prevalence"] == 0.3
    assert [set(finding) for finding in document["findings"]] == [
        {"method", "probability", "interval", "sequences", "detail"}
    ] * 3
    assert document["findings"][1]["sequences"] == ["T1C", "T2", "FLAIR"]
    assert document["findings"][1]["detail"]["reasons"][0] == {
        "name": "t1c_p95_over_ring",
        "value": 1.62,
        "unit": "1",
        "contribution": -1.74,
        "note": "strong enhancement <speaks> for wildtype",
    }
    assert document["findings"][2]["interval"] is None
    assert document["not_applicable"] == {"perfusion": "the study has no DSC series"}
    groups = {"shape", "loci", "signal", "mismatch", "perfusion", "diffusion", "spectroscopy", "cest"}
    assert set(document["measurements"]) == groups
    assert len(document["measurements"]["shape"]) == 13
    assert len(document["measurements"]["loci"]) == 6
    assert document["measurements"]["signal"]["flair_mean_over_ring"] is None
    assert set(document["tumour"]["regions_ml"]) == {"core", "oedema", "enhancing"}
    assert sum(document["tumour"]["regions_ml"].values()) == pytest.approx(document["tumour"]["volume_ml"])
    assert document["sequences"]["T1C"]["source"] == "exam/t1c_doe.nii.gz"
    assert document["sequences"]["T1C"]["confidence"] == 0.97
    assert document["sequences"]["T1C"]["spacing_mm"] == [0.9, 0.9, 5.5]
    assert document["warnings"] == list(result.warnings)
    assert document["weights"] == {"model1": "3f" * 32}
    assert document["versions"]["gliotype"] == "0.1.0"


def test_images_that_were_not_used_are_listed_apart(result: Result) -> None:
    document = written(result)
    assert set(document["sequences"]) == {"T1", "T1C", "T2", "FLAIR"}
    assert [(image["sequence"], image["source"]) for image in document["other_images"]] == [
        (None, "exam/loc.nii.gz")
    ]


def test_seconds_count_the_report_into_the_total(result: Result) -> None:
    seconds = written(result, seconds=1.25)["seconds"]
    assert list(seconds) == ["read", "prepare", "segment", "measure", "predict", "answer", "total", "report"]
    assert seconds["report"] == 1.25
    assert seconds["total"] == 33.25
    stages = {"read": 1.0, "prepare": 2.0}
    assert written(replace(result, seconds=stages), 0.5)["seconds"]["total"] == 3.5


def test_no_tumour_has_no_probability() -> None:
    document = written(make_no_tumour())
    assert document["call"] == "no_tumour"
    assert document["probability"] is None
    assert document["interval"] is None
    assert document["tumour"]["volume_ml"] == 0


def test_a_number_that_is_not_finite_is_null(result: Result) -> None:
    measurements = Measurements(
        shape={"a": float("nan"), "b": float("inf"), "c": float(np.float32(0.5)), "d": None},
        signal={"e": np.float64(2.0), "f": np.float64("nan")},
    )
    document = written(replace(result, measurements=measurements))
    assert document["measurements"]["shape"] == {"a": None, "b": None, "c": 0.5, "d": None}
    assert document["measurements"]["signal"] == {"e": 2.0, "f": None}


def test_every_field_is_documented(result: Result) -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    document = written(result)
    fields = set(document) | set(document["findings"][1]) | set(document["findings"][1]["detail"])
    fields |= set(document["findings"][1]["detail"]["reasons"][0]) | set(document["sequences"]["T1C"])
    fields |= set(document["measurements"]) | set(document["tumour"]) | set(document["seconds"])
    measured = written(make_result_with_perfusion())
    fields |= set(measured["perfusion"]) | set(measured["findings"][-1]["detail"]["attention"])
    with_cest = written(make_result_with_cest())["cest"]
    fields |= set(with_cest) | set(with_cest["saturation"]) | set(with_cest["spectra"])
    missing = sorted(field for field in fields if f"`{field}`" not in text)
    assert missing == []


def test_perfusion_is_written_with_its_curves_and_when_the_method_looked() -> None:
    document = written(make_result_with_perfusion())
    perfusion = document["perfusion"]
    assert perfusion["bolus_s"] == {"start": 1.5, "arrival": 15.0, "peak": 19.5, "end": 30.0}
    assert perfusion["arterial"]["voxels"] == 3
    assert perfusion["curves"]["enhancing"]["relative_signal"][13] == pytest.approx(np.exp(-0.8))
    attention = document["findings"][-1]["detail"]["attention"]
    assert sum(attention["weight"]) == pytest.approx(1)
    assert len(attention["times_s"]) == len(attention["phases"]) == 60
    assert written(make_result())["perfusion"] is None
