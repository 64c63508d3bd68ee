from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.simulate.lesion.glioma import (
    GLIOMA_SPEED,
    GliomaType,
    TumourPlan,
    arrival_time,
    draw_plan,
    grow,
    mass_effect,
)
from gliotype.simulate.patient import draw_age
from gliotype.simulate.tissue import Tissue
from gliotype.study import Label


@pytest.fixture
def head() -> np.ndarray:
    """White matter cut by a wall of ventricle, with a gap at one end."""
    tissue = np.full((48, 48, 48), Tissue.WHITE_MATTER, np.uint8)
    tissue[22:26, :40] = Tissue.VENTRICLE
    tissue[:2] = tissue[-2:] = Tissue.BONE
    return tissue


def plan(**changes: object) -> TumourPlan:
    values: dict[str, object] = {
        "type": GliomaType.GLIOBLASTOMA,
        "grade": 4,
        "volume_ml": 30.0,
        "core_fraction": 0.5,
        "necrotic_fraction": 0.4,
        "cystic": False,
        "enhancing_fraction": 0.5,
        "mismatch": False,
        "calcified_fraction": 0.0,
        "seeds": 1,
        "roughness": 0.2,
        "edge_mm": 2.0,
        "conspicuity": 1.0,
        "push_mm": 0.0,
        "patchiness": 0.0,
        "effacement_mm": 0.0,
    }
    return TumourPlan(**(values | changes))  # type: ignore[arg-type]


def test_the_front_goes_round_a_ventricle_and_not_through(head: np.ndarray) -> None:
    time = arrival_time(head, np.array([[10, 10, 24]]), 2.0, np.zeros(head.shape, np.float32), GLIOMA_SPEED)
    straight = 2.0 * (38 - 10)
    round_the_wall = 2.0 * 2 * float(np.hypot(14, 30))
    assert time[10, 10, 24] == pytest.approx(0, abs=2)
    assert time[38, 10, 24] > 1.6 * straight
    assert time[38, 10, 24] == pytest.approx(round_the_wall, rel=0.15)
    assert (time[head == Tissue.BONE] > 900).all()
    assert (time[head == Tissue.VENTRICLE] > 900).all()


def test_a_tumour_has_about_the_planned_volume_and_parts(head: np.ndarray) -> None:
    tumour = grow(np.random.default_rng(0), head, np.array([[10, 24, 24]]), 2.0, plan())
    whole = tumour.labels > 0
    assert whole.sum() * 8 / 1000 == pytest.approx(30, rel=0.25)
    core = np.isin(tumour.labels, [Label.CORE, Label.ENHANCING])
    assert core.sum() / whole.sum() == pytest.approx(0.5, abs=0.05)
    assert (tumour.labels == Label.ENHANCING).sum() / core.sum() == pytest.approx(0.5, abs=0.1)
    assert not whole[head == Tissue.VENTRICLE].any()
    assert tumour.infiltration.min() >= 0
    assert tumour.infiltration.max() <= 1


def test_a_mismatch_tumour_has_a_rim_of_ordinary_tumour(head: np.ndarray) -> None:
    mutant = plan(
        type=GliomaType.ASTROCYTOMA,
        grade=2,
        core_fraction=0.95,
        necrotic_fraction=0.0,
        enhancing_fraction=0.0,
        mismatch=True,
    )
    tumour = grow(np.random.default_rng(1), head, np.array([[10, 24, 24]]), 2.0, mutant)
    kinds = set(np.unique(tumour.compartment[tumour.labels == Label.CORE]).tolist())
    assert kinds == {Tissue.ASTROCYTOMA, Tissue.MISMATCH_CORE}


def test_a_cyst_is_one_clear_space(head: np.ndarray) -> None:
    cystic = plan(type=GliomaType.ASTROCYTOMA, cystic=True, enhancing_fraction=0.0, necrotic_fraction=0.5)
    tumour = grow(np.random.default_rng(2), head, np.array([[10, 24, 24]]), 2.0, cystic)
    cyst = tumour.compartment == Tissue.CYST
    parts, _ = ndimage.label(cyst)
    assert np.bincount(parts.ravel())[1:].max() > 0.95 * cyst.sum()
    assert (tumour.labels[cyst] == Label.CORE).all()
    assert (tumour.infiltration[cyst] == 1).all()


def test_swollen_gyri_close_narrow_sulci_and_not_wide_ones(head: np.ndarray) -> None:
    head[6:14, 24:26, 18:30] = Tissue.CSF  # 4 mm wide
    head[6:18, 8:18, 14:34] = Tissue.CSF  # 20 mm wide
    seed = np.array([[10, 20, 24]])
    still = grow(np.random.default_rng(3), head, seed, 2.0, plan(volume_ml=60.0))
    swollen = grow(np.random.default_rng(3), head, seed, 2.0, plan(volume_ml=60.0, effacement_mm=8.0))
    narrow, wide = np.s_[8:12, 24:26, 22:26], np.s_[10:14, 11:15, 20:28]
    assert (still.labels[narrow] > 0).mean() < 0.7
    assert swollen.labels[narrow].all()
    assert not swollen.labels[wide].any()


def test_patchy_infiltration_is_thinner_within_the_same_border(head: np.ndarray) -> None:
    seed = np.array([[10, 24, 24]])
    even, patchy = (
        grow(np.random.default_rng(4), head, seed, 2.0, plan(enhancing_fraction=0.0, patchiness=p))
        for p in (0.0, 0.9)
    )
    np.testing.assert_array_equal(even.labels, patchy.labels)
    oedema = even.labels == Label.OEDEMA
    assert patchy.infiltration[oedema].min() < 0.3 * even.infiltration[oedema].min()


def test_nothing_grows_where_a_seed_has_no_tissue() -> None:
    tissue = np.full((16, 16, 16), Tissue.BONE, np.uint8)
    assert not grow(np.random.default_rng(0), tissue, np.array([[8, 8, 8]]), 2.0, plan()).labels.any()


def test_a_mass_pushes_outwards() -> None:
    axis = np.arange(-30.0, 31.0, 2.0, dtype=np.float32)
    world = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    pull = mass_effect(world, np.array([0.0, 0.0, 0.0]), 10.0, 5.0)
    right = pull[:, 20, 15, 15]  # at x = 10 mm, on the border
    assert right == pytest.approx([-5.0, 0.0, 0.0], abs=0.1)
    assert abs(pull[0, 30, 15, 15]) < 5.0


def test_classes_differ_as_published() -> None:
    rng = np.random.default_rng(0)
    plans = {kind: [draw_plan(rng, kind) for _ in range(300)] for kind in GliomaType}
    enhancing = {kind: np.mean([p.enhancing_fraction > 0 for p in plans[kind]]) for kind in GliomaType}
    assert enhancing[GliomaType.GLIOBLASTOMA] > 0.9
    assert enhancing[GliomaType.OLIGODENDROGLIOMA] < 0.5
    assert not any(
        p.mismatch for kind in GliomaType if kind is not GliomaType.ASTROCYTOMA for p in plans[kind]
    )
    astro = [p for p in plans[GliomaType.ASTROCYTOMA] if p.grade < 4]
    assert np.mean([p.mismatch for p in astro]) == pytest.approx(0.42, abs=0.1)
    young, old = (
        np.mean([draw_age(rng, kind) for _ in range(400)])
        for kind in (GliomaType.ASTROCYTOMA, GliomaType.GLIOBLASTOMA)
    )
    assert old - young > 15
