from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan, draw_plan, grow
from gliotype.simulate.lesion.spread import GLIOMA_SPEED, arrival_time, mass_effect
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
        "enhancement": 1.0,
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
    assert whole.sum() * 8 / 1000 == pytest.approx(30, rel=0.03)
    core = np.isin(tumour.labels, [Label.CORE, Label.ENHANCING])
    assert core.sum() / whole.sum() == pytest.approx(0.5, abs=0.05)
    assert (tumour.labels == Label.ENHANCING).sum() / core.sum() == pytest.approx(0.5, abs=0.1)
    assert not whole[head == Tissue.VENTRICLE].any()
    assert tumour.infiltration.min() >= 0
    assert tumour.infiltration.max() <= 1


@pytest.mark.parametrize("edge_mm", [1.0, 6.0])
def test_a_soft_border_does_not_enlarge_a_tumour(head: np.ndarray, edge_mm: float) -> None:
    tumour = grow(np.random.default_rng(0), head, np.array([[10, 24, 24]]), 2.0, plan(edge_mm=edge_mm))
    assert (tumour.labels > 0).sum() * 8 / 1000 == pytest.approx(30, rel=0.03)
    outside = tumour.infiltration[tumour.labels == 0]
    assert outside.max() <= 0.28, "infiltration beyond the border is too thin to be seen"


@pytest.mark.parametrize(
    ("glioma", "core_fraction", "solid"),
    [
        (GliomaType.ASTROCYTOMA, 0.95, Tissue.ASTROCYTOMA),
        (GliomaType.OLIGODENDROGLIOMA, 0.5, Tissue.OLIGODENDROGLIOMA),
    ],
)
def test_a_mismatch_core_has_a_rim_of_ordinary_tumour_of_its_class(
    head: np.ndarray, glioma: GliomaType, core_fraction: float, solid: Tissue
) -> None:
    mismatch = plan(
        type=glioma,
        grade=2,
        core_fraction=core_fraction,
        necrotic_fraction=0.0,
        enhancing_fraction=0.0,
        mismatch=True,
    )
    tumour = grow(np.random.default_rng(1), head, np.array([[10, 24, 24]]), 2.0, mismatch)
    kinds = set(np.unique(tumour.compartment[tumour.labels == Label.CORE]).tolist())
    assert kinds == {solid, Tissue.MISMATCH_CORE}


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


@pytest.fixture(scope="module")
def plans() -> dict[GliomaType, list[TumourPlan]]:
    rng = np.random.default_rng(0)
    return {kind: [draw_plan(rng, kind) for _ in range(1500)] for kind in GliomaType}


Plans = dict[GliomaType, list[TumourPlan]]
BOTH_WILDTYPES = (GliomaType.GLIOBLASTOMA, GliomaType.WILDTYPE_LOWER_GRADE)


def test_enhancement_depends_on_class_and_grade(plans: Plans) -> None:
    enhancing = {kind: np.mean([p.enhancing_fraction > 0 for p in plans[kind]]) for kind in GliomaType}
    assert enhancing[GliomaType.GLIOBLASTOMA] > 0.9
    assert enhancing[GliomaType.OLIGODENDROGLIOMA] < 0.5


def test_mismatch_depends_on_class_and_enhancement(plans: Plans) -> None:
    lower = [p for p in plans[GliomaType.ASTROCYTOMA] if p.grade < 4]
    silent = [p.mismatch for p in lower if p.enhancing_fraction == 0]
    enhancing = [p.mismatch for p in lower if p.enhancing_fraction > 0]
    highest = [p.mismatch for p in plans[GliomaType.ASTROCYTOMA] if p.grade == 4]
    assert np.mean(silent) == pytest.approx(0.45, abs=0.06)
    assert np.mean(enhancing) < 0.35
    assert np.mean([p.mismatch for p in lower]) == pytest.approx(0.40, abs=0.06)
    assert np.mean(highest) == pytest.approx(0.264, abs=0.06)
    assert 0.03 < np.mean([p.mismatch for p in plans[GliomaType.OLIGODENDROGLIOMA]]) < 0.093
    for kind in BOTH_WILDTYPES:
        assert 0 < np.mean([p.mismatch for p in plans[kind]]) < 0.025


def test_volume_depends_on_class_and_grade(plans: Plans) -> None:
    def ln_ml(kind: GliomaType, grade: int) -> float:
        return float(np.mean(np.log([p.volume_ml for p in plans[kind] if p.grade == grade])))

    assert ln_ml(GliomaType.GLIOBLASTOMA, 4) == pytest.approx(4.30, abs=0.15)
    assert ln_ml(GliomaType.ASTROCYTOMA, 3) - ln_ml(GliomaType.ASTROCYTOMA, 2) > 0.35
    assert ln_ml(GliomaType.OLIGODENDROGLIOMA, 2) < ln_ml(GliomaType.ASTROCYTOMA, 2) - 0.15
    assert ln_ml(GliomaType.WILDTYPE_LOWER_GRADE, 3) < 3.6


def test_every_class_calcifies_sometimes_and_oligodendroglioma_often(plans: Plans) -> None:
    calcified = {kind: np.mean([p.calcified_fraction > 0 for p in plans[kind]]) for kind in GliomaType}
    assert calcified[GliomaType.OLIGODENDROGLIOMA] == pytest.approx(0.42, abs=0.06)
    assert all(0 < calcified[kind] < 0.08 for kind in GliomaType if kind is not GliomaType.OLIGODENDROGLIOMA)


def test_necrosis_and_parts_are_those_of_the_cohorts(plans: Plans) -> None:
    glioblastoma = plans[GliomaType.GLIOBLASTOMA]
    necrotic = [p.necrotic_fraction > 0 and not p.cystic for p in glioblastoma]
    assert 0.83 < np.mean(necrotic) < 0.91
    enhancing = np.percentile([p.core_fraction * p.enhancing_fraction for p in glioblastoma], (10, 50, 90))
    np.testing.assert_allclose(enhancing, (0.08, 0.22, 0.44), atol=0.05)
    core = np.percentile([p.core_fraction for p in glioblastoma], (10, 50, 90))
    np.testing.assert_allclose(core, (0.10, 0.34, 0.65), atol=0.06)
    for kind in GliomaType:
        for p in plans[kind]:
            assert p.necrotic_fraction + p.enhancing_fraction <= 1 + 1e-9


def test_older_patients_of_a_class_have_brighter_tumours(plans: Plans) -> None:
    rng = np.random.default_rng(3)
    astrocytoma = plans[GliomaType.ASTROCYTOMA]
    age = np.array([draw_age(rng, p) for p in astrocytoma])
    bright = np.array([p.core_fraction * p.enhancing_fraction > 0.05 for p in astrocytoma])
    dark = np.array([p.mismatch and p.enhancing_fraction == 0 for p in astrocytoma])
    assert age[bright].mean() - age[dark].mean() > 4
    assert age.mean() == pytest.approx(38.1, abs=2)
    assert age.std() == pytest.approx(10.8, abs=1.5)


def test_ages_differ_between_classes(plans: Plans) -> None:
    rng = np.random.default_rng(0)
    young, old = (
        np.mean([draw_age(rng, p) for p in plans[kind][:400]])
        for kind in (GliomaType.ASTROCYTOMA, GliomaType.GLIOBLASTOMA)
    )
    assert old - young > 15


def test_faint_enhancement_leaves_healthy_tissue_in_it(head: np.ndarray) -> None:
    faint = grow(np.random.default_rng(0), head, np.array([[10, 24, 24]]), 2.0, plan(enhancement=0.4))
    enhancing = faint.compartment == Tissue.ENHANCING
    assert enhancing.any()
    np.testing.assert_allclose(faint.infiltration[enhancing], 0.4, atol=1e-6)
