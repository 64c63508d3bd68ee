"""The report of an experiment: flow, characteristics, curves, failures with pictures, checklists, and its CSV files."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import one_process
from gliotype.evaluate.metrics import evaluate
from gliotype.experiment import run as engine
from gliotype.experiment.predictions import Prediction
from gliotype.experiment.protocol import read_protocol
from gliotype.experiment.registry import METHODS
from gliotype.experiment.report.checklists import CLAIM_2024, TRIPOD_AI
from gliotype.experiment.report.curves import Curve, curves_of
from gliotype.experiment.report.figures import MANY, colour_of, draw_curves
from gliotype.experiment.report.pictures import OUTLINE, draw_explanation, draw_patient
from gliotype.experiment.score import AGE_ALONE, score
from gliotype.train.common.explanation import Explanation
from support.experiments import Synthetic, synthetic_source

pytestmark = pytest.mark.slow

PROTOCOL = """
title = "Folds <b>& more</b>"
note = "Synthetic patients."
methods = ["radiomics", "age"]
learning_curve = [8]
[cohorts.home]
simulated = "severance"
patients = 40
exclude = ["severance-001"]
[cohorts.abroad]
simulated = "tcia"
patients = 12
seed = 2
[cross_validation]
cohort = "home"
patients = 36
[sets.external]
cohort = "abroad"
role = "test"
[published.cross-validation]
accuracy = 0.97
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an experiment."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "protocol.toml").write_text(PROTOCOL)
    with pytest.MonkeyPatch.context() as patch, one_process():
        patch.setattr(engine, "source_of", synthetic_source)
        patch.setattr(engine, "write_evaluations", lambda scored, out: None)
        patch.setattr("gliotype.experiment.score.evaluate", partial(evaluate, resamples=5))
        engine.run_experiment(read_protocol(folder / "protocol.toml"), folder / "out")
    return folder / "out"


def table(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def test_the_page_is_self_contained_and_says_what_it_shows(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert "Folds &lt;b&gt;&amp; more&lt;/b&gt;" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page), "nothing is loaded from elsewhere"
    assert "<script" not in page
    for words in (
        "1 excluded by the protocol: severance-001",
        "3 in no set",
        "3 trainings: training 12; tuning 12; test 12",
        "no evidence about patients",
        "Wrong calls and no-calls of radiomics",
        "age alone, no model",
        "Learning curve",
        "0.970",
        "open: for the authors",
        "Methods were trained and tested with Gliotype",
    ):
        assert words in page
    assert page.count("data:image/svg+xml") == 2 * 6, (
        "four curves, all methods and the learning curve of each set"
    )


def test_what_the_page_shows_is_also_csv(out: Path) -> None:
    flow = table(out / "flow.csv")
    assert [(row["set"], row["n"], row["excluded"], row["unused"]) for row in flow] == [
        ("cross-validation", "36", "1", "3"),
        ("external", "12", "0", "0"),
    ]
    (patients,) = [row for row in table(out / "table1.csv") if row["characteristic"] == "patients"]
    assert (patients["external, mutant"], patients["external, wildtype"]) == ("6", "6")
    grades = [row for row in table(out / "table1.csv") if row["characteristic"] == "grade"]
    assert [row["value"] for row in grades] == ["2", "3", "4"]
    assert sum(int(row["external, mutant"].split()[0]) for row in grades) == 6
    lists = table(out / "checklists.csv")
    assert len(lists) == len(TRIPOD_AI) + len(CLAIM_2024)
    answers = {(row["checklist"], row["item"]): row["answer"] for row in lists}
    assert answers["CLAIM (2024)", "19"].startswith("Patients were dealt at random into 3 folds")
    assert answers["CLAIM (2024)", "31"] == "What moved the answers, in this report and in saliency.csv."
    where = "see the flow of patients and table 1."
    assert answers["CLAIM (2024)", "32"] == f"Set cross-validation: {where}"
    assert answers["CLAIM (2024)", "33"] == f"Set external: {where}"
    assert answers["TRIPOD+AI (2024)", "16"] == f"Sets cross-validation, external: {where}"
    assert answers["CLAIM (2024)", "43"] == "open", "folds export no weights"
    assert answers["CLAIM (2024)", "9"].startswith("Images were simulated on one grid")
    assert answers["CLAIM (2024)", "44"] == "open"
    assert {row["curve"] for row in table(out / "curves.csv")} == {"roc", "calibration", "decision", "risk"}
    assert "scikit-learn" in (out / "methods.txt").read_text()


def test_failures_are_the_wrong_calls_and_the_no_calls(out: Path) -> None:
    truth = {row["subject"]: row["idh"] for row in table(out / "labels" / "external.csv")}
    answers: dict[str, list[dict[str, str]]] = {}
    for row in table(out / "answers.csv"):
        if (row["set"], row["model"], row["training_patients"]) == ("external", "radiomics", "all"):
            answers.setdefault(row["subject"], []).append(row)

    def mean_logit(rows: list[dict[str, str]], column: str) -> float:
        return float(np.mean([np.log(float(row[column]) / (1 - float(row[column]))) for row in rows]))

    wrong = {
        subject
        for subject, rows in answers.items()
        if not rows[0]["probability"]
        or (mean_logit(rows, "probability") >= mean_logit(rows, "threshold")) != (truth[subject] == "1")
    }
    listed = [row for row in table(out / "failures.csv") if row["set"] == "external"]
    assert {row["subject"] for row in listed} == wrong
    assert "tcia-003" in wrong, "no tumour was found"
    surest = [abs(float(row["radiomics"]) - float(row["idh"])) for row in listed if row["radiomics"]]
    assert surest == sorted(surest, reverse=True)


def test_a_picture_shows_the_patients_right_on_the_left_and_the_front_above() -> None:
    example = Synthetic("tcia", 12).example("tcia-000")
    slices = np.zeros_like(example.slices)
    slices[:, 0] = 0.1
    slices[:, 0, 100:110, 90:120] = 1.0
    slices[:, 3, 100:110, 90:120] = 1.0
    address = draw_patient(replace(example, slices=slices))
    assert address is not None
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)
    assert picture.shape == (256, 3 * 256, 3)
    assert not picture[:, 256 + 8 :].any(), "of three images two are missing"
    yellow = np.argwhere(np.abs(picture - np.array(OUTLINE)).max(axis=2) < 90)
    rows, columns = yellow[:, 0], yellow[:, 1]
    assert 2 * (127 - 120) <= rows.min() < rows.max() <= 2 * (127 - 89)
    assert 2 * (127 - 110) <= columns.min() < columns.max() <= 2 * (127 - 99)
    assert draw_patient(replace(example, found=False)) is None


def test_a_map_is_drawn_as_its_slice_is_and_in_the_colour_of_its_class() -> None:
    image = np.full((20, 30), 0.5, np.float32)
    pixels = np.zeros_like(image)
    pixels[16:19, 25:28] = 2.0  # the patient's right, in front
    pixels[2:5, 3:6] = -2.0
    address = draw_explanation(Explanation("map of votes", image, pixels))
    assert address is not None
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)
    assert picture.shape == (60, 40, 3)
    blue = picture[4:9, 3:8].mean(axis=(0, 1))
    orange = picture[49:53, 31:35].mean(axis=(0, 1))
    assert blue[2] - blue[0] > 60
    assert orange[0] - orange[2] > 60
    assert draw_explanation(Explanation("contributions", numbers=(("age", 1.0),))) is None


def test_the_examples_with_reasons_are_the_surest_right_and_wrong_calls_of_each_class(out: Path) -> None:
    rows = [row for row in table(out / "saliency.csv") if (row["set"], row["model"]) == ("external", "age")]
    truth = {row["subject"]: row["idh"] == "1" for row in table(out / "labels" / "external.csv")}
    given = {
        row["subject"]: float(row["probability"])
        for row in table(out / "predictions" / "external" / "age.csv")
        if row["probability"]
    }
    assert {(row["idh"], row["call"]) for row in rows} >= {("1", "right"), ("0", "right")}
    for row in rows:
        if row["call"] == "right":
            same = [p for subject, p in given.items() if truth[subject] == (row["idh"] == "1")]
            assert float(row["probability"]) == (max if row["idh"] == "1" else min)(same)
        assert row["contributions"].startswith("age ")
    assert "What moved the answers" in (out / "report.html").read_text()


def test_risk_counts_definite_calls_alone() -> None:
    examples = [replace(Synthetic("x", 8).example(f"x-{i:03d}"), found=True) for i in range(8)]
    given = (0.95, 0.9, 0.8, 0.3, 0.6, 0.1, None, 0.05)
    predictions = {e.subject: Prediction(p, 0.5, 0.5) for e, p in zip(examples, given, strict=True)}
    scored = score("test", "age", examples, predictions)
    (risk,) = [curve for curve in curves_of([scored]) if curve.kind == "risk"]
    points = dict(risk.points)
    assert max(points) == 7 / 8, "a no-call is never definite"
    assert points[7 / 8] == pytest.approx(1 / 7), "the second is wildtype and called mutant"
    assert scored.wrong == {"x-001", "x-006"}


def test_every_method_has_a_colour_of_its_own() -> None:
    methods = tuple(METHODS)
    assert len({colour_of(name, methods) for name in methods}) == len(methods)


def test_legends_do_not_hide_the_curves_of_many_methods() -> None:
    few, many = (tuple(METHODS)[:n] for n in (MANY, MANY + 1))
    for methods, named in ((few, True), (many, False)):
        curves = [Curve("roc", "test", name, ((0.0, 0.0), (0.4, 0.9), (1.0, 1.0))) for name in methods]
        curves.append(Curve("roc", "test", AGE_ALONE, ((0.0, 0.0), (1.0, 1.0))))
        drawn = draw_curves(curves, methods)["test", "roc"]
        assert (methods[-1] in drawn) is named
        assert AGE_ALONE in drawn
