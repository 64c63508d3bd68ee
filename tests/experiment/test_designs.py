"""The designs of an experiment with light methods on synthetic patients: folds, hospitals, curves, pairs, kills."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import one_process
from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.experiment import run as engine
from gliotype.experiment.cohorts import ExampleStore
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.methods import models_of
from gliotype.experiment.protocol import CROSS_VALIDATION, Protocol, read_protocol
from gliotype.experiment.run import run_experiment
from gliotype.experiment.splits import Split, draw_sets, make_splits
from gliotype.experiment.training import Training, answers_file
from gliotype.train.data.examples import Example
from gliotype.train.table.logistic import LogisticModels
from gliotype.train.table.method import AgeMethod
from support.experiments import Synthetic, synthetic_source, use_synthetic_patients

PROTOCOL = """
title = "Folds"
note = "Synthetic patients."
methods = ["radiomics", "age"]
[cohorts.home]
simulated = "severance"
patients = 40
[cohorts.abroad]
simulated = "tcia"
patients = 12
seed = 2
[cross_validation]
cohort = "home"
folds = 3
[sets.external]
cohort = "abroad"
role = "test"
[published.cross-validation]
accuracy = 0.97
age.auroc = 0.86
"""


@pytest.fixture(autouse=True)
def synthetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_synthetic_patients(monkeypatch)
    monkeypatch.setattr(engine, "write_report", lambda experiment, out: None)
    with one_process():
        yield


def protocol_of(folder: Path, *changes: tuple[str, str]) -> Protocol:
    """The protocol above with some of its text replaced."""
    text = PROTOCOL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = folder / "protocol.toml"
    file.write_text(text)
    return read_protocol(file)


def splits_of(protocol: Protocol) -> tuple[Split, ...]:
    sources: dict[str, Any] = {
        name: synthetic_source(cohort, Path()) for name, cohort in protocol.cohorts.items()
    }
    return make_splits(protocol, sources, draw_sets(protocol, sources))


def table(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def test_each_fold_is_tested_once_tunes_once_and_trains_once(tmp_path: Path) -> None:
    splits = splits_of(protocol_of(tmp_path))
    tested = [set(split.tests[CROSS_VALIDATION]) for split in splits]
    assert [split.name for split in splits] == ["fold 1", "fold 2", "fold 3"]
    assert [len(each) for each in tested] == [14, 13, 13]
    assert len(set.union(*tested)) == 40
    assert [set(split.tuning) for split in splits] == [*tested[1:], tested[0]], "roles rotate"
    assert [set(split.training) for split in splits] == [tested[2], *tested[:2]]
    assert all(len(split.tests["external"]) == 12 for split in splits)


def test_repeats_deal_other_folds(tmp_path: Path) -> None:
    splits = splits_of(protocol_of(tmp_path, ("folds = 3", "folds = 4\nrepeats = 2")))
    assert len(splits) == 8
    assert splits[4].name == "repeat 2 fold 1"
    assert set(splits[0].tests[CROSS_VALIDATION]) != set(splits[4].tests[CROSS_VALIDATION])
    assert {member for split in splits[4:] for member in split.tests[CROSS_VALIDATION]} == {
        member for split in splits[:4] for member in split.tests[CROSS_VALIDATION]
    }


def test_one_hospital_is_left_out_at_a_time(tmp_path: Path) -> None:
    splits = splits_of(protocol_of(tmp_path, ("folds = 3", 'leave_out = "site"')))
    assert [split.name for split in splits] == ["north left out", "south left out", "west left out"]
    home = Synthetic("severance", 40)
    for split in splits:
        tested = {home.strata(subject)["site"] for _, subject in split.tests[CROSS_VALIDATION]}
        learned = {home.strata(subject)["site"] for _, subject in (*split.training, *split.tuning)}
        assert len(tested) == 1
        assert not tested & learned
        assert not set(split.training) & set(split.tuning)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("patients = 40", "patients = 10")], "5 mutant and 5 wildtype patients are too few for 3 folds"),
        ([("folds = 3", 'leave_out = "town"')], "40 patients have no town"),
        ([("folds = 3", 'leave_out = "town"\nwhere = { site = "north" }')], "have no town"),
        ([("folds = 3", 'leave_out = "site"\nwhere = { site = "north" }')], "needs at least two"),
        ([("folds = 3", 'folds = 3\nleave_out = "site"')], "folds: has no meaning with leave_out"),
        ([("folds = 3", "folds = 2")], "cross_validation.folds"),
        ([('cohort = "home"', 'cohort = "moon"')], "cross_validation: there is no cohort 'moon'"),
        ([("patients = 12", "patients = 3")], "the set external are 2 mutant and 1 wildtype"),
        ([("patients = 12", 'patients = 12\nexclude = ["x"]')], r"cohorts.abroad.exclude: x is not in the cohort"),
    ],
)  # fmt: skip
def test_bad_designs_are_refused_in_a_sentence(
    tmp_path: Path, changes: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        run_experiment(protocol_of(tmp_path, *changes), tmp_path / "out")
    assert not (tmp_path / "out").exists(), "found out before an image is read"


def test_a_cohort_of_one_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Synthetic, "mutant", lambda self, subject: False)
    with pytest.raises(InputError, match="0 mutant and 40 wildtype patients are too few"):
        run_experiment(protocol_of(tmp_path), tmp_path / "out")


def test_a_patient_at_two_hospitals_of_one_cohort_is_refused(tmp_path: Path) -> None:
    class Twins(Synthetic):
        def identities(self, subject: str) -> frozenset[str]:
            return frozenset({"one person" if subject.endswith(("001", "012")) else subject})

    sources = {"home": Twins("severance", 40), "abroad": Synthetic("tcia", 12)}
    for design in ("folds = 3", 'leave_out = "site"'):
        protocol = protocol_of(tmp_path, ("folds = 3", design))
        with pytest.raises(
            InputError,
            match=r"1 patient is there twice \(severance-001 \(cross-validation, home, north\) is severance-012 "
            r"\(cross-validation, home, south\), both are one person\): leave one of the two out",
        ):
            refuse_leakage(protocol, sources, draw_sets(protocol, sources))
    excluding = protocol_of(tmp_path, ("patients = 40", 'patients = 40\nexclude = ["severance-012"]'))
    refuse_leakage(excluding, sources, draw_sets(excluding, sources))


@pytest.mark.slow
def test_folds_give_one_prediction_for_each_patient_and_the_numbers_that_follow_from_them(
    tmp_path: Path,
) -> None:
    outcome = run_experiment(
        protocol_of(tmp_path, ("note =", "learning_curve = [8, 12, 30]\nnote =")), tmp_path / "out"
    )
    out = tmp_path / "out"
    predictions = table(out / "predictions" / CROSS_VALIDATION / "radiomics.csv")
    truth = {row["subject"]: row["idh"] == "1" for row in table(out / "labels" / f"{CROSS_VALIDATION}.csv")}
    assert len(predictions) == 40
    assert [row["subject"] for row in predictions if not row["probability"]] == ["severance-003"]
    values = [float(row["probability"] or row["prevalence"]) for row in predictions]
    (row,) = [r for r in outcome.rows if (r.set_name, r.model) == (CROSS_VALIDATION, "radiomics")]
    assert row.auroc == auroc([truth[r["subject"]] for r in predictions], values)
    assert row.no_calls == 1

    answers = table(out / "answers.csv")
    whole = [a for a in answers if (a["model"], a["training_patients"]) == ("radiomics", "all")]
    mine = {a["subject"]: a for a in whole if a["set"] == CROSS_VALIDATION}
    right = [
        (float(a["probability"] or a["prevalence"]) >= float(a["threshold"])) == truth[subject]
        for subject, a in mine.items()
    ]
    assert row.accuracy is not None
    assert row.accuracy.value == pytest.approx(np.mean(right)), (
        "each patient at the threshold of his or her training"
    )
    logits = [
        np.log(p / (1 - p))
        for a in whole
        if (a["set"], a["subject"]) == ("external", "tcia-000")
        for p in [float(a["probability"])]
    ]
    (external,) = [
        float(r["probability"])
        for r in table(out / "predictions" / "external" / "radiomics.csv")
        if r["subject"] == "tcia-000"
    ]
    assert len(logits) == 3
    assert external == pytest.approx(1 / (1 + np.exp(-np.mean(logits))), abs=2e-6)

    (pair,) = [
        p
        for p in table(out / "pairs.csv")
        if (p["set"], p["first"], p["second"]) == (CROSS_VALIDATION, "radiomics", "age")
    ]
    other = [
        float(r["probability"] or r["prevalence"])
        for r in table(out / "predictions" / CROSS_VALIDATION / "age.csv")
    ]
    expected = compare_aurocs([truth[r["subject"]] for r in predictions], values, other)
    assert float(pair["difference"]) == pytest.approx(expected.difference.value, abs=1e-4)
    assert float(pair["p"]) == pytest.approx(expected.p_value, rel=1e-3)
    assert float(pair["adjusted_p"]) >= float(pair["p"])

    assert {r["size"] for r in table(out / "learning_curve.csv")} == {"8", "12"}, (
        "no split has 30 to learn from"
    )
    assert len([r for r in table(out / "trainings.csv") if r["set_name"] == CROSS_VALIDATION]) == 6
    assert {r["value"] for r in table(out / "strata.csv") if r["column"] == "site"} == {
        "north",
        "south",
        "west",
    }
    for text in (
        "| cross-validation | radiomics | accuracy |",
        "| cross-validation | age | auroc |",
        "0.970",
        "±",
    ):
        assert text in outcome.markdown
    assert not (out / "weights").exists(), "no single training stands for the folds"


def test_a_method_that_applies_to_nobody_has_no_numbers(tmp_path: Path) -> None:
    outcome = run_experiment(
        protocol_of(
            tmp_path,
            ('methods = ["radiomics", "age"]', 'methods = ["age", "adc"]'),
            ("accuracy = 0.97\n", ""),
        ),
        tmp_path / "out",
    )
    rows = [row for row in outcome.rows if row.model == "adc"]
    assert [(row.no_calls, row.auroc) for row in rows] == [(40, None), (12, None)]
    assert "adc" not in {p["first"] for p in table(tmp_path / "out" / "pairs.csv")}
    assert {r["accuracy"] for r in table(tmp_path / "out" / "trainings.csv") if r["model"] == "adc"} == {""}


def test_a_variant_is_a_method_with_another_parameter(tmp_path: Path) -> None:
    text = """
methods = ["age", "radiomics"]
parameters.radiomics.seed = 3
variants."other seed" = { method = "radiomics", seed = 5 }
"""
    protocol = protocol_of(tmp_path, ('methods = ["radiomics", "age"]', text))
    _, base, variant = models_of(protocol)
    assert (base.method.seed, variant.method.seed) == (3, 5)  # type: ignore[attr-defined]
    assert (base.ablation, variant.ablation, variant.label) == (False, True, "other seed")
    assert base.settings != variant.settings


def test_each_training_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: dict[Path, set[str]] = {}
    fit = AgeMethod.fit

    def remember(self: AgeMethod, training: Any, tuning: Any, folder: Path, progress: Any) -> Any:
        patients = {example.subject for example in (*training, *tuning)}
        assert learned.setdefault(folder, patients) == patients, (
            "what one fold has learned is not what another one resumes from"
        )
        return fit(self, training, tuning, folder, progress)

    monkeypatch.setattr(AgeMethod, "fit", remember)
    changes = (('["radiomics", "age"]', '["age"]'), ("accuracy = 0.97\n", ""))
    run_experiment(protocol_of(tmp_path, *changes), tmp_path / "out")
    assert len(learned) == 3


def test_the_dice_of_a_method_that_outlines_the_tumour_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dices(self: LogisticModels, examples: list[Example]) -> Any:
        return np.array([0.2 if each.mutant else np.nan for each in examples])

    monkeypatch.setattr(LogisticModels, "dices", dices, raising=False)
    changes = (('["radiomics", "age"]', '["age"]'), ("accuracy = 0.97\n", ""))
    outcome = run_experiment(protocol_of(tmp_path, *changes), tmp_path / "out")
    assert [row.dice for row in outcome.rows] == pytest.approx([0.2, 0.2])
    answers = table(tmp_path / "out" / "answers.csv")
    assert {(int(row["subject"][-3:]) % 2, row["dice"]) for row in answers} == {(0, "0.2000"), (1, "")}


@pytest.mark.slow
def test_a_killed_experiment_resumes_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = protocol_of(tmp_path)
    whole = run_experiment(protocol, tmp_path / "whole")
    made: list[str] = []
    make = Synthetic.example

    def count(self: Synthetic, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        made.append(subject)
        return make(self, subject, inputs)

    class Killed(BaseException):
        pass

    def kill_at(place: str) -> Any:
        def progress(line: str) -> None:
            if line.startswith(place):
                raise Killed

        return progress

    monkeypatch.setattr(Synthetic, "example", count)
    for place in ("example 7 of", "train radiomics, fold 1", "train radiomics, fold 2", "train age, fold 3"):
        with pytest.raises(Killed):
            run_experiment(protocol, tmp_path / "out", progress=kill_at(place))
    lines: list[str] = []
    resumed = run_experiment(protocol, tmp_path / "out", progress=lines.append)
    assert resumed.markdown == whole.markdown
    for name in ("answers.csv", "results.csv", "pairs.csv", "splits.csv", "strata.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(made) == len(set(made)) == 52, "nobody is prepared twice"
    assert [line for line in lines if line.startswith("train ")] == ["train age, fold 3"]


HARMONISED = ("[cross_validation]", '[harmonisation]\nunseen = "own patients"\n[cross_validation]')


def shift_of_hospitals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one of two hospitals measure with another gain and offset."""
    make = Synthetic.example

    def strata(self: Synthetic, subject: str) -> dict[str, str]:
        return {"site": ("north", "south")[int(subject[-3:]) // 2 % 2]}

    def example(self: Synthetic, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        made = make(self, subject, inputs)
        gain, offset = (0.3, 9) if self.strata(subject)["site"] == "south" else (1, 0)
        arrays = {
            name: gain * array + offset if name == "radiomics" else array
            for name, array in made.inputs.items()
        }
        return replace(made, inputs=arrays)

    monkeypatch.setattr(Synthetic, "example", example)
    monkeypatch.setattr(Synthetic, "strata", strata)


def test_harmonised_numbers_are_a_further_model_of_the_same_patients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (HARMONISED, ("accuracy = 0.97\n", ""), ("patients = 12", "patients = 24"))
    shift_of_hospitals(monkeypatch)
    outcome = run_experiment(protocol_of(tmp_path, *changes), tmp_path / "out")
    plain, harmonised = (
        row.auroc
        for row in outcome.rows
        if row.set_name == "external" and row.model in ("radiomics", "radiomics, harmonised")
    )
    assert plain is not None
    assert harmonised is not None
    assert harmonised.value > plain.value
    pairs = {(p["first"], p["second"]) for p in table(tmp_path / "out" / "pairs.csv")}
    assert ("radiomics", "radiomics, harmonised") in pairs


def test_an_answer_depends_on_the_hospital_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = protocol_of(tmp_path, HARMONISED)
    sources: dict[str, Any] = {
        name: synthetic_source(cohort, tmp_path) for name, cohort in protocol.cohorts.items()
    }
    splits = splits_of(protocol)
    store = ExampleStore(
        {name: sources[settings.cohort] for name, settings in protocol.all_sets.items()},
        tmp_path,
        frozenset(),
    )
    files = [answers_file(Training(model, splits[0]), store, tmp_path) for model in models_of(protocol)]
    monkeypatch.setattr(Synthetic, "strata", lambda self, subject: {"site": "elsewhere"})
    after = [answers_file(Training(model, splits[0]), store, tmp_path) for model in models_of(protocol)]
    assert [one == other for one, other in zip(files, after, strict=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("[harmonisation]", '[harmonisation]\ncolumn = "town"')], "harmonisation: 52 patients have no town"),
        ([('unseen = "own patients"', "")], "harmonisation: north has no training patient in north left out"),
        ([("patients = 40", "patients = 15")], "west has [123] training patients in north left out, and 4"),
        ([('["radiomics", "age"]', '["age"]'), ("accuracy = 0.97", "")], "add it to methods"),
        ([("note =", 'variants."radiomics, harmonised" = { method = "age", seed = 2 }\nnote =')], "of another"),
    ],
)  # fmt: skip
def test_hospitals_that_cannot_be_harmonised_are_refused(
    tmp_path: Path, changes: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        run_experiment(
            protocol_of(tmp_path, HARMONISED, ("folds = 3", 'leave_out = "site"'), *changes), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()
