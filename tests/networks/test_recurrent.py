from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gliotype.networks.export import export_onnx  # noqa: E402
from gliotype.networks.recurrent import CurveEnsemble, CurveNet  # noqa: E402
from gliotype.runtime import import_openvino  # noqa: E402


@pytest.fixture(scope="module")
def curves() -> torch.Tensor:
    torch.manual_seed(0)
    batch = torch.rand(3, 11, 60)
    batch[:, -1] = 1
    batch[1, :, 40:] = 0
    return batch


def test_attention_adds_up_and_skips_what_was_not_measured(curves: torch.Tensor) -> None:
    answer = CurveNet(11).eval()(curves).detach()
    assert answer.shape == (3, 61)
    attention = answer[:, 1:]
    assert torch.allclose(attention.sum(dim=1), torch.ones(3))
    assert float(attention[1, 40:].max()) < 1e-12
    assert float(attention.min()) >= 0


def test_the_order_of_time_matters(curves: torch.Tensor) -> None:
    network = CurveNet(11).eval()
    assert not torch.allclose(network(curves[:1])[:, 0], network(curves[:1].flip(2))[:, 0], atol=1e-6)


@pytest.mark.slow
def test_an_exported_ensemble_answers_as_in_torch_for_any_batch(curves: torch.Tensor, tmp_path: Path) -> None:
    ensemble = CurveEnsemble([CurveNet(11), CurveNet(11)]).eval()
    file = tmp_path / "perfusion.onnx"
    export_onnx(torch.nn.Sequential(ensemble), curves, file)
    compiled = import_openvino().Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for n in (1, 3):
        expected = ensemble(curves[:n]).detach().numpy()
        assert expected.shape == (n, 2, 61)
        assert np.abs(compiled(curves[:n].numpy())[0] - expected).max() < 1e-3
