"""Weights follow their priors where nothing is known, and the patients where they speak; one command refits all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from gliotype.answer.model import AnswerModel
from gliotype.cohorts import CohortPatient
from gliotype.errors import InputError
from gliotype.predictors.logistic import load_models
from gliotype.result import Call, Prediction
from gliotype.train.answer import records as records_module
from gliotype.train.answer.records import OutlineRecord, PatientRecord, read_record, write_record
from gliotype.train.answer.train import fit_answer, leave_one_out, measurement_errors, train_answer
from gliotype.train.answer.weights import CORRELATED, MAX_COMBINED_WEIGHT, PRIORS, update_weights

METHODS = list(PRIORS)


def cohort(n: int, rng: np.random.Generator, **slopes: float) -> tuple[np.ndarray, np.ndarray]:
    """Evidence of n patients, and a status that follows it with the given weights."""
    evidence = np.zeros((n, len(METHODS)))
    for name in slopes:
        evidence[:, METHODS.index(name)] = rng.normal(0, 2, n)
    log_odds = sum(slope * evidence[:, METHODS.index(name)] for name, slope in slopes.items())
    return evidence, rng.random(n) < expit(log_odds)


def test_without_patients_weights_are_their_priors() -> None:
    empty = update_weights(np.zeros((2, len(METHODS))), np.array([True, False]), np.zeros(2, int))
    assert empty.mean == pytest.approx([prior.mean for prior in PRIORS.values()], abs=1e-3)
    assert np.sqrt(np.diag(empty.covariance)) == pytest.approx(
        [prior.sd for prior in PRIORS.values()], abs=1e-3
    )


def test_patients_move_a_weight_and_narrow_it() -> None:
    evidence, mutant = cohort(400, np.random.default_rng(1), age=1.2)
    found = update_weights(evidence, mutant, np.zeros(400, int))
    age = METHODS.index("age")
    assert found.mean[age] == pytest.approx(1.2, abs=0.25)
    assert np.sqrt(found.covariance[age, age]) < PRIORS["age"].sd


def test_methods_on_the_same_images_share_what_they_are_worth() -> None:
    evidence, mutant = cohort(500, np.random.default_rng(2), radiomics=1.0, hybrid=1.0)
    found = update_weights(evidence, mutant, np.zeros(500, int))
    assert sum(found.mean[METHODS.index(name)] for name in CORRELATED) <= MAX_COMBINED_WEIGHT + 1e-6


def test_a_method_that_is_wrong_is_not_turned_around() -> None:
    evidence, mutant = cohort(400, np.random.default_rng(3), hybrid=-1.0)
    found = update_weights(evidence, mutant, np.zeros(400, int))
    assert found.mean[METHODS.index("hybrid")] >= 0


def test_weights_that_are_not_fitted_stay() -> None:
    evidence, mutant = cohort(200, np.random.default_rng(4), mismatch=0.2, age=0.7)
    found = update_weights(evidence, mutant, np.zeros(200, int))
    assert found.mean[METHODS.index("mismatch")] == 1.0
    assert found.mean[METHODS.index("perfusion")] == 0.0


def test_a_cohort_of_another_mix_does_not_move_the_weights() -> None:
    rng = np.random.default_rng(5)
    evidence, mutant = cohort(1500, rng, age=0.7)
    shifted = rng.random(1500) < expit(0.7 * evidence[:, METHODS.index("age")] + 1.0)
    one = update_weights(evidence, mutant, np.zeros(1500, int)).mean[METHODS.index("age")]
    other = update_weights(evidence, shifted, np.zeros(1500, int)).mean[METHODS.index("age")]
    assert one == pytest.approx(other, abs=0.12)


def outline(name: str, rng: np.random.Generator, mutant: bool, factor: float = 1.0) -> OutlineRecord:
    bright = (1.3 if mutant else 2.2) * factor * np.exp(rng.normal(0, 0.1))
    numbers = {
        "Flatness": 0.6,
        "T1C_inner_mean_over_tissue": 0.9,
        "T1C_inner_p95_over_tissue": bright,
        "FLAIR_inner_p25_over_tissue": 1.3,
        "T1C_mean_over_ring": 0.92,
        "T1C_p95_over_ring": bright,
        "FLAIR_p25_over_ring": 1.3,
    }
    return OutlineRecord(name, numbers, {"hybrid": (1.0 if mutant else -1.0, 0.5)})


def records(n: int = 12) -> list[PatientRecord]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(n):
        mutant = number % 3 > 0
        made.append(
            PatientRecord(
                patient=f"patient-{number}",
                cohort="ours",
                mutant=mutant,
                age=38.0 + 2 * number if mutant else 60.0,
                outlines=(
                    outline("as drawn", rng, mutant, 1.1),
                    outline("threshold 0.3", rng, mutant, 1.2),
                ),
                expert=outline("expert's mask", rng, mutant),
                gate=("The patient is under 18.",) if number == 6 else (),
            )
        )
    return made


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    (record, *_) = records()
    write_record(record, tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record


def test_a_record_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_record(records()[0], file)
    document = json.loads(file.read_text())
    del document["gate"]
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"record.json is damaged .* delete it and run again"):
        read_record(file)


def test_what_the_gate_stops_gets_no_definite_call_and_keeps_its_probability() -> None:
    def answered(made: list[PatientRecord]) -> Prediction:
        return leave_one_out(made, load_models("radiomics.json"))[6].prediction

    stopped = answered(records())
    passed = answered([replace(record, gate=()) for record in records()])
    assert (stopped.call, passed.call) == (Call.INDETERMINATE, Call.WILDTYPE)
    assert stopped.reasons[0] == "The patient is under 18."
    assert stopped.probability == passed.probability


def test_errors_compare_the_drawn_outline_with_the_mask() -> None:
    errors = measurement_errors(records())
    patients, mean, _ = errors.summary()["T1C_inner_p95_over_tissue"]
    assert patients == 12
    assert mean == pytest.approx(np.log(1.1), abs=0.1)
    assert "T2_inner_p25_over_tissue" not in errors.summary()


def test_each_patient_is_left_out_of_the_weights() -> None:
    models = load_models("radiomics.json")
    results = leave_one_out(records(), models)
    assert [each.record.patient for each in results] == [f"patient-{n}" for n in range(12)]
    assert all(each.from_expert is not None for each in results)
    mutant = np.array([each.record.mutant for each in results])
    probability = np.array([each.prediction.probability for each in results])
    assert probability[mutant].min() > probability[~mutant].max()


def test_a_patient_of_two_cohorts_counts_once_by_the_fullest_record_whatever_the_order() -> None:
    models = load_models("radiomics.json")
    once = records()
    bare = [
        replace(
            record,
            cohort="a",
            outlines=(OutlineRecord("as drawn", {"Flatness": 0.9}, {"hybrid": (9.0, 0.5)}),),
        )
        for record in once
    ]
    twice = leave_one_out(bare + once, models)
    reverse = leave_one_out(once + bare, models)
    alone = [each.prediction.probability for each in leave_one_out(once, models)]
    assert [each.prediction.probability for each in twice[12:]] == alone
    assert [each.prediction.probability for each in reverse[:12]] == alone


def test_patients_of_one_class_are_refused(tmp_path: Path) -> None:
    mutants = [record for record in records() if record.mutant]
    with pytest.raises(InputError, match="one class"):
        fit_answer(mutants, tmp_path, tmp_path / "out")


def test_patients_without_masks_are_refused() -> None:
    with pytest.raises(InputError, match="expert's mask"):
        measurement_errors([replace(record, expert=None) for record in records()])


@pytest.mark.slow
def test_everything_is_refitted_and_its_card_written(shared_data: Path, tmp_path: Path) -> None:
    files = fit_answer(records(), shared_data / "tables", tmp_path, resamples=20)
    assert {file.name for file in files} == {
        f"{name}.{ending}" for name in ("age", "radiomics", "answer") for ending in ("json", "md")
    }
    model = AnswerModel.from_json(json.loads((tmp_path / "answer.json").read_text()))
    assert (model.patients, model.mutants) == (12, 8)
    card = (tmp_path / "answer.md").read_text()
    assert "| radiomics |" in card
    assert "| T1C_inner_p95_over_tissue | 12 |" in card
    again = fit_answer(records()[::-1], shared_data / "tables", tmp_path / "again", resamples=20)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def bids(folder: Path, made: list[PatientRecord]) -> Path:
    """A cohort whose images are named and empty."""
    folder.mkdir()
    lines = ["participant_id\tidh\tage"]
    for record in made:
        name = f"sub-{record.patient.replace('-', '')}"
        (folder / name / "anat").mkdir(parents=True)
        (folder / name / "anat" / f"{name}_FLAIR.nii.gz").touch()
        lines.append(f"{name}\t{int(record.mutant)}\t{record.age:g}")
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_an_interrupted_run_resumes_with_the_next_patient(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {f"sub-{record.patient.replace('-', '')}": record for record in records()}
    cohort = bids(tmp_path / "ours", list(made.values()))
    asked: list[str] = []

    def recorded(patient: CohortPatient, name: str) -> PatientRecord:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(patient.subject.id)
        return made[patient.subject.id]

    monkeypatch.setattr(records_module, "record_of", recorded)
    with pytest.raises(KeyboardInterrupt):
        train_answer([cohort], "bids", shared_data / "tables", tmp_path / "run")
    first = list(asked)
    asked.clear()
    monkeypatch.setattr(records_module, "record_of", lambda patient, name: made[patient.subject.id])
    files = train_answer([cohort], "bids", shared_data / "tables", tmp_path / "run")
    assert len(first) == 5
    assert len(list((tmp_path / "run" / "patients").glob("ours-*.json"))) == 12
    assert all(file.is_file() for file in files)
