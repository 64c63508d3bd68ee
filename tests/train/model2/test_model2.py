"""Model 2 learns what is there, forgets what is left out, and says the same without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gliotype.errors import InputError
from gliotype.predictors.slices import NUMBERS
from gliotype.train.common.calibration import youden_threshold
from gliotype.train.data.examples import Example, read_example, write_example
from gliotype.train.model2.fit import load_or_train_model
from gliotype.train.model2.model import (
    ALL_PARTS,
    PARTS,
    Hybrid,
    Model2,
    Recipe,
    calibrate,
    fit_standardiser,
)
from gliotype.train.model2.network import TrainingSet, augment, on_all_cards, train_member

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
FAST = Recipe(members=2, epochs=4, batch=16)


def patients(n: int, seed: int = 0, *, telling: str = "both") -> list[Example]:
    """Patients whose class shows in a bright square of FLAIR, in the age, or in both."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        mutant = bool(i % 3 == 0)
        slices = rng.normal(0, 0.1, (5, 4, 128, 128))
        slices[:, 3] = 0
        slices[:, 3, 40:80, 50:90] = 1
        if telling in ("both", "image"):
            slices[:, 2, 40:80, 50:90] += 0.6 if mutant else -0.2
        numbers = rng.normal(0, 1, len(NUMBERS))
        numbers[-1] = rng.normal(40 if mutant and telling != "image" else 60, 8)
        made.append(
            Example(f"p{i:03d}", mutant, float(numbers[-1]), slices.astype(np.float16), numbers, True, 0.8)
        )
    return made


@pytest.fixture(scope="module")
def model() -> Model2:
    standardiser = fit_standardiser(patients(60))
    members = tuple(train_member(FAST, patients(60), standardiser, seed) for seed in (1, 2))
    return calibrate(Model2(FAST, members, standardiser), patients(30, 5))


@pytest.mark.slow
def test_it_learns_image_and_age(model: Model2) -> None:
    test = patients(30, 9)
    probability = model.probabilities(test, 0.3)
    truth = np.array([e.mutant for e in test])
    assert probability[truth].min() > probability[~truth].mean()
    assert ((probability >= model.threshold) == truth).mean() > 0.9


@pytest.mark.slow
def test_it_tolerates_what_is_missing(model: Model2) -> None:
    (example,) = patients(1, 3)
    bare = Example("bare", True, np.nan, example.slices.copy(), np.full(len(NUMBERS), np.nan), True, np.nan)
    bare.slices[:, :2] = 0
    assert np.isfinite(model.probabilities([bare], 0.3)).all()


@pytest.mark.slow
def test_a_patient_without_tumour_gets_no_answer(model: Model2) -> None:
    (example,) = patients(1)
    lost = Example("lost", True, 40.0, example.slices, example.numbers, False, 0.0)
    assert np.isnan(model.probabilities([lost], 0.3)).all()


@pytest.mark.slow
def test_the_prevalence_shifts_the_odds(model: Model2) -> None:
    test = patients(6, 4)
    low, high = (model.probabilities(test, p) for p in (0.2, 0.5))
    np.testing.assert_allclose(np.log(high / (1 - high)) - np.log(low / (1 - low)), np.log(4.0), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_left_out_does_not_count(part: str) -> None:
    recipe = Recipe(parts=ALL_PARTS - {part, "image"}, members=1, epochs=2)
    train = patients(40)
    member = train_member(recipe, train, fit_standardiser(train), 1)
    changed = torch.randn(3, len(NUMBERS))
    same = changed.clone()
    changed[:, list(PARTS[part])] += 5
    nothing = torch.zeros(3, 4, 128, 128)
    assert torch.equal(member(nothing, changed), member(nothing, same))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        ({"T1C", "T2"}, (0, 1, 3)),
        ({"FLAIR", "age"}, (2, 3)),
        ({"outline"}, (3,)),
        ({"image"}, (0, 1, 2, 3)),
    ],
)
def test_an_image_that_is_left_out_does_not_count(parts: set[str], seen: tuple[int, ...]) -> None:
    train = patients(8)
    recipe = Recipe(parts=frozenset(parts), members=1, epochs=1, drop_sequence=0.0)
    member = train_member(recipe, train, fit_standardiser(train), 1)
    slices, numbers = torch.rand(2, 4, 128, 128), torch.zeros(2, len(NUMBERS))
    before = member(slices, numbers)
    for channel in range(4):
        changed = slices.clone()
        changed[:, channel] += torch.rand(128, 128)
        assert torch.equal(member(changed, numbers), before) == (channel not in seen)


def test_numbers_that_nobody_has_count_for_nothing() -> None:
    ageless = [
        Example(e.subject, e.mutant, np.nan, e.slices, np.r_[e.numbers[:-1], np.nan], True, np.nan)
        for e in patients(12)
    ]
    standardiser = fit_standardiser(ageless)
    assert np.isfinite(standardiser.mean).all()
    assert np.isfinite(standardiser.sd).all()
    assert not standardiser(np.stack([e.numbers for e in ageless]))[:, -1].any()


def test_several_cards_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Hybrid(frozenset({"age"}))
    assert on_all_cards(network) is network
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    spread = on_all_cards(network)
    assert isinstance(spread, torch.nn.DataParallel)
    assert spread.module is network


def test_augmentation_never_leaves_out_every_image() -> None:
    slices = torch.rand(40, 4, 128, 128) + 0.1
    slices[:20, 0] = slices[:20, 1] = 0  # these have FLAIR alone
    out = augment(slices, torch.Generator().manual_seed(0), Recipe(drop_sequence=0.95))
    assert (out[:, :3].abs().amax(dim=(1, 2, 3)) > 0).all()
    assert not out[:20, :2].any(), "a missing sequence stays missing"
    assert ((out[:, 3] >= 0) & (out[:, 3] <= 1.2)).all()


def test_augmentation_moves_mask_and_image_together() -> None:
    slices = torch.zeros(8, 4, 128, 128)
    slices[:, 0, 20:50, 60:100] = slices[:, 3, 20:50, 60:100] = 1.0
    out = augment(slices, torch.Generator().manual_seed(1), Recipe(drop_sequence=0.0))
    inside = out[:, 3] > 0.5
    assert (out[:, 0][inside] > 0.4).float().mean() > 0.99
    assert (out[:, 0][out[:, 3] == 0] == 0).all()


def test_augmentation_mirrors_left_and_right_and_never_front_and_back() -> None:
    slices = torch.zeros(60, 4, 128, 128)
    slices[:, 3, 90:110, 90:110] = 1.0  # on the right, in front
    mask = augment(slices, torch.Generator().manual_seed(3), Recipe())[:, 3]
    position = torch.arange(128.0)
    right = (mask.sum(dim=2) @ position) / mask.sum(dim=(1, 2))
    front = (mask.sum(dim=1) @ position) / mask.sum(dim=(1, 2))
    assert (front > 64).all()
    assert 0.3 < (right > 64).float().mean() < 0.7


@pytest.mark.parametrize(("epochs", "patients_in_all"), [(10, 16), (5, 40), (1, 8)])
def test_any_number_of_steps_can_be_trained(epochs: int, patients_in_all: int) -> None:
    train = patients(patients_in_all)
    recipe = Recipe(parts=frozenset({"age"}), members=1, epochs=epochs)
    assert torch.isfinite(train_member(recipe, train, fit_standardiser(train), 1).numbers.weight).all()


def test_the_same_seed_gives_the_same_network() -> None:
    train = patients(20)
    recipe = Recipe(parts=frozenset({"age"}), members=1, epochs=2)
    first, second = (train_member(recipe, train, fit_standardiser(train), 7) for _ in range(2))
    assert torch.equal(first.numbers.weight, second.numbers.weight)


def test_a_killed_run_goes_on_with_the_next_network(tmp_path: Path) -> None:
    train, tuning = patients(24), patients(12, 2)
    recipe = Recipe(parts=frozenset({"shape", "age"}), members=2, epochs=2)
    whole = load_or_train_model(recipe, train, tuning, tmp_path / "a")
    load_or_train_model(recipe, train, tuning, tmp_path / "b")
    (run_folder,) = (tmp_path / "b").iterdir()
    (run_folder / "member-2.pt").unlink()
    lines: list[str] = []
    again = load_or_train_model(recipe, train, tuning, tmp_path / "b", lines.append)
    assert all("network 2 of 2" in line for line in lines)
    assert len(lines) == 2
    np.testing.assert_array_equal(whole.log_odds(tuning), again.log_odds(tuning))
    header, *rows = (run_folder / "training_log.csv").read_text().splitlines()
    assert header == "member,epoch,loss,seconds"
    assert [row.split(",")[:2] for row in rows] == [["1", "1"], ["1", "2"], ["2", "1"], ["2", "2"]]
    (run_folder / "member-1.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=r"member-1\.pt is damaged .*: delete it and run again"):
        load_or_train_model(recipe, train, tuning, tmp_path / "b")


def test_youden_cut_parts_the_classes() -> None:
    truth = np.array([False, False, True, False, True, True])
    assert youden_threshold(truth, np.array([0.1, 0.2, 0.3, 0.25, 0.8, 0.9])) == pytest.approx(0.275)


def test_an_example_comes_back_as_it_was(tmp_path: Path) -> None:
    (example,) = patients(1)
    write_example(example, tmp_path / "e.npz")
    again = read_example(tmp_path / "e.npz")
    assert (again.subject, again.mutant, again.age, again.found) == ("p000", True, example.age, True)
    np.testing.assert_array_equal(again.slices, example.slices)
    np.testing.assert_array_equal(again.numbers, example.numbers)
    assert [f.name for f in tmp_path.iterdir()] == ["e.npz"]


def test_a_bootstrap_of_few_mutants_still_has_both_classes() -> None:
    few = [
        *[replace(p, mutant=True) for p in patients(4)],
        *[replace(p, mutant=False) for p in patients(20, 1)],
    ]
    for seed in range(20):
        drawn = TrainingSet(few, fit_standardiser(few), np.random.default_rng(seed), resampled=True)
        weights = drawn.batch(np.arange(len(drawn)))
        assert weights.weight.isfinite().all()
        assert float(weights.weight[weights.mutant > 0].sum()) == pytest.approx(len(drawn) / 2, rel=1e-4)
