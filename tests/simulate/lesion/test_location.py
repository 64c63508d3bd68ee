"""Where tumours start."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gliotype.measure.loci import loci
from gliotype.segment.model1 import GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.lesion.location import CENTRES, REGIONS, draw_seeds
from gliotype.simulate.tissue import Tissue
from gliotype.volume import Volume

SEEDS = 600


@pytest.fixture(scope="module")
def head() -> NDArray[np.uint8]:
    return np.asarray(template_anatomy().tissue.resample(GRID, order=0).array)


def test_every_class_has_a_share_for_every_region() -> None:
    assert set(CENTRES) == set(GliomaType)
    for fractions in CENTRES.values():
        assert len(fractions) == len(REGIONS) + 1
        assert sum(fractions) == pytest.approx(1.0)


@pytest.mark.parametrize("glioma", [GliomaType.OLIGODENDROGLIOMA, GliomaType.GLIOBLASTOMA])
def test_tumours_start_in_the_lobes_of_their_class(head: NDArray[np.uint8], glioma: GliomaType) -> None:
    seeds = draw_seeds(np.random.default_rng(1), head, GRID, glioma, SEEDS)
    drawn = np.zeros(GRID.shape)
    drawn[tuple(seeds.T)] = 1
    found = loci(Volume(drawn, GRID.affine), np.eye(4))
    for index, name in enumerate(("Frontal", "Temporal", "Parietal")):
        assert found[name] == pytest.approx(100 * CENTRES[glioma][index], abs=7)


def test_tumours_start_in_parenchyma_of_both_sides(head: NDArray[np.uint8]) -> None:
    seeds = draw_seeds(np.random.default_rng(2), head, GRID, GliomaType.ASTROCYTOMA, SEEDS)
    parenchyma = [Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.DEEP_GREY, Tissue.BRAINSTEM]
    assert np.isin(head[tuple(seeds.T)], parenchyma).all()
    right = (seeds @ GRID.affine[:3, :3].T + GRID.affine[:3, 3])[:, 0] > 0
    assert 0.4 < right.mean() < 0.6
