from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError, UsageError
from gliotype.segment.candidates import CandidateFeatures, CandidateModel
from gliotype.segment.model1 import GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.train.model1.candidates import (
    LabelledCandidate,
    Recipe,
    fit,
    label_candidates,
    prepare_head,
    simulate_candidates,
    write_model,
)

RECIPE = Recipe(None, Path("cached.npz"), healthy=3, tumours=5)


def components(n: int, seed: int = 0) -> list[LabelledCandidate]:
    """Components whose contrast tells, and nothing else."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(n):
        tumour = index % 3 == 0
        contrast = rng.normal(2.0 if tumour else 0.5, 0.5)
        passes = rng.normal(0.7, 0.1, 2)
        made.append(
            LabelledCandidate(
                CandidateFeatures(rng.normal(3, 1), *passes, contrast, rng.normal(15, 4), 0.0), tumour
            ),
        )
    return made


def test_what_tells_gets_the_weight_and_both_kinds_count_the_same(tmp_path: Path) -> None:
    weighed = components(150)
    document = fit(weighed, RECIPE, threshold=-1.0, max_symmetry=0.8)
    weight = dict(zip(document["numbers"], document["coefficients"], strict=True))
    assert weight["contrast"] > 1.0
    assert all(abs(weight[name]) < 0.5 * weight["contrast"] for name in weight if name != "contrast")
    assert document["components"] == {"tumour": 50, "none": 100}
    assert document["auroc"][0] > 0.9
    file = write_model(document, tmp_path)
    model = CandidateModel.from_json(json.loads(file.read_text()))
    tumour = np.array([each.tumour for each in weighed])
    odds = np.array([model.log_odds(each.features) for each in weighed])
    assert np.mean(odds[tumour] > 0) > 0.9
    assert np.mean(odds[~tumour] < 0) > 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["model1.json"]


def test_too_few_components_are_refused() -> None:
    with pytest.raises(InputError, match="simulate more heads"):
        fit(components(6), RECIPE, threshold=0.0, max_symmetry=0.8)


def test_the_recipe_takes_the_classes_in_turn() -> None:
    diseases = RECIPE.diseases
    assert [diseases[seed] for seed in (0, 1, 2)] == [None] * 3
    assert {diseases[seed] for seed in range(1000, 1004)} == set(GliomaType)


def test_an_interrupted_run_resumes_and_keeps_to_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = []

    def label_head(job: tuple[int, object, Recipe]) -> list[LabelledCandidate]:
        simulated.append(job[0])
        if len(simulated) == 4:
            raise KeyboardInterrupt
        return components(job[0] % 3, seed=job[0])

    monkeypatch.setattr("gliotype.train.model1.candidates.workers", ThreadPoolExecutor)
    monkeypatch.setattr("gliotype.train.model1.candidates._label_head", label_head)
    with pytest.raises(KeyboardInterrupt):
        simulate_candidates(RECIPE, tmp_path)
    assert len((tmp_path / "heads.jsonl").read_text().splitlines()) == 3
    found = simulate_candidates(RECIPE, tmp_path)
    assert sorted({*simulated}) == sorted(RECIPE.diseases)
    assert [simulated.count(seed) for seed in (0, 1, 2)] == [1, 1, 1]
    assert found == [each for seed in RECIPE.diseases for each in components(seed % 3, seed=seed)]
    assert (
        simulate_candidates(replace(RECIPE, tumours=2), tmp_path)
        == found[: -sum(s % 3 for s in (1002, 1003, 1004))]
    )
    monkeypatch.setattr(
        "gliotype.train.model1.candidates.checked_weights", lambda name: (Path(name), "other")
    )
    with pytest.raises(UsageError, match="weight"):
        simulate_candidates(RECIPE, tmp_path)


@pytest.mark.slow
def test_a_simulated_tumour_is_a_candidate_that_is_tumour() -> None:
    prepared, labels = prepare_head(1009, GliomaType.ASTROCYTOMA, [template_anatomy()])
    truth = labels > 0
    again, _ = prepare_head(1009, GliomaType.ASTROCYTOMA, [template_anatomy()])
    for sequence, image in prepared.images.items():
        np.testing.assert_array_equal(image.array, again.images[sequence].array)
    assert prepared.grid.same_as(GRID)
    found = list(label_candidates(prepared, truth))
    assert any(each.tumour and each.features.surer_pass > 0.5 for each in found)
    assert not any(each.tumour for each in label_candidates(prepared, np.zeros_like(truth)))


def test_the_card_gives_the_shipped_weights() -> None:
    document = json.loads((files("gliotype.weights") / "model1.json").read_text())
    card = (files("gliotype.weights") / "model1.md").read_text()
    for name, coefficient in zip(document["numbers"], document["coefficients"], strict=True):
        assert f"| `{name}`" in card
        assert f"| {coefficient:+.2f} |" in card
    assert document["data"]["simulated"] is True
    assert f"log-odds of {document['threshold']:g}" in card
    assert f"{document['auroc'][0]:.3f}" in card
