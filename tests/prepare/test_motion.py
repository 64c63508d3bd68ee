from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine

from gliotype.atlas import atlas
from gliotype.prepare.dsc import baseline_of
from gliotype.prepare.motion import head_motion
from gliotype.volume import Volume
from support.dsc_phantom import ARRIVAL, dsc, epi_grid, jerks

GRID = epi_grid((48, 48, 12), slice_mm=8.0)
FRAMES = 32


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Places in the brain, world mm."""
    brain = np.asarray(atlas.brain().resample(GRID, order=0).array) > 0
    return np.asarray(apply_affine(GRID.affine, np.argwhere(brain)[::50]))


@pytest.mark.slow
def test_the_baseline_ends_before_the_bolus_and_begins_in_the_steady_state() -> None:
    baseline = baseline_of(dsc(GRID, frames=FRAMES))
    assert baseline.stop in (ARRIVAL, ARRIVAL + 1)
    assert 3 <= baseline.start <= 4


def test_a_series_without_bolus_has_a_baseline_all_the_same() -> None:
    still = np.random.default_rng(0).normal(100, 1, (6, 5, 4, 20)).astype(np.float32)
    baseline = baseline_of(Volume(still, np.eye(4)))
    assert 0 <= baseline.start < baseline.stop <= 20
    assert len(baseline) >= 2


@pytest.mark.slow
def test_a_bolus_is_not_taken_for_motion(points: np.ndarray) -> None:
    series = dsc(GRID, frames=FRAMES)
    moved = [np.abs(apply_affine(m, points) - points).max() for m in head_motion(series, baseline_of(series))]
    assert max(moved) < 0.2


@pytest.mark.slow
def test_motion_is_found_frame_by_frame(points: np.ndarray) -> None:
    truth = jerks(FRAMES, {8: ((2, 0, 1), (1, 0.5, -1)), 18: ((-1, 2, 0), (0, 2, 1))})
    series = dsc(GRID, frames=FRAMES, motion=truth)
    baseline = baseline_of(series)
    found = head_motion(series, baseline)
    reference = np.linalg.inv(truth[baseline[len(baseline) // 2]])
    for t in range(FRAMES):
        away = apply_affine(found[t], points) - apply_affine(truth[t] @ reference, points)
        assert np.linalg.norm(away, axis=1).max() < 0.7, f"frame {t}"
