from __future__ import annotations

import numpy as np

from gliotype.masks import box_around, within_city_block


def test_within_city_block_is_every_voxel_near_enough():
    rng = np.random.default_rng(0)
    mask = rng.random((14, 11, 9)) > 0.985
    distance = np.abs(np.indices(mask.shape)[..., None] - np.argwhere(mask).T[:, None, None, None]).sum(
        axis=0
    )
    for reach in (1, 3, 5):
        assert (within_city_block(mask, reach) == (distance.min(axis=-1) <= reach)).all()


def test_box_holds_the_whole_mask():
    mask = np.zeros((10, 12, 14), dtype=bool)
    mask[2, 11, 3] = mask[5, 4, 13] = True
    assert mask[box_around(mask)].shape == (4, 8, 11)
    assert mask[box_around(mask, 3)].shape == (9, 11, 14)
