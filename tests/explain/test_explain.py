"""Maps of reasons: where they lie, and whose they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.explain import occlusion_map, saliency_fractions
from gliotype.predictors.hybrid import activation_map
from gliotype.predictors.slices import Slices, slices_of
from gliotype.study import Label, Tumour
from gliotype.volume import Volume
from support.factory import make_result


def test_an_activation_lies_where_its_cell_lies() -> None:
    result = make_result()
    prepared = result.prepared
    slices = slices_of(prepared, result.tumour)
    maps = np.zeros((5, 8, 8))
    i, j = 5, 3
    maps[2, i, j] = -2.0
    found = activation_map(maps, slices, prepared)
    array = np.asarray(found.array)
    assert array.min() == -1.0
    assert array.max() <= 0.0
    voxel = np.unravel_index(array.argmin(), array.shape)
    mni = prepared.mni_from_prepared @ found.affine @ [*voxel, 1.0]
    centre = slices.grid.affine @ [16 * i, 16 * j, 2, 1]
    np.testing.assert_allclose(mni[:2], centre[:2], atol=1.5)
    assert abs(mni[2] - centre[2]) <= 3.0
    assert not array[~np.asarray(prepared.brain.array, dtype=bool)].any()


def test_a_cell_is_placed_where_the_network_looks() -> None:
    torch = pytest.importorskip("torch")
    from gliotype.networks.resnet import ActivationMapNet

    network = ActivationMapNet(1).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    image = torch.ones(1, 1, 128, 128, requires_grad=True)
    network(image)[0, 0, 3, 4].backward()
    seen = image.grad[0, 0].abs().numpy()
    voxels = np.arange(128)
    assert float(seen.sum(axis=1) @ voxels / seen.sum()) == pytest.approx(16 * 3, abs=1.0)
    assert float(seen.sum(axis=0) @ voxels / seen.sum()) == pytest.approx(16 * 4, abs=1.0)


def test_an_empty_map_stays_empty() -> None:
    result = make_result()
    slices = slices_of(result.prepared, result.tumour)
    assert not np.asarray(activation_map(np.zeros((5, 8, 8)), slices, result.prepared).array).any()
    assert isinstance(slices, Slices)


def test_shares_are_those_of_the_regions() -> None:
    labels = np.zeros((30, 20, 20), np.uint8)
    labels[5:10, 5:10, 5:10] = Label.OEDEMA
    labels[6:8, 6:8, 6:8] = Label.ENHANCING
    tumour = Tumour(Volume(labels, np.diag([1.0, 1.0, 3.0, 1.0])), "given")
    saliency = np.zeros(labels.shape, np.float32)
    saliency[7, 7, 7] = -4.0  # enhancing
    saliency[9, 9, 9] = 2.0  # the rest of the tumour
    saliency[7, 7, 10] = 1.0  # 3 mm above
    saliency[7, 7, 12] = 0.5  # 9 mm above, since slices are 3 mm apart
    saliency[13, 7, 7] = 0.5  # 4 mm to the side
    fractions = saliency_fractions(Volume(saliency, tumour.labels.affine), tumour)
    assert fractions.enhancing == pytest.approx(4 / 8)
    assert fractions.non_enhancing == pytest.approx(2 / 8)
    assert fractions.around == pytest.approx(1.5 / 8)
    assert fractions.elsewhere == pytest.approx(0.5 / 8)
    nothing = saliency_fractions(replace(tumour.labels, array=np.zeros(labels.shape)), tumour)
    assert nothing.enhancing == nothing.elsewhere == 0


def test_occlusion_finds_the_voxels_that_count() -> None:
    image = np.random.default_rng(0).normal(size=(2, 6, 9)).astype(np.float32)
    weights = np.zeros((2, 6, 9), np.float32)
    weights[1, 4, 7] = 3.0

    found = occlusion_map(lambda x: float((x * weights).sum()), image, (2, 3))

    expected = np.zeros((6, 9), np.float32)
    expected[4:6, 6:9] = 3 * image[1, 4, 7]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="2 axes"):
        occlusion_map(lambda x: 0.0, image, (2, 2, 2))


def test_without_sub_regions_no_share_is_called_enhancing() -> None:
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[4:7, 4:7, 4:7] = Label.CORE
    tumour = Tumour(Volume(labels, np.eye(4)), "given")
    fractions = saliency_fractions(Volume((labels > 0).astype(np.float32), np.eye(4)), tumour)
    assert fractions.enhancing is None
    assert fractions.non_enhancing == 1.0
