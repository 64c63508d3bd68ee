"""An experiment on codeletion among IDH-mutants: its patients, words and baselines, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conftest import one_process
from gliotype.cli.main import app
from gliotype.errors import InputError
from gliotype.experiment import run as engine
from gliotype.experiment.protocol import read_protocol
from gliotype.experiment.run import run_experiment
from support.experiments import Synthetic, WithCodeletion

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

PROTOCOL = """
title = "Codeletion"
note = "Synthetic patients."
target = "codeletion"
methods = ["age"]
[cohorts.home]
simulated = "severance"
patients = 60
exclude = ["severance-001", "severance-006"]
[cross_validation]
cohort = "home"
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codeletion")
    file = folder / "protocol.toml"
    file.write_text(PROTOCOL)

    def source(cohort: Any, out: Path) -> Synthetic:
        return WithCodeletion(cohort.simulated, cohort.patients, {"name": cohort.simulated}, unknown=(4, 10))

    with pytest.MonkeyPatch.context() as patch, one_process():
        patch.setattr(engine, "source_of", source)
        patch.setattr(engine, "write_evaluations", lambda scored, out: None)
        patch.setattr("gliotype.experiment.report.html.draw_curves", lambda curves, methods: {})
        patch.setattr("gliotype.experiment.report.html.draw_patient", lambda example: "")
        run_experiment(read_protocol(file), folder / "out")
    return folder / "out"


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_mutants_of_known_status_are_tested_and_the_others_are_listed(out: Path) -> None:
    rows = table(out / "left_out.csv")
    assert len(rows) == 32
    assert {"cohort": "home", "subject": "severance-004", "reason": "1p/19q status not known"} in rows
    assert {"cohort": "home", "subject": "severance-003", "reason": "IDH-wildtype"} in rows
    labels = table(out / "labels" / "cross-validation.csv")
    assert len(labels) == 27, "30 mutants, two of unknown status, one excluded by name"
    assert list(labels[0])[:3] == ["subject", "codeletion", "age"]
    assert "idh" not in labels[0]
    assert {row["subject"]: row["codeletion"] for row in labels}["severance-008"] == "1"
    (flow,) = table(out / "flow.csv")
    assert (flow["patients"], flow["excluded"], flow["unused"], flow["n"]) == ("28", "2", "0", "27")


def test_the_result_stands_next_to_age_and_place(out: Path) -> None:
    rows = {row["model"]: row for row in table(out / "results.csv")}
    assert set(rows) == {"age", "age-location"}
    for row in rows.values():
        assert float(row["age"].split()[0]) > 0.6, "the older, the likelier codeleted"
        assert row["minus_age"]
    pairs = {(row["first"], row["second"]) for row in table(out / "pairs.csv")}
    assert ("age", "age alone, no model") in pairs
    assert ("age", "age-location") in pairs


def test_the_words_are_those_of_the_target(out: Path) -> None:
    markdown = (out / "results.md").read_text()
    assert "| set | role | patients | 1p/19q-codeleted |" in markdown
    assert "`left_out.csv` lists the others" in markdown
    body = (out / "report.html").read_text().partition("</style>")[2]
    page = " ".join(re.sub("<[^>]+>", " ", body).split())
    assert "28 IDH-mutant patients of known 1p/19q status" in page
    assert "1p/19q-codeleted" in page
    for text in (page, markdown, (out / "methods.txt").read_text()):
        assert "wildtype" not in text
    assert list(table(out / "failures.csv")[0])[2] == "codeletion"
    characteristics = list(table(out / "table1.csv")[0])
    assert characteristics[2:] == ["cross-validation, codeleted", "cross-validation, intact"]


def test_the_labels_and_predictions_can_be_evaluated_alone(out: Path, tmp_path: Path) -> None:
    predictions = out / "predictions" / "cross-validation" / "age.csv"
    labels = tmp_path / "labels.csv"
    lines = (out / "labels" / "cross-validation.csv").read_text().splitlines()
    with_idh = [f"{lines[0]},idh", *(f"{line},{int(i > 0)}" for i, line in enumerate(lines[1:]))]
    labels.write_text("\n".join(with_idh) + "\n")
    done = CliRunner().invoke(
        app,
        [
            "evaluate",
            str(predictions),
            "--labels",
            str(labels),
            "--target",
            "codeletion",
            "-o",
            str(tmp_path / "e"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "26, 1" in done.output, "a wildtype patient is left out"
    assert "of them 1p/19q-codeleted" in done.output
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert metrics["target"] == "codeletion"
    assert metrics["age_alone"]["other_auroc"]["value"] > 0.6
    page = (tmp_path / "e" / "report.html").read_text()
    assert "Age alone, the older the likelier codeleted" in page
    assert "Called intact" in page
    assert "mutant" not in page.partition("</style>")[2].replace('class="answer mutant"', "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '"age"',
            '"mismatch"',
            "mismatch is a published sign of IDH mutation, which is not trained: leave it",
        ),
        ('"codeletion"', '"grade"', "target: Input should be 'idh' or 'codeletion'"),
    ],
)
def test_a_protocol_that_cannot_learn_the_target_is_refused(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "protocol.toml"
    file.write_text(PROTOCOL.replace(old, new))
    with pytest.raises(InputError, match=complaint):
        read_protocol(file)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            Synthetic("severance", 60),
            "cohorts.home: no IDH-mutant patient of the cohort has a known 1p/19q status",
        ),
        (WithCodeletion("severance", 20), "5 codeleted and 4 intact patients are too few for 3 folds"),
    ],
)
def test_a_cohort_without_enough_labels_is_refused_before_an_image_is_read(
    source: Synthetic, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "protocol.toml"
    file.write_text(PROTOCOL)
    monkeypatch.setattr(engine, "source_of", lambda cohort, out: source)
    monkeypatch.setattr(engine, "_make_sets", None)
    with pytest.raises(InputError, match=complaint):
        run_experiment(read_protocol(file), tmp_path / "out")
