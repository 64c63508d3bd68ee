from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from gliotype import runtime
from gliotype.errors import WeightsError
from gliotype.predictors.logistic import LogisticModel, load_models
from gliotype.train.common.manifest import write_manifest


@pytest.fixture
def model() -> LogisticModel:
    rng = np.random.default_rng(0)
    return LogisticModel(
        features=("age", "Flatness"),
        mean=np.array([50.0, 0.6]),
        sd=np.array([10.0, 0.1]),
        low=np.array([20.0, 0.3]),
        high=np.array([90.0, 0.9]),
        intercept=0.2,
        coefficients=np.array([-1.5, 0.4]),
        bootstrap=np.array([0.2, -1.5, 0.4]) + 0.2 * rng.normal(size=(400, 3)),
        patients=100,
        mutants=20,
        auroc=(0.9, 0.8, 0.95),
    )


def test_answer_by_hand(model):
    answer = model.answer({"age": 40.0, "Flatness": 0.5, "unused": 1.0}, prevalence=0.5)
    assert answer.probability == pytest.approx(expit(0.2 + 1.5 - 0.4))
    assert answer.contributions == pytest.approx({"age": 1.5, "Flatness": -0.4})
    assert answer.beyond == ()


def test_prevalence_moves_the_odds_by_the_prior_odds(model):
    values = {"age": 47.0, "Flatness": 0.66}
    even, rare = (model.answer(values, prevalence) for prevalence in (0.5, 0.1))
    assert logit(even.probability) - logit(rare.probability) == pytest.approx(np.log(9))
    assert logit(even.interval[0]) - logit(rare.interval[0]) == pytest.approx(np.log(9), abs=0.02)
    assert rare.contributions == even.contributions


def test_interval_is_the_middle_95_percent_of_the_bootstrap(model):
    answer = model.answer({"age": 30.0, "Flatness": 0.7}, prevalence=0.5)
    log_odds = model.bootstrap @ np.array([1.0, -2.0, 1.0])
    inside = (expit(log_odds) >= answer.interval[0]) & (expit(log_odds) <= answer.interval[1])
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    assert answer.interval[0] < answer.probability < answer.interval[1]


def test_values_beyond_the_training_range_count_as_its_edge_and_are_named(model):
    inside = model.answer({"age": 20.0, "Flatness": 0.5}, 0.3)
    beyond = model.answer({"age": 3.0, "Flatness": 0.5}, 0.3)
    assert beyond.probability == inside.probability
    assert (inside.beyond, beyond.beyond) == ((), ("age",))


def test_json_keeps_the_answers(model):
    again = LogisticModel.from_json(json.loads(json.dumps(model.to_json())))
    values = {"age": 61.0, "Flatness": 0.44}
    expected, found = model.answer(values, 0.3), again.answer(values, 0.3)
    assert found.probability == pytest.approx(expected.probability, abs=1e-4)
    assert found.interval == pytest.approx(expected.interval, abs=1e-3)
    assert (again.patients, again.mutants, again.auroc) == (100, 20, (0.9, 0.8, 0.95))


@pytest.mark.parametrize("content", ["", '{"models": [{"features": ["age"]}]}', '{"models": 3}', "[1]"])
def test_damaged_file_is_a_weights_error(tmp_path, monkeypatch, content):
    (tmp_path / "damaged.json").write_text(content)
    write_manifest(tmp_path)
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    load_models.cache_clear()
    with pytest.raises(WeightsError, match=r"damaged\.json are damaged"):
        load_models("damaged.json")
    (tmp_path / "damaged.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"damaged\.json are corrupt"):
        load_models("damaged.json")


def test_missing_file_is_a_weights_error():
    with pytest.raises(WeightsError, match=r"nowhere\.json are missing"):
        load_models("nowhere.json")
