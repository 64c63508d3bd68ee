"""Model 1 trained further on a cohort: what it learns from, what is kept aside, and what is written."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gliotype.errors import InputError
from gliotype.runtime import checked_weights, weights_folder
from gliotype.segment import given_tumour
from gliotype.segment.model1 import CHANNELS, CLASSES, GRID, run_network, use_model1
from gliotype.study import Label, PreparedStudy, Sequence, Tumour
from gliotype.train.model1 import cohort
from gliotype.train.model1 import train as training
from gliotype.train.model1.cases import GridPatient, augment, read_case, write_case
from gliotype.train.model1.cohort import case_of, compare_weights, make_cases, split_masked, train_further
from gliotype.train.model1.train import Recipe, draw
from support.factory import make_result

SHIPPED = checked_weights("model1.onnx")[0]


def patients_of(masked: int, others: int = 0) -> Any:
    """Stand in for a cohort of which some patients have an expert's mask."""
    members = {
        f"p{n:02d}": SimpleNamespace(subject=f"p{n:02d}", mask="mask" if n < masked else None)
        for n in range(masked + others)
    }
    return SimpleNamespace(members=members, path=Path("cohort"), key=lambda name: f"key of {name}")


@pytest.fixture(scope="module")
def drawn() -> tuple[PreparedStudy, Tumour]:
    """A study whose tumour lies in the right frontal lobe, with an expert's sub-regions."""
    result = make_result()
    return result.prepared, given_tumour(result.tumour.labels, result.prepared)


@pytest.fixture(scope="module")
def case(drawn: tuple[PreparedStudy, Tumour]) -> GridPatient:
    return case_of(*drawn)


def test_a_quarter_of_those_with_a_mask_is_kept_aside() -> None:
    learnt, aside = split_masked(patients_of(12, others=3), seed=1)
    assert (len(learnt), len(aside)) == (9, 3)
    assert set(learnt) | set(aside) == {f"p{n:02d}" for n in range(12)}
    assert split_masked(patients_of(12, others=3), seed=1) == (learnt, aside)
    assert split_masked(patients_of(12), seed=2) != (learnt, aside)
    with pytest.raises(InputError, match="7 of the 10 patients of cohort have an expert's mask: at least 8"):
        split_masked(patients_of(7, others=3), seed=1)


def test_a_case_holds_images_and_regions_where_they_are(
    drawn: tuple[PreparedStudy, Tumour], case: GridPatient
) -> None:
    prepared, expert = drawn
    assert case.images.shape == (len(CHANNELS), *GRID.shape)
    assert float(case.images.max()) < 100
    for label in Label:
        volume = (np.asarray(expert.labels.array) == label).sum() * prepared.grid.voxel_ml
        assert (case.labels == label + 1).sum() * GRID.voxel_ml == pytest.approx(volume, rel=0.35)
    centre = prepared.grid.affine @ [*np.argwhere(expert.mask).mean(axis=0), 1.0]
    found = GRID.affine @ [*np.argwhere(case.labels > 1).mean(axis=0), 1.0]
    assert np.linalg.norm((prepared.mni_from_prepared @ centre - found)[:3]) < 2, "a flip would move it"
    assert (case.labels[~case.brain] == 0).all()


@pytest.mark.slow
def test_a_mask_of_one_value_takes_its_regions_from_the_network(drawn: tuple[PreparedStudy, Tumour]) -> None:
    prepared, expert = drawn
    whole = given_tumour(expert.labels.with_array(expert.mask.astype(np.uint8)), prepared)
    found = case_of(prepared, whole)
    seen = case_of(prepared, expert)
    np.testing.assert_array_equal(found.labels > 1, seen.labels > 1)
    assert set(np.unique(found.labels[found.labels > 1])) <= {2, 3, 4}
    assert len(np.unique(found.labels[found.labels > 1])) > 1


def test_inputs_never_show_only_what_is_missing(case: GridPatient) -> None:
    images = case.images.copy()
    images[[CHANNELS.index(s) for s in (Sequence.T1C, Sequence.T2)]] = 0
    fewer = replace(case, images=images)
    brain_region = np.ones(GRID.shape, bool)
    for seed in range(12):
        x, labels = augment(np.random.default_rng(seed), fewer, brain_region)
        assert x[[0, 3]].any()
        assert not x[[1, 2]].any()
        assert not (labels == CLASSES.index("enhancing")).any(), "enhancement cannot be asked for without T1c"


def test_a_case_survives_the_disk(case: GridPatient, tmp_path: Path) -> None:
    write_case(case, tmp_path / "case.npz")
    found = read_case(tmp_path / "case.npz")
    for name in ("images", "labels", "brain"):
        np.testing.assert_array_equal(getattr(found, name), getattr(case, name))
    (tmp_path / "case.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match="damaged"):
        read_case(tmp_path / "case.npz")


def test_half_of_the_steps_take_a_patient_of_the_cohort() -> None:
    rng, simulated, real = np.random.default_rng(1), [object()], [object()]
    drawn = [draw(rng, simulated, real) for _ in range(200)]  # type: ignore[arg-type]
    assert 70 < sum(each is real[0] for each in drawn) < 130
    assert draw(rng, simulated, []) is simulated[0]  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_run_writes_weight_card_and_comparison(
    drawn: tuple[PreparedStudy, Tumour], case: GridPatient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_case(*_: object, **__: object) -> Generator[list[GridPatient]]:
        while True:
            yield [case]

    prepared: list[str] = []

    def expert(patient: Any) -> tuple[PreparedStudy, Tumour]:
        prepared.append(patient.subject)
        return drawn

    def dices(patient: Any, weight: Path | None) -> dict[str, float]:
        assert weight in (SHIPPED, tmp_path / "model1.onnx")
        return {"whole tumour": 0.8 if weight == SHIPPED else 0.9}

    monkeypatch.setattr(training, "stream", one_case)
    monkeypatch.setattr(cohort, "_expert", expert)
    monkeypatch.setattr(cohort, "_dice_by_region", dices)
    torch.set_num_threads(1)
    recipe = Recipe(None, steps=2, warm_up=1, learning_rate=1e-6, start=SHIPPED)
    files = train_further(recipe, patients_of(8), tmp_path)
    assert [file.name for file in files] == [
        "model1.onnx",
        "model1.md",
        "held_out.csv",
        "training_log.csv",
        "training_log.svg",
    ]
    rows = list(csv.DictReader((tmp_path / "held_out.csv").read_text().splitlines()))
    assert [(row["dice_before"], row["dice_after"]) for row in rows] == [("0.8000", "0.9000")] * 2
    assert not {row["subject"] for row in rows} & set(prepared), "those kept aside are not learnt from"
    card = (tmp_path / "model1.md").read_text()
    assert "| whole tumour | 2 | 0.800 | 0.900 | +0.100" in card
    assert "2 steps from the shipped weight, each" in card
    assert len(prepared) == 6
    make_cases(patients_of(8), prepared[:], tmp_path / "cases")
    assert len(prepared) == 6, "a run that resumes finds its cases"
    shown = {Sequence.FLAIR: case.images[3].astype(np.float32)}
    before = run_network(shown, case.brain).mean
    with use_model1(tmp_path / "model1.onnx"):
        after = run_network(shown, case.brain).mean
    assert 0 < np.abs(after - before).mean() < 0.005, "two small steps from the shipped weight"
    assert (after.argmax(axis=0) != before.argmax(axis=0)).mean() < 0.005


def test_what_is_wrong_with_a_patient_names_the_patient(tmp_path: Path) -> None:
    patients = patients_of(1)
    patients.members["p00"].files = {Sequence.T1: tmp_path / "none.nii.gz"}
    patients.members["p00"].subject = SimpleNamespace(id="p00", age=None, sex=None)
    with pytest.raises(InputError, match=r"p00: .*none\.nii\.gz"):
        make_cases(patients, ["p00"], tmp_path)
    with pytest.raises(InputError, match="p00: "):
        compare_weights(patients, ["p00"], None, SHIPPED)


@pytest.mark.slow
def test_another_weight_is_used_within_its_block_alone(tmp_path: Path, case: GridPatient) -> None:
    copied = shutil.copy(SHIPPED, tmp_path / "own.onnx")
    shown = {Sequence.FLAIR: case.images[3].astype(np.float32)}
    with use_model1(Path(copied)) as digest:
        assert digest == checked_weights("model1.onnx")[1]
        inside = run_network(shown, case.brain).mean
    np.testing.assert_array_equal(inside, run_network(shown, case.brain).mean)
    with use_model1(None) as digest:
        assert digest is None


@pytest.mark.parametrize("content", [None, b"", b"text", "perfusion.onnx"])
def test_what_is_no_weight_of_model_1_is_refused(content: bytes | str | None, tmp_path: Path) -> None:
    file = tmp_path / "weight.onnx"
    if isinstance(content, str):
        shutil.copy(weights_folder() / content, file)
    elif content is not None:
        file.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"weight\.onnx (cannot be read|is no weight of Model 1)"),
        use_model1(file),
    ):
        pass
