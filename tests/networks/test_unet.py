from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gliotype.networks.export import export_onnx, read_onnx_weights
from gliotype.networks.unet import UNet3d, model1
from gliotype.runtime import import_openvino
from gliotype.segment.model1 import CHANNELS, CLASSES


def test_model1_fits_its_input_and_output() -> None:
    network = model1()
    out = network(torch.zeros(1, 2 * len(CHANNELS), 32, 48, 32))
    assert out.shape == (1, len(CLASSES), 32, 48, 32)
    assert sum(p.numel() for p in network.parameters()) * 2 < 12e6


@pytest.mark.slow
# The exporter itself uses parts of torch that torch has deprecated.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_the_exported_network_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet3d(2, 3, (4, 8, 16)).eval()
    for weights in network.parameters():  # as after training: no two alike
        torch.nn.init.normal_(weights, std=0.3)
    file = tmp_path / "small.onnx"
    export_onnx(torch.nn.Sequential(network, torch.nn.Softmax(dim=1)), torch.zeros(1, 2, 8, 16, 8), file)
    batch = torch.randn(2, 2, 8, 16, 8)
    expected = network(batch).softmax(dim=1).detach().numpy()
    compiled = import_openvino().Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled(batch.numpy())[0], expected, atol=2e-2)
    assert str(Path.home()).encode() not in file.read_bytes()
    assert b".py" not in file.read_bytes(), "no trace of the exporting machine"
    assert not list(tmp_path.glob(".gliotype-*"))
    again = UNet3d(2, 3, (4, 8, 16)).eval()
    again.load_state_dict(read_onnx_weights(file))
    found = again(batch).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-2)
