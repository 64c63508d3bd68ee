"""Voxel curves of simulated patients: regions, labels, classes, sites, seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.errors import UsageError
from gliotype.simulate.dsc.noise import add_noise
from gliotype.simulate.dsc.protocols import DSC_SITES, draw_dsc_protocol, find_dsc_site
from gliotype.simulate.dsc.signal import DscProtocol
from gliotype.simulate.dsc.voxels import VoxelCurves, VoxelRegion, draw_perfusion_patient
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan, draw_plan
from gliotype.simulate.tissue import Tissue

SNUH = DSC_SITES["snuh"]


def patient(seed: int, glioma: GliomaType | TumourPlan, site: str = "snuh") -> VoxelCurves:
    return draw_perfusion_patient(np.random.default_rng([seed, 3]), glioma, DSC_SITES[site])


def plan_of(glioma: GliomaType, seed: int = 0, **changes: object) -> TumourPlan:
    return replace(draw_plan(np.random.default_rng(seed), glioma), **changes)  # type: ignore[arg-type]


def drop(found: VoxelCurves, region: VoxelRegion) -> float:
    curves = found.of(region)
    before = int(found.protocol.arrival_s / found.protocol.tr_s)
    mean = (curves / curves[:, 3:before].mean(axis=1, keepdims=True)).mean(axis=0)
    return 1 - float(mean.min())


def test_the_same_seed_gives_the_same_patient_and_another_gives_another() -> None:
    first, again, other = (patient(seed, GliomaType.GLIOBLASTOMA) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.signal, again.signal)
    np.testing.assert_array_equal(first.region, again.region)
    assert first.circulation != other.circulation


def test_regions_have_the_voxels_and_the_curves_the_frames_that_are_promised() -> None:
    plan = plan_of(GliomaType.GLIOBLASTOMA, volume_ml=80.0, core_fraction=0.4, enhancing_fraction=0.4)
    found = patient(3, plan)
    assert found.signal.shape == (found.region.size, found.protocol.frames)
    assert found.signal.dtype == np.float32
    assert found.times_s.size == found.protocol.frames
    for region in (VoxelRegion.ENHANCING, VoxelRegion.NON_ENHANCING, VoxelRegion.OEDEMA):
        assert 150 <= len(found.of(region)) <= 400
    counts = [
        len(found.of(r)) for r in (VoxelRegion.WHITE_MATTER, VoxelRegion.GREY_MATTER, VoxelRegion.ARTERY)
    ]
    assert counts == [400, 400, 60]
    assert np.isfinite(found.signal).all()
    assert (found.signal >= 0).all()


def test_a_region_that_the_tumour_lacks_is_missing() -> None:
    found = patient(
        4, plan_of(GliomaType.ASTROCYTOMA, enhancing_fraction=0.0, core_fraction=0.99, volume_ml=20.0)
    )
    assert len(found.of(VoxelRegion.ENHANCING)) == 0
    assert len(found.of(VoxelRegion.OEDEMA)) == 0
    assert len(found.of(VoxelRegion.NON_ENHANCING)) > 100


def test_masks_are_imperfect_and_the_truth_says_where() -> None:
    fractions = []
    for seed in range(12):
        found = patient(seed, GliomaType.GLIOBLASTOMA)
        white = found.region == VoxelRegion.WHITE_MATTER
        fractions.append(float((found.tissue[white] != Tissue.WHITE_MATTER).mean()))
    assert 0.02 < np.mean(fractions) < 0.15
    assert max(fractions) > 0.05


def test_the_mismatch_core_is_made_of_its_own_tissue() -> None:
    found = patient(5, plan_of(GliomaType.ASTROCYTOMA, mismatch=True, cystic=False, necrotic_fraction=0.0))
    inside = found.tissue[found.region == VoxelRegion.NON_ENHANCING]
    assert (inside == Tissue.MISMATCH_CORE).mean() > 0.3
    assert (inside == Tissue.ASTROCYTOMA).any()


def test_tissues_drop_in_their_order() -> None:
    for seed in range(5):
        found = patient(seed, GliomaType.ASTROCYTOMA)
        white, grey, artery = (
            drop(found, r) for r in (VoxelRegion.WHITE_MATTER, VoxelRegion.GREY_MATTER, VoxelRegion.ARTERY)
        )
        assert 0.08 < white < grey < artery


def test_blood_volume_of_white_and_grey_matter_is_the_usual() -> None:
    found = [patient(seed, GliomaType.ASTROCYTOMA) for seed in range(20)]
    white, grey = (
        np.mean([p.cbv[p.region == r].mean() for p in found])
        for r in (VoxelRegion.WHITE_MATTER, VoxelRegion.GREY_MATTER)
    )
    assert 0.018 < white < 0.026
    assert 1.5 < grey / white < 2.3


@pytest.mark.slow
def test_glioblastoma_has_more_blood_than_astrocytoma_of_grade_2_and_they_overlap() -> None:
    def ratios(glioma: GliomaType) -> list[float]:
        found = [patient(seed, replace(plan_of(glioma, seed), grade=4 if "glio" in glioma[:4] else 2))
                 for seed in range(40)]  # fmt: skip
        return [
            float(np.quantile(p.cbv[p.region <= VoxelRegion.ENHANCING], 0.95))
            / float(p.cbv[p.region == VoxelRegion.WHITE_MATTER].mean())
            for p in found
        ]

    high, low = ratios(GliomaType.GLIOBLASTOMA), ratios(GliomaType.ASTROCYTOMA)
    assert np.median(high) > 1.7 * np.median(low)
    assert min(high) < max(low)


def test_the_given_protocol_is_used_and_its_first_frames_are_bright_without_dummies() -> None:
    plan = plan_of(GliomaType.GLIOBLASTOMA)
    protocol = DscProtocol(tr_s=1.2, frames=70, dummies=0, flip_deg=60)
    found = draw_perfusion_patient(np.random.default_rng(0), plan, protocol)
    assert found.protocol == protocol
    white = found.of(VoxelRegion.WHITE_MATTER).mean(axis=0)
    assert white[0] > 1.05 * white[5]


def test_noise_is_rician_and_of_the_stated_size() -> None:
    rng = np.random.default_rng(0)
    bright = add_noise(rng, np.full((4, 20000), 100.0, np.float32), 2.0)
    assert bright.std() == pytest.approx(2.0, rel=0.02)
    empty = add_noise(rng, np.zeros((4, 20000), np.float32), 2.0)
    assert empty.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.02)


def test_sites_differ_as_they_say() -> None:
    drawn = {
        name: [draw_dsc_protocol(np.random.default_rng(seed), site) for seed in range(300)]
        for name, site in DSC_SITES.items()
    }
    assert {(p.tr_s, p.frames, p.spin_echo) for p in drawn["snuh"]} == {(1.5, 60, False)}
    assert all(p.preload_mmol_per_kg == 0 for p in drawn["snuh"])
    external = drawn["external"]
    assert 0.05 < np.mean([p.spin_echo for p in external]) < 0.2
    assert 0.25 < np.mean([p.preload_mmol_per_kg > 0 for p in external]) < 0.45
    assert 0.4 < np.mean([p.field_t == 1.5 for p in external]) < 0.6
    assert all(p.frames * p.tr_s >= p.arrival_s + 34 for ps in drawn.values() for p in ps)


def test_an_unknown_site_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="choose one of snuh, external"):
        find_dsc_site("mayo")
