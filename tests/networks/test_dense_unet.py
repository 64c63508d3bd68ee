"""The Dense-UNet of T2-net and TS-net."""

from __future__ import annotations

import pytest
import torch

from gliotype.networks.dense_unet import DenseBlock, DenseUNet3d


def test_it_has_seven_dense_blocks_and_three_transitions_each_way() -> None:
    network = DenseUNet3d(3, growth=4, layers=2)
    assert sum(isinstance(part, DenseBlock) for part in network.modules()) == 7
    assert len(network.transitions_down) == len(network.transitions_up) == 3


@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 24, 40)])
def test_every_voxel_gets_logits_of_every_class(shape: tuple[int, int, int]) -> None:
    network = DenseUNet3d(2, classes=3, growth=4, layers=2, stem=8).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 2, *shape)).shape == (2, 3, *shape)


def test_a_layer_reads_all_layers_before_it() -> None:
    block = DenseBlock(5, growth=3, layers=4)
    assert block.channels == 17
    assert [layer[2].in_channels for layer in block.layers] == [5, 8, 11, 14]  # type: ignore[index, union-attr]
    assert block(torch.zeros(2, 5, 4, 4, 4)).shape == (2, 17, 4, 4, 4)


def test_a_change_in_one_corner_reaches_the_opposite_one() -> None:
    torch.manual_seed(0)
    network = DenseUNet3d(1, growth=4, layers=2, stem=8).eval()
    image = torch.zeros(1, 1, 32, 32, 32)
    changed = image.clone()
    changed[..., :8, :8, :8] = 5.0
    with torch.inference_mode():
        assert not torch.equal(network(image)[..., -4:, -4:, -4:], network(changed)[..., -4:, -4:, -4:])
