from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from conftest import one_process  # noqa: E402
from gliotype.errors import OutputError  # noqa: E402
from gliotype.predictors.curves import CHANNELS, POINTS  # noqa: E402
from gliotype.train.perfusion.design import Design  # noqa: E402
from gliotype.train.perfusion.examples import (  # noqa: E402
    NUMBERS,
    VARIANTS,
    CurveCohort,
    curve_example,
    make_curve_examples,
)
from gliotype.train.perfusion.network import Recipe  # noqa: E402
from gliotype.train.perfusion.train import Outcome, train_perfusion  # noqa: E402

DESIGN = Design(training=30, tuning=20, test=16, larger=16, external=16, seed=3)
RECIPE = Recipe(members=2, epochs=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def outcome(run: Path) -> Outcome:
    torch.set_num_threads(1)
    with one_process():
        return train_perfusion(DESIGN, RECIPE, run)


@pytest.mark.slow
def test_a_run_writes_weight_card_and_numbers(outcome: Outcome, run: Path) -> None:
    assert {file.name for file in outcome.files} == {"perfusion.onnx", "perfusion.md", "perfusion.json"}
    document = json.loads((run / "perfusion.json").read_text())
    assert np.array(document["average"]).shape == (len(CHANNELS), POINTS)
    assert document["simulated"]["training"] == 30
    card = (run / "perfusion.md").read_text()
    assert "Results on simulated patients" in card
    assert outcome.markdown in card


@pytest.mark.slow
def test_every_set_has_the_network_its_baselines_and_age_alone(outcome: Outcome) -> None:
    assert [t.name for t in outcome.tested] == ["test", "larger test", "external"]
    for tested in outcome.tested:
        assert tested.patients == 16
        assert {"logistic", "random forest", "support vector machine", "age alone"} < set(tested.rivals)
        assert sum(tested.explanation.attention.values()) == pytest.approx(1, abs=1e-3)
    assert outcome.markdown.count("| --- |") >= 4


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_answer(outcome: Outcome, run: Path) -> None:
    lost = next((run / "networks").rglob("member-2.pt"))
    cached = {file: file.stat().st_mtime_ns for file in run.rglob("*.npz")}
    lost.unlink()
    again = train_perfusion(DESIGN, RECIPE, run)
    assert again.markdown == outcome.markdown
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*.npz")} == cached


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError):
        train_perfusion(DESIGN, RECIPE, tmp_path / "file")


@pytest.mark.slow
def test_patients_of_a_cohort_are_its_own_and_the_same_each_time(tmp_path: Path) -> None:
    cohort = CurveCohort("a", "snuh", 3, 5)
    made = make_curve_examples(cohort, tmp_path)
    assert [example.subject for example in made] == ["a-0001", "a-0002", "a-0003"]
    assert len(list(tmp_path.iterdir())) == 1
    again = curve_example(cohort, 1)
    assert made[1].curves.shape == (VARIANTS, len(CHANNELS), POINTS)
    assert np.allclose(made[1].curves, again.curves, atol=0.01)
    assert np.array_equal(made[1].numbers, again.numbers, equal_nan=True)
    assert made[1].numbers.shape == (len(NUMBERS),)
    other = curve_example(replace(cohort, seed=6), 1)
    assert not np.array_equal(other.numbers, again.numbers, equal_nan=True)
    assert not np.array_equal(made[1].curves[0], made[1].curves[1])
