from __future__ import annotations

from pathlib import Path

import pytest

from gliotype import runtime
from gliotype.errors import WeightsError
from gliotype.train.common.manifest import write_manifest


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights of its own, with two listed files."""
    (tmp_path / "a.onnx").write_bytes(b"not a network")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "b.md").write_text("a card")
    write_manifest(tmp_path)
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    return tmp_path


def test_weights_as_listed_are_accepted(weights: Path) -> None:
    assert set(runtime.weight_hashes()) == {"a.onnx", "b.json"}
    assert runtime.checked_weights("b.json")[0] == weights / "b.json"


def test_a_changed_weight_is_refused(weights: Path) -> None:
    (weights / "a.onnx").write_bytes(b"not a netwerk")
    with pytest.raises(WeightsError, match=r"a\.onnx are corrupt"):
        runtime.load_network("a.onnx")
    assert WeightsError.exit_code == 5


def test_a_missing_weight_or_list_is_named(weights: Path) -> None:
    (weights / "a.onnx").unlink()
    with pytest.raises(WeightsError, match=r"a\.onnx are missing"):
        runtime.weight_hashes()
    (weights / "manifest.json").unlink()
    with pytest.raises(WeightsError, match=r"manifest\.json is missing"):
        runtime.weight_hashes()


def test_a_listed_file_that_is_no_network_is_refused(weights: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be loaded as a network"):
        runtime.load_network("a.onnx")
