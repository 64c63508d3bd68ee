from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gliotype.masks import box_around, within_city_block, within_mm


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


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.9, 1.1, 3.0)])
@pytest.mark.parametrize("distance", [1.0, 2.0, 2.5, 9.0])
def test_what_is_within_a_distance_is_what_the_distance_transform_says(
    spacing: tuple[float, float, float], distance: float
) -> None:
    mask = np.zeros((24, 30, 12), np.bool_)
    mask[0:5, 11:22, 4:6] = np.random.default_rng(1).random((5, 11, 2)) > 0.6
    expected = ndimage.distance_transform_edt(~mask, sampling=spacing) <= distance
    np.testing.assert_array_equal(within_mm(mask, distance, spacing), expected)
