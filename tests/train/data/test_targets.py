"""Codeletion among IDH-mutants: who is learned from, who is left out and why, and which weights a predictor refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import one_process
from gliotype import runtime
from gliotype.cli.main import app
from gliotype.cohorts import CODELETION, IDH
from gliotype.errors import GliotypeError, InputError, WeightsError
from gliotype.predictors import logistic
from gliotype.runtime import read_weights
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.train.common.manifest import write_manifest
from gliotype.train.data.simulated import SimulatedPatients
from gliotype.train.data.targets import CodeletionPatients, left_out, left_out_words, patients_of
from gliotype.train.on_patients import train_on_patients
from gliotype.train.table.method import AgeMethod
from support.experiments import Synthetic, WithCodeletion


def test_only_mutants_of_known_1p19q_status_are_learned_from_and_the_others_are_listed() -> None:
    source = WithCodeletion("mine", 12, unknown=(4,))
    patients = patients_of(CODELETION, source)
    assert patients.subjects == ("mine-000", "mine-002", "mine-006", "mine-008", "mine-010")
    assert [patients.mutant(subject) for subject in patients.subjects] == [True, False, False, True, False]
    reasons = left_out(patients)
    assert reasons["mine-004"] == "1p/19q status not known"
    assert {reasons[f"mine-{i:03d}"] for i in (1, 3, 5, 7, 9, 11)} == {"IDH-wildtype"}
    assert set(reasons) | set(patients.subjects) == set(source.subjects)
    assert left_out_words(reasons) == "7 patients left out: 6 IDH-wildtype, 1 1p/19q status not known"
    assert patients_of(IDH, source) is source
    assert left_out(source) == {}


def test_the_example_has_the_label_and_does_not_show_it_a_second_time() -> None:
    source = WithCodeletion("mine", 12)
    patients = patients_of(CODELETION, source)
    intact = patients.example("mine-002")
    assert (source.example("mine-002").mutant, intact.mutant) == (True, False)
    for strata in (intact.strata, patients.strata("mine-002")):
        assert "codeletion" not in strata
        assert strata["grade"] == "4"
    assert patients.key("mine-002") != source.key("mine-002"), "an example is cached with its label"
    assert patients.key("mine-002") != CodeletionPatients(source).key("mine-000")


def test_a_status_without_meaning_names_the_patient() -> None:
    @dataclass(frozen=True)
    class Odd(Synthetic):
        def strata(self, subject: str) -> Mapping[str, str]:
            return {"codeletion": "1p loss"}

    with pytest.raises(InputError, match="odd-000: the 1p/19q status is '1p loss': write 1 or codeleted"):
        patients_of(CODELETION, Odd("odd", 4))


def test_simulated_gliomas_have_a_1p19q_status() -> None:
    source = SimulatedPatients("tcga-lgg", 60, seed=1)
    patients = patients_of(CODELETION, source)
    kinds = {subject: source.draw(subject).disease for subject in source.subjects}
    wanted = {s: kind is GliomaType.OLIGODENDROGLIOMA for s, kind in kinds.items() if source.mutant(s)}
    assert {subject: patients.mutant(subject) for subject in patients.subjects} == wanted
    assert len(set(wanted.values())) == 2


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            Synthetic("few", 20),
            "no IDH-mutant patient of the cohort has a known 1p/19q status: add the column",
        ),
        (
            WithCodeletion("few", 20, unknown=(0, 4, 8, 12, 16)),
            "0 codeleted and 5 intact patients: at least four",
        ),
        (WithCodeletion("few", 14), "4 codeleted and 3 intact patients: at least four of each are needed"),
    ],
)
def test_too_few_of_a_class_are_refused_before_an_image_is_read(
    source: Synthetic, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gliotype.train.on_patients.make_examples", None)
    with pytest.raises(InputError, match=complaint):
        train_on_patients(AgeMethod(), source, tmp_path / "run", data={}, target=CODELETION)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Age, trained to tell codeleted from intact."""
    folder = tmp_path_factory.mktemp("targets") / "run"
    source = WithCodeletion("mine", 60, unknown=(4,), settings={"name": "mine"})
    with one_process():
        files = train_on_patients(AgeMethod(), source, folder, data={"cohort": "mine"}, target=CODELETION)
    assert {file.name for file in files} == {"age.json", "age.md", "left_out.csv"}
    return folder


def test_a_trained_weight_records_its_target_its_patients_and_its_baselines(run: Path) -> None:
    document = json.loads((run / "age.json").read_text())
    assert document["data"]["target"] == "codeletion"
    (model,) = document["models"]
    assert model["coefficients"][0] > 0, "the older, the likelier codeleted"
    card = (run / "age.md").read_text()
    assert "31 patients left out: 30 IDH-wildtype, 1 1p/19q status not known" in card
    assert "Baselines fitted on the same training patients: age: " in card
    assert "; age and location: " in card
    with (run / "left_out.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 31
    assert {"cohort": "mine", "subject": "mine-004", "reason": "1p/19q status not known"} in rows


def test_a_predictor_refuses_weights_of_another_target(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match=r"age\.json were trained for the target idh, not codeletion: put"):
        read_weights("age.json", dict, "codeletion")
    (tmp_path / "age.json").write_bytes((run / "age.json").read_bytes())
    write_manifest(tmp_path)
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    logistic.load_models.cache_clear()
    with pytest.raises(WeightsError, match=r"age\.json were trained for the target codeletion, not idh: put"):
        logistic.load_models("age.json")
    assert read_weights("age.json", dict, "codeletion")["name"] == "age"
    logistic.load_models.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (
            ["model2", "--cohort", "{cohort}", "--target", "codeletion"],
            3,
            "no IDH-mutant patient of the cohort has",
        ),
        (
            ["model2", "--cohort", "{cohort}", "--target", "grade"],
            2,
            "there is no target 'grade': choose one of idh, ",
        ),
        (
            ["t2net", "--target", "codeletion"],
            2,
            "--target codeletion needs the labels of a cohort: give --cohort",
        ),
        (["perfusion", "--target", "codeletion"], 2, "--target codeletion needs the labels of a cohort"),
    ],
)
def test_a_target_that_cannot_be_learned_ends_with_a_sentence(
    arguments: list[str], code: int, complaint: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    for name in ("sub-01", "sub-02"):
        file = tmp_path / "cohort" / name / "anat" / f"{name}_T2w.nii.gz"
        file.parent.mkdir(parents=True)
        file.touch()
    (tmp_path / "cohort" / "participants.tsv").write_text("participant_id\tidh\nsub-01\t1\nsub-02\t0\n")
    filled = [each.format(cohort=tmp_path / "cohort") for each in arguments]
    error = CliRunner().invoke(app, ["train", *filled, "-o", str(tmp_path / "run")]).exception
    assert isinstance(error, GliotypeError)
    assert error.exit_code == code
    assert complaint in str(error)
