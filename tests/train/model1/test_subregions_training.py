"""Training of the second stage: its cases, outlines, loss and initial weights."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gliotype.masks import dice
from gliotype.networks.export import read_onnx_weights
from gliotype.networks.unet import model1, subregions
from gliotype.runtime import checked_weights, compile_network
from gliotype.segment.model1 import CHANNELS
from gliotype.segment.subregions import SHAPE
from gliotype.simulate.head.template import template_anatomy
from gliotype.study import Label, Sequence
from gliotype.train.model1 import train as loop
from gliotype.train.model1.subregions import (
    FIELD,
    IGNORED,
    SMALLEST,
    SUBREGIONS,
    BoxPatient,
    augment_box,
    core_dice,
    disturb,
    loss,
    simulate_box,
)
from gliotype.train.model1.train import Recipe, train_and_export


def patient(seed: int) -> BoxPatient:
    """A box with an ellipsoidal tumour of three layers; its values are no image of anybody."""
    rng = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(n) for n in FIELD)]
    parts = ((axes[0] - 40) / 24, (axes[1] - 60) / 18, (axes[2] - 41) / 13)
    depth = sum(part**2 for part in parts)
    labels = np.select([depth < 0.2, depth < 0.5, depth < 1], [Label.CORE, Label.ENHANCING, Label.OEDEMA], 0)
    brain = np.zeros(FIELD, bool)
    brain[6:90, 6:106, 6:82] = True
    images = rng.uniform(0.5, 1.0, (4, *FIELD)).astype(np.float16) * brain
    return BoxPatient(images, labels.astype(np.uint8), brain, 1.4)


@pytest.mark.slow
def test_a_case_has_a_tumour_in_a_part_of_the_brain() -> None:
    case = simulate_box(np.random.default_rng(8), (template_anatomy(),))
    assert case.images.shape == (4, *FIELD)
    assert np.isfinite(case.images).all()
    assert (case.labels > 0).sum() >= SMALLEST
    assert case.brain[case.labels > 0].all()
    assert 0.3 < case.brain.mean() < 1.0
    again = simulate_box(np.random.default_rng(8), (template_anatomy(),))
    np.testing.assert_array_equal(case.images, again.images)


def test_outlines_are_disturbed_as_much_as_those_of_the_first_stage() -> None:
    case = patient(1)
    tumour = case.labels > 0
    rng = np.random.default_rng(0)
    agreement = []
    for _ in range(8):
        outline = disturb(rng, tumour, case.brain, case.spacing_mm)
        assert case.brain[outline].all()
        agreement.append(dice(outline, tumour))
    assert 0.75 < np.mean(agreement) < 0.97
    assert max(agreement) < 1.0
    speck = np.zeros(FIELD, bool)
    speck[20, 30, 40] = True
    assert all(disturb(rng, speck, case.brain, 1.4).any() for _ in range(4))


def test_an_input_shows_what_is_there_and_asks_within_the_outline_alone() -> None:
    case = patient(2)
    seen = set()
    for seed in range(6):
        x, y = augment_box(np.random.default_rng(seed), case)
        assert x.shape == (5, *SHAPE)
        np.testing.assert_array_equal(y != IGNORED, x[4] > 0)
        present = {s for s, channel in zip(CHANNELS, x[:4], strict=True) if channel.any()}
        seen.add(frozenset(present))
        assert ((y == 2).sum() > 300) == (Sequence.T1C in present), "enhancement shows on T1c alone"
        assert (y == 0).sum() > 300
        assert (y == 1).sum() > 300
    assert len(seen) > 2


def test_the_loss_prefers_the_truth_and_ignores_what_lies_outside() -> None:
    labels = torch.randint(0, 3, (1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    right = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float() * 10
    wrong = right.roll(1, dims=1)
    assert float(loss(right, labels)) < 0.3 < 2.0 < float(loss(wrong, labels))
    labels[0, 8:] = IGNORED
    mixed = torch.where(torch.arange(16)[None, None, :, None, None] < 8, right, wrong)
    assert float(loss(mixed, labels)) == pytest.approx(float(loss(right, labels)))
    assert core_dice(mixed, labels) == 1.0
    assert np.isnan(core_dice(mixed, torch.where(labels == IGNORED, IGNORED, 1)))


def test_it_begins_as_model_1_without_its_mirror_images() -> None:
    start = checked_weights("model1.onnx")[0]
    second = SUBREGIONS.begin(start).eval()
    first = model1().eval()
    first.load_state_dict(read_onnx_weights(start))
    x = torch.randn((1, 5, 16, 32, 16), generator=torch.Generator().manual_seed(1))
    twice = torch.cat([x[:, :4], torch.zeros_like(x[:, :4])], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(second(x), first(twice)[:, 2:])
    assert not torch.equal(subregions().head.weight, second.head.weight)


@pytest.mark.slow
def test_a_run_resumes_and_exports_a_network_for_the_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patients(*_: Any, **__: Any) -> Generator[list[BoxPatient]]:
        while True:
            yield [patient(3)]

    monkeypatch.setattr(loop, "stream", patients)
    for steps in (1, 2):
        weight, *_ = train_and_export(
            Recipe(None, steps=steps, warm_up=1), tmp_path, lambda line: None, SUBREGIONS
        )
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    assert weight.name == "subregions.onnx"
    assert weight.stat().st_size < 6e6
    network = compile_network(weight, ((5, *SHAPE), (3, *SHAPE)))
    drawn = network(augment_box(np.random.default_rng(0), patient(3))[0][None])
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, atol=1e-5)
    further = SUBREGIONS.begin(weight)
    assert further.stem[0].weight.shape[1] == 5
