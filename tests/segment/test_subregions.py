"""The second stage: where its grid lies, what it is shown, and where its sub-regions come to lie."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from gliotype.segment import subregions
from gliotype.segment.subregions import (
    FINEST_MM,
    MARGIN_MM,
    REGIONS,
    SHAPE,
    box_grid,
    network_input,
    see_subregions,
)
from gliotype.study import Label, PreparedStudy, Sequence
from gliotype.volume import Grid, Volume

AFFINE = np.array([[1.0, 0, 0, -31], [0, 1.0, 0, 12], [0, 0, 1.0, -7], [0, 0, 0, 1]])
GRID = Grid((70, 64, 50), AFFINE)


def tumour() -> np.ndarray:
    """An ellipsoid off the middle, of three different semi-axes."""
    axes = np.ogrid[tuple(slice(n) for n in GRID.shape)]
    parts = ((axes[0] - 30) / 21, (axes[1] - 36) / 15, (axes[2] - 22) / 9)
    return np.asarray(sum(part**2 for part in parts) < 1)


def study() -> PreparedStudy:
    rng = np.random.default_rng(4)
    images = {
        s: Volume(rng.uniform(0.5, 1.5, GRID.shape).astype(np.float32), AFFINE)
        for s in (Sequence.T1C, Sequence.FLAIR)
    }
    brain = np.zeros(GRID.shape, bool)
    brain[4:66, 4:60, 4:46] = True
    return PreparedStudy(
        images=images,
        brain=Volume(brain, AFFINE),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={s: np.eye(4) for s in images},
        acquired_grids=dict.fromkeys(images, GRID),
        reference=Sequence.T1C,
        skull_stripped=True,
    )


@pytest.mark.parametrize("size", [(40, 30, 20), (60, 61, 48), (6, 64, 2)])
def test_the_grid_holds_the_tumour_and_its_margin(size: tuple[int, int, int]) -> None:
    spacing = 2.0
    grid = Grid((70, 64, 50), np.array([[2.0, 0, 0, -31], [0, 2, 0, 12], [0, 0, 2, -7], [0, 0, 0, 1]]))
    mask = np.zeros(grid.shape, bool)
    mask[5 : 5 + size[0], : size[1], 1 : 1 + size[2]] = True
    box = box_grid(mask, grid)
    assert box.shape == SHAPE
    assert box.spacing[0] >= FINEST_MM
    corners = np.array([[5, 0, 1], [4 + size[0], size[1] - 1, size[2]]])
    at = nib.affines.apply_affine(np.linalg.inv(box.affine) @ grid.affine, corners)
    room_mm = np.minimum(at[0] + 0.5, np.array(SHAPE) - 0.5 - at[1]) * box.spacing[0] - spacing / 2
    assert room_mm.min() >= MARGIN_MM - 1e-6
    if box.spacing[0] > FINEST_MM:
        assert room_mm.min() == pytest.approx(MARGIN_MM)
    assert at.mean(axis=0) == pytest.approx((np.array(SHAPE) - 1) / 2)


def test_the_tumour_does_not_change_the_scale_of_its_surroundings() -> None:
    outline = tumour()
    brain = np.ones(GRID.shape, bool)
    image = np.random.default_rng(2).uniform(0.5, 1.5, GRID.shape).astype(np.float32)
    plain = network_input({Sequence.T2: image}, outline, brain)
    bright = network_input({Sequence.T2: np.where(outline, 9.0, image).astype(np.float32)}, outline, brain)
    np.testing.assert_array_equal(plain[2][~outline], bright[2][~outline])
    assert (bright[2][outline] == 6.0).all()
    assert not plain[[0, 1, 3]].any()
    np.testing.assert_array_equal(plain[4], outline)


def test_each_voxel_gets_the_probabilities_that_the_network_sees_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared, mask = study(), tumour()
    grid = box_grid(mask, prepared.grid)
    x, y, z = np.moveaxis(grid.world(), -1, 0)
    shown = []

    def network(batch: np.ndarray) -> np.ndarray:
        shown.append(batch)
        enhancing = (x < 0) & (z > 10)
        oedema = ~enhancing & (y > 50)
        return np.stack([~enhancing & ~oedema, oedema, enhancing])[None].astype(np.float32)

    monkeypatch.setattr(subregions, "_network", lambda: network)
    box = (slice(6, 55), slice(18, 54), slice(10, 34))
    seen = see_subregions(mask, prepared, box)
    assert seen.shape == (3, 49, 36, 24)
    x, y, z = (axis[box] for axis in np.moveaxis(prepared.grid.world(), -1, 0))
    clear = mask[box] & (abs(x) > 1) & (abs(z - 10) > 1) & (abs(y - 50) > 1)
    expected = np.where((x < 0) & (z > 10), Label.ENHANCING, np.where(y > 50, Label.OEDEMA, Label.CORE))
    np.testing.assert_array_equal(np.array(REGIONS)[seen.argmax(axis=0)][clear], expected[clear])
    assert {int(label) for label in np.unique(expected[clear])} == {1, 2, 3}
    np.testing.assert_allclose(seen.sum(axis=0)[mask[box]], 1.0, atol=1e-5)
    (batch,) = shown
    assert batch.shape == (1, 5, *SHAPE)
    assert [bool(channel.any()) for channel in batch[0]] == [False, True, False, True, True]
    outline_ml = batch[0, 4].sum() * grid.voxel_ml
    assert outline_ml == pytest.approx(mask.sum() * prepared.grid.voxel_ml, rel=0.03)
