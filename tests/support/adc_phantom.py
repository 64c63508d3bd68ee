"""ADC maps of template heads: tissue from the atlas, the tumour of `template_head`, a cyst in it."""

from __future__ import annotations

import numpy as np

from gliotype.atlas import atlas
from gliotype.prepare.head import head_mask
from gliotype.study import Sequence
from gliotype.volume import Grid, Matrix, Volume
from support.template_head import TUMOUR_CENTRE, tumour_in

WHITE, GREY, FLUID, TUMOUR, SKIN = 0.75, 0.85, 3.0, 1.2, 1.0
"""1e-3 mm2/s."""

CYST_OFFSET, CYST_RADIUS = np.array([6.0, -5.0, 4.0]), 7.0
"""Of the cyst from the middle of the tumour, MNI152 mm."""


def cyst_in(grid: Grid, mni_from_world: Matrix) -> np.ndarray:
    """Where the cyst is on a grid."""
    mni = grid.world() @ mni_from_world[:3, :3].T + mni_from_world[:3, 3]
    return np.asarray(np.linalg.norm(mni - TUMOUR_CENTRE - CYST_OFFSET, axis=-1) < CYST_RADIUS)


def adc_head(grid: Grid, mni_from_world: Matrix, *, tumour: float = TUMOUR, cyst: bool = True) -> Volume:
    """An ADC map in 1e-3 mm2/s, 0 in air, as a scanner would give it at a place given by `mni_from_world`."""
    fraction = {
        tissue: np.asarray(atlas.tissue(tissue).resample(grid, mni_from_world).array)
        for tissue in atlas.Tissue
    }
    inside = sum(fraction.values())
    brain = (
        WHITE * fraction[atlas.Tissue.WHITE]
        + GREY * fraction[atlas.Tissue.GREY]
        + FLUID * fraction[atlas.Tissue.CSF]
    )
    head = head_mask(atlas.template(Sequence.T2).resample(grid, mni_from_world))
    adc = np.where(inside > 0.5, brain / np.maximum(inside, 0.5), np.where(head, SKIN, 0.0))
    adc[tumour_in(grid, mni_from_world)] = tumour
    if cyst:
        adc[cyst_in(grid, mni_from_world)] = FLUID
    rng = np.random.default_rng(4)
    noisy = adc + np.where(adc > 0, rng.normal(0, 0.04, adc.shape), 0)
    return Volume(np.maximum(noisy, 0).astype(np.float32), grid.affine)
