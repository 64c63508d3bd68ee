from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gliotype.evaluate.roc import auroc  # noqa: E402
from gliotype.explain.phases import phases_of  # noqa: E402
from gliotype.predictors.curves import CHANNELS, CURVES, POINTS, TIMES_S  # noqa: E402
from gliotype.train.perfusion.baselines import fit_baselines, scores_of  # noqa: E402
from gliotype.train.perfusion.network import (  # noqa: E402
    WHOLE,
    CurveExample,
    CurveModel,
    Recipe,
    augment,
    train_member,
)

PHASES = phases_of(TIMES_S, 6.0, 15.0)


def example(rng: np.random.Generator, number: int) -> CurveExample:
    """A patient whose IDH status shows only in how late the curve falls, not in its area."""
    mutant = bool(rng.random() < 0.4)
    delay = 6.0 if mutant else 3.0
    rise = np.where(TIMES_S > 0, TIMES_S, 0.0)
    shape = rise**2 * np.exp(-rise / delay)
    curves = np.zeros((2, len(CHANNELS), POINTS), np.float32)
    curves[:, :CURVES] = shape / shape.sum() * 20 * np.exp(0.3 * rng.standard_normal((2, CURVES, 1)))
    curves[:, :CURVES] += 0.05 * rng.standard_normal((2, CURVES, POINTS))
    curves[:, CURVES:] = 1
    area = float(curves[0, WHOLE].sum())
    return CurveExample(f"p{number}", curves, PHASES, np.array([area, np.nan]), mutant, 50.0)


@pytest.fixture(scope="module")
def patients() -> list[CurveExample]:
    rng = np.random.default_rng(3)
    return [example(rng, n) for n in range(240)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_the_network_learns_a_shape_that_no_area_shows(patients: list[CurveExample]) -> None:
    recipe = Recipe(epochs=10, batch=32, learning_rate=3e-3)

    def trained() -> CurveModel:
        member = train_member(recipe, patients[:120], patients[120:160], seed=1)
        return CurveModel((member,), np.zeros((len(CHANNELS), POINTS), np.float32))

    model = trained()
    test = patients[160:]
    truth = [e.mutant for e in test]
    assert auroc(truth, model.log_odds(test)).value > 0.9
    numbers = np.stack([e.numbers for e in patients])
    fitted = fit_baselines(numbers[:120], np.array([e.mutant for e in patients[:120]]), seed=1)
    assert set(fitted) == {"logistic", "random forest", "support vector machine"}
    for baseline in fitted.values():
        assert auroc(truth, scores_of(baseline, numbers[160:])).value < 0.8
    assert np.array_equal(trained().log_odds(test), model.log_odds(test))


def test_a_patient_without_curves_stays_at_the_prior(patients: list[CurveExample]) -> None:
    recipe = Recipe(epochs=1)
    member = train_member(recipe, patients[:60], patients[120:160], seed=1)
    model = CurveModel((member,), np.zeros((len(CHANNELS), POINTS), np.float32))
    lost = replace(patients[0], curves=patients[0].curves[:0])
    log_odds = model.log_odds([patients[1], lost, patients[2]])
    assert log_odds[1] == 0
    assert np.array_equal(log_odds[[0, 2]], model.log_odds(patients[1:3]))


def test_augmented_curves_keep_what_is_missing(patients: list[CurveExample]) -> None:
    curves = torch.from_numpy(np.stack([e.curves[0] for e in patients[:64]]))
    curves[:, 0] = curves[:, CURVES] = 0  # no enhancing tumour
    curves[:, :, 50:] = 0
    changed = augment(curves, torch.Generator().manual_seed(0), drop_region=0.5)
    assert changed.shape == curves.shape
    assert not changed[:, 0].any()
    assert not changed[:, :, 51:].any()
    has = changed[:, CURVES : CURVES + 4].amax(dim=2)
    assert bool(has[:, WHOLE].all())
    assert 10 < int(has[:, 1].sum()) < 54
    gone = has[:, 1] == 0
    assert not changed[gone, 1].any()
