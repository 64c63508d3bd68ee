"""Each trained method, exported and loaded by its predictor, says what it said in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from gliotype import runtime
from gliotype.evaluate.roc import Estimate
from gliotype.predictors import hybrid, logistic, perfusion
from gliotype.predictors.curves import CHANNELS, CURVES, POINTS, TIMES_S
from gliotype.predictors.slices import NUMBERS, SIZE, Slices
from gliotype.predictors.trained import Calibration, Standardiser
from gliotype.segment import candidates
from gliotype.train.common.manifest import write_manifest
from gliotype.train.common.ridge import choose_penalty, fit_model, ridge_logistic
from gliotype.volume import Grid

torch = pytest.importorskip("torch")

from gliotype.explain.phases import phases_of  # noqa: E402
from gliotype.networks.recurrent import CurveNet  # noqa: E402
from gliotype.train.data.examples import Example  # noqa: E402
from gliotype.train.model1.candidates import LabelledCandidate, fit, write_model  # noqa: E402
from gliotype.train.model1.candidates import Recipe as CandidateRecipe  # noqa: E402
from gliotype.train.model2.export import write_weight  # noqa: E402
from gliotype.train.model2.model import ALL_PARTS, Hybrid, Model2, Recipe  # noqa: E402
from gliotype.train.perfusion.design import Design  # noqa: E402
from gliotype.train.perfusion.export import design_of  # noqa: E402
from gliotype.train.perfusion.export import write_weight as write_perfusion_weight  # noqa: E402
from gliotype.train.perfusion.network import CurveExample, CurveModel  # noqa: E402
from gliotype.train.perfusion.network import Recipe as CurveRecipe  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
CALIBRATION = Calibration(1.7, -0.4)
LOADERS = (hybrid.load_model, perfusion.load_model, logistic.load_models, candidates.candidate_model)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which the predictors load their weights."""
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    for loader in LOADERS:
        loader.cache_clear()
    yield tmp_path
    for loader in LOADERS:
        loader.cache_clear()


def test_the_standard_deviations_are_limited_and_a_missing_number_counts_as_the_mean() -> None:
    standardise = Standardiser(np.array([40.0, 2.0, 1.0]), np.array([10.0, 0.5, 1.0]))
    np.testing.assert_array_equal(standardise(np.array([15.0, 2.25, np.nan])), [-2.0, 0.5, 0.0])


@pytest.mark.slow
def test_model2(weights: Path) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    members = tuple(Hybrid(ALL_PARTS).eval() for _ in range(2))
    for member in members:
        torch.nn.init.normal_(member.numbers.weight)
        torch.nn.init.normal_(member.numbers.bias)
    standardiser = Standardiser(rng.normal(40, 5, len(NUMBERS)), rng.uniform(5, 10, len(NUMBERS)))
    model = Model2(Recipe(members=2), members, standardiser, CALIBRATION, prevalence=0.4)
    examples = []
    for number in range(3):
        numbers = rng.normal(40, 20, len(NUMBERS))
        numbers[number] = np.nan
        slices = rng.normal(0, 1, (5, 4, SIZE, SIZE)).astype(np.float16)
        examples.append(Example(f"p{number}", number == 0, 50.0, slices, numbers, True, np.nan))
    write_weight(model, weights, training=examples, data={"licence": "none"}, results="none")
    write_manifest(weights)
    probability = model.probabilities(examples, 0.3)
    for example, trained, of_members in zip(
        examples, probability, CALIBRATION(model.log_odds(examples)).T, strict=True
    ):
        slices = Slices(example.slices.astype(np.float32), Grid((SIZE, SIZE, 5), np.eye(4)))
        contributions = hybrid.compute_contributions(slices, example.numbers)
        np.testing.assert_allclose(contributions.log_odds, of_members, atol=0.01)
        assert expit(contributions.log_odds.mean() + logit(0.3)) == pytest.approx(trained, abs=0.002)
    assert np.ptp(logit(probability)) > 0.1


@pytest.mark.slow
def test_perfusion(weights: Path) -> None:
    rng = np.random.default_rng(1)
    torch.manual_seed(1)
    members = tuple(CurveNet(len(CHANNELS)).eval() for _ in range(2))
    for member in members:
        torch.nn.init.normal_(member.answer.weight)
    average = rng.normal(size=(len(CHANNELS), POINTS)).astype(np.float32)
    model = CurveModel(members, average.round(3), CALIBRATION)
    phases = phases_of(TIMES_S, 6.0, 15.0)
    examples = []
    for number in range(3):
        curves = rng.normal(0, 2, (1, len(CHANNELS), POINTS)).astype(np.float32)
        curves[:, CURVES:] = 1
        examples.append(CurveExample(f"p{number}", curves, phases, np.zeros(1), number == 0, 50.0))
    write_perfusion_weight(
        model,
        weights,
        about=design_of(Design()),
        recipe=CurveRecipe(members=2),
        training=examples,
        results="none",
    )
    write_manifest(weights)
    trained = model.log_odds(examples)
    for example, expected in zip(examples, trained, strict=True):
        curves = example.curves[0]
        reading = perfusion.read_curves(curves, phases)
        assert reading.log_odds.mean() == pytest.approx(expected, abs=0.01)
        hidden = model.read(perfusion.occlude_phases(curves, phases, model.average))[0]
        np.testing.assert_allclose(list(reading.occlusion.values()), expected - hidden, atol=0.02)
    assert np.ptp(trained) > 0.1


def test_radiomics_and_age() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal([50.0, 0.6], [12.0, 0.1], (80, 2))
    mutant = rng.random(80) < expit((45 - values[:, 0]) / 8)
    model = fit_model(("age", "Flatness"), values, mutant, Estimate(0.8, 0.7, 0.9), resamples=3, seed=0)
    read = logistic.LogisticModel.from_json(model.to_json())
    mean, sd = values.mean(axis=0), values.std(axis=0)
    standardised = (values - mean) / sd
    beta = ridge_logistic(standardised, mutant, choose_penalty(standardised, mutant, 0))
    for row in values[:5]:
        expected = beta[0] - logit(mutant.mean()) + beta[1:] @ ((row - mean) / sd) + logit(0.3)
        answer = read.answer(dict(zip(("age", "Flatness"), row, strict=True)), 0.3)
        assert logit(answer.probability) == pytest.approx(expected, abs=1e-3)


def test_candidates(weights: Path) -> None:
    rng = np.random.default_rng(3)
    labelled = []
    for number in range(90):
        tumour = number % 3 == 0
        features = candidates.CandidateFeatures(
            rng.normal(3, 1),
            *rng.normal(0.7, 0.1, 2),
            rng.normal(1.5 + 0.5 * tumour, 0.5),
            rng.normal(15, 4),
            0.0,
        )
        labelled.append(LabelledCandidate(features, tumour))
    recipe = CandidateRecipe(None, weights)
    document = fit(labelled, recipe, threshold=-1.0, max_symmetry=0.8)
    write_model(document, weights)
    write_manifest(weights)
    model = candidates.candidate_model()
    values = np.array([each.features.numbers for each in labelled])
    scores = (values - values.mean(axis=0)) / values.std(axis=0)
    expected = document["intercept"] + scores @ np.array(document["coefficients"])
    found = np.array([model.log_odds(each.features) for each in labelled])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert [model.accepts(each.features) for each in labelled] == (found >= -1.0).tolist()
    assert model.accepts(replace(labelled[int(found.argmax())].features, symmetry=0.9)) is False
