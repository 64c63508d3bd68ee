from __future__ import annotations

import math
import multiprocessing as mp
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gliotype.errors import GliotypeError, InputError, OutputError, UsageError
from gliotype.segment.model1 import CHANNELS, GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.study import Sequence
from gliotype.train.model1 import stream
from gliotype.train.model1 import train as model1
from gliotype.train.model1.cases import GridPatient, augment, simulate_case
from gliotype.train.model1.loss import loss, whole_tumour_dice
from gliotype.train.model1.train import Recipe, train
from gliotype.train.model1.training_log import Entry, read_entries, write_entries, write_figure

T1C = CHANNELS.index(Sequence.T1C)


@pytest.fixture(scope="module")
def case() -> GridPatient:
    anatomies = [template_anatomy()]
    for seed in range(20):
        found = simulate_case(np.random.default_rng(seed), anatomies)
        if (found.labels == 4).sum() > 200:
            return found
    raise AssertionError("no enhancing tumour among 20 simulated cases")


@pytest.mark.slow
def test_a_case_has_images_a_brain_and_a_tumour_within(case: GridPatient) -> None:
    assert case.images.shape == (4, *GRID.shape)
    assert np.isfinite(case.images).all()
    assert (
        1000 < case.brain.sum() * 0.008 < 3500
    )  # the template is a large head, and heads are scaled at random
    assert (case.labels[~case.brain] == 0).all()


@pytest.mark.slow
def test_augmented_inputs_are_honest_about_what_is_missing(case: GridPatient) -> None:
    brain_region = np.ones(GRID.shape, bool)
    seen = set()
    for seed in range(12):
        x, labels = augment(np.random.default_rng(seed), case, brain_region)
        present = [bool(channel.any()) for channel in x]
        assert present[:4] == present[4:]
        np.testing.assert_array_equal(x[4:], x[:4, ::-1])
        if not present[T1C]:
            assert not (labels == 4).any(), "enhancement cannot be asked for without T1c"
        seen.add(tuple(present[:4]))
    assert len(seen) > 2


def test_the_loss_prefers_the_truth() -> None:
    labels = torch.randint(0, 5, (1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    right = torch.nn.functional.one_hot(labels, 5).movedim(-1, 1).float() * 10
    wrong = right.roll(1, dims=1)
    assert float(loss(right, labels)) < 0.3 < 2.0 < float(loss(wrong, labels))


@pytest.mark.slow
def test_a_run_resumes_where_it_stopped(
    case: GridPatient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_case(*_: object, **__: object) -> Generator[list[GridPatient]]:
        while True:
            yield [case]

    monkeypatch.setattr(model1, "stream", one_case)
    recipe = Recipe(None, steps=1, warm_up=1)
    checkpoint = train(recipe, tmp_path)
    assert torch.load(checkpoint, weights_only=True)["step"] == 1
    train(Recipe(None, steps=2, warm_up=1), tmp_path)
    assert torch.load(checkpoint, weights_only=True)["step"] == 2
    before = checkpoint.stat().st_mtime_ns
    train(Recipe(None, steps=2, warm_up=1), tmp_path)
    assert checkpoint.stat().st_mtime_ns == before
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.pt",
        "recipe.json",
        "training_log.csv",
        "training_log.svg",
    }
    with pytest.raises(UsageError, match="run begun with seed 1, and this call asks for seed 2"):
        train(Recipe(None, steps=2, warm_up=1, seed=2), tmp_path)


def test_a_run_says_what_is_wrong_with_its_folder_and_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        train(Recipe(None, steps=1), tmp_path / "file" / "run")
    with pytest.raises(InputError, match="is not there"):
        train(Recipe(None, steps=1, start=tmp_path / "none.onnx"), tmp_path / "run")


def test_a_worker_that_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.01)
    killed: Any = SimpleNamespace(is_alive=lambda: False, exitcode=-9)
    with pytest.raises(GliotypeError, match=r"has ended \(exit code -9\)"):
        stream._next(mp.get_context("spawn").Queue(), [killed])


def test_a_folder_without_label_maps_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    with pytest.raises(InputError, match="no label map"):
        train(Recipe(tmp_path / "maps", steps=1), tmp_path / "run")
    assert not list((tmp_path / "run").glob("*"))


def test_whole_tumour_dice_counts_all_regions() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    assert math.isnan(whole_tumour_dice(torch.zeros(1, 5, 4, 4, 4), labels))
    labels[0, :2] = 3
    logits = torch.zeros(1, 5, 4, 4, 4)
    logits[:, 1] = 1
    logits[0, 4, 1:3] = 2  # half of the tumour, under another name, and as much next to it
    assert whole_tumour_dice(logits, labels) == pytest.approx(0.5)


def test_the_record_keeps_what_the_checkpoint_knows(tmp_path: Path) -> None:
    entries = [Entry(step, 1.5, 0.5, 1e-3, 10.0 * step, 0.1) for step in (25, 50, 75)]
    write_entries(entries, tmp_path / "training_log.csv")
    assert read_entries(tmp_path / "training_log.csv", 50) == entries[:2]
    assert read_entries(tmp_path / "none.csv", 50) == []
    write_figure(entries, tmp_path / "training_log.svg")
    assert "<svg" in (tmp_path / "training_log.svg").read_text()
    assert not list(tmp_path.glob(".gliotype-*"))


@pytest.mark.slow
def test_leftovers_of_skull_stripping_are_no_brain(case: GridPatient) -> None:
    outside = []
    for seed in range(40):
        x, labels = augment(np.random.default_rng(seed), case, np.ones(GRID.shape, bool))
        seen = (x != 0).any(axis=0)
        if not seen[0, 0].any():  # stripped
            outside.append((seen & (labels == 0)).sum())
            assert (labels[~seen] == 0).mean() > 0.9
    assert max(outside) > 300
