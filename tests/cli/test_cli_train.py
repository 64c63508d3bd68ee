from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gliotype.cli.main import app
from gliotype.errors import InputError, UsageError


def run(*arguments: str) -> Exception | None:
    return CliRunner().invoke(app, ["train", "model1", *arguments]).exception  # type: ignore[return-value]


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith(("gliotype.train", "gliotype.networks"))]:
        monkeypatch.delitem(sys.modules, name)
    error = run("-o", str(tmp_path / "run"))
    assert isinstance(error, UsageError)
    assert "pip install 'gliotype[train]'" in str(error)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_label_maps_is_refused(tmp_path: Path) -> None:
    error = run("-o", str(tmp_path / "run"), "--anatomies", str(tmp_path))
    assert isinstance(error, InputError)
    assert "no label map" in str(error)


def test_no_steps_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "model1", "-o", str(tmp_path), "--steps", "0"])
    assert result.exit_code == 2


def test_too_few_patients_for_the_perfusion_network_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "perfusion", "-o", str(tmp_path), "--patients", "5"])
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
