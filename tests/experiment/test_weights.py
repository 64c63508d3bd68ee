"""What too few patients do: a weight that cannot be written is listed, a training that cannot be made is refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conftest import one_process
from gliotype.errors import InputError, OutputError
from gliotype.experiment import run as engine
from gliotype.experiment.protocol import Protocol, read_protocol
from gliotype.experiment.run import run_experiment
from gliotype.train.data.examples import Example
from gliotype.train.table.method import RadiomicsMethod
from support.experiments import Synthetic, use_synthetic_patients

PROTOCOL = """
title = "Few patients"
note = "Synthetic patients."
methods = ["radiomics", "mismatch", "age"]
[cohorts.home]
simulated = "severance"
patients = 40
[sets.training]
cohort = "home"
role = "training"
patients = 12
mutants = 3
[sets.tuning]
cohort = "home"
role = "tuning"
patients = 8
[sets.test]
cohort = "home"
role = "test"
patients = 12
"""


@pytest.fixture(autouse=True)
def synthetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_synthetic_patients(monkeypatch)
    with one_process():
        yield


def protocol_of(folder: Path, text: str = PROTOCOL) -> Protocol:
    file = folder / "protocol.toml"
    file.write_text(text)
    return read_protocol(file)


def listed(out: Path) -> dict[str, tuple[str, str]]:
    with (out / "weights.csv").open() as lines:
        return {row["model"]: (row["files"], row["reason"]) for row in csv.DictReader(lines)}


def test_an_experiment_whose_patients_are_too_few_for_a_weight_ends_with_its_report(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = run_experiment(protocol_of(tmp_path), tmp_path / "out", progress=said.append)
    assert [row.model for row in outcome.rows] == ["radiomics", "mismatch", "age"]
    why = "fewer than 4 training patients of a class"
    found = listed(tmp_path / "out")
    assert found["mismatch"] == ("", "its predictor reads no weight")
    assert all(found[name][1].startswith(why) for name in ("radiomics", "age"))
    assert any(line.startswith(f"no weight of radiomics: {why}") for line in said)
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"<b>radiomics</b>: {why}" in page
    assert "in the folder weights: none. Not written:" in page


def test_the_other_methods_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gliotype.train.table.export.RESAMPLES", 5)
    text = PROTOCOL.replace("mutants = 3", "mutants = 5").replace('"radiomics", ', "")
    run_experiment(protocol_of(tmp_path, text), tmp_path / "out")
    assert listed(tmp_path / "out")["age"] == ("age.json age.md", "")
    assert {file.name for file in (tmp_path / "out" / "weights").iterdir()} == {"age.json", "age.md"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "in the folder weights: age.json, age.md (age)." in page
    assert "Not written" not in page
    with (tmp_path / "out" / "checklists.csv").open() as lines:
        answers = {(row["checklist"][:5], row["item"]): row["answer"] for row in csv.DictReader(lines)}
    assert answers["CLAIM", "43"] == "The folder weights holds age.json, age.md."
    assert answers["CLAIM", "32"] == "Set test: see the flow of patients and table 1."
    assert answers["CLAIM", "33"] == "open", "no test set is of another cohort than the training"


def test_a_disk_that_is_full_still_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> tuple[Path, ...]:
        raise OutputError("no space left")

    monkeypatch.setattr(RadiomicsMethod, "export", full)
    with pytest.raises(OutputError, match="no space left"):
        run_experiment(protocol_of(tmp_path), tmp_path / "out")


@dataclass(frozen=True)
class WildtypesLost(Synthetic):
    """The same, with no tumour found in two of the wildtypes."""

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        return replace(
            super().example(subject, inputs), found=subject not in ("severance-003", "severance-011")
        )


def test_a_fold_with_too_few_found_tumours_is_refused_before_the_first_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine, "source_of", lambda cohort, out: WildtypesLost(cohort.simulated, cohort.patients)
    )
    folds = PROTOCOL[: PROTOCOL.index("[sets.training]")].replace("= 40", "= 12")
    said: list[str] = []
    with pytest.raises(
        InputError, match=r"of (training|tuning) in fold \d in whom a tumour was found are 2 mut"
    ):
        run_experiment(
            protocol_of(tmp_path, folds + '[cross_validation]\ncohort = "home"\n'),
            tmp_path / "out",
            progress=said.append,
        )
    assert not any(line.startswith("train ") for line in said)
