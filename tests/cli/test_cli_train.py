from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gliotype.cli.main import app
from gliotype.errors import InputError, UsageError

COMMANDS = (
    ("train", "model1"),
    ("train", "model2", "--cohort", "patients"),
    ("train", "perfusion"),
    ("experiment", "protocol.toml"),
)


class NoTorch(MetaPathFinder):
    """Hides torch, as if it were not installed."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


def run(*arguments: str) -> Exception | None:
    return CliRunner().invoke(app, list(arguments)).exception  # type: ignore[return-value]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_without_torch_it_says_what_to_install(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    for name in list(sys.modules):
        if name == "torch" or name.startswith(("gliotype.train", "gliotype.networks")):
            monkeypatch.delitem(sys.modules, name)
    error = run(*command, "-o", str(tmp_path / "run"))
    assert isinstance(error, UsageError)
    assert str(error) == "torch is not installed: pip install 'gliotype[train]'"
    assert not (tmp_path / "run").exists()


def test_a_module_of_our_own_that_is_missing_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "gliotype.train.perfusion.train", None)
    error = run("train", "perfusion", "-o", str(tmp_path / "run"))
    assert isinstance(error, ModuleNotFoundError)


def test_a_folder_without_label_maps_is_refused(tmp_path: Path) -> None:
    error = run("train", "model1", "-o", str(tmp_path / "run"), "--label-maps", str(tmp_path))
    assert isinstance(error, InputError)
    assert "no label map" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        ("model1", "--steps", "0"),
        ("model2", "--cohort", "patients", "--ensemble-size", "1"),
        ("perfusion", "--patients", "5"),
        ("perfusion", "--ensemble-size", "1"),
    ],
    ids=" ".join,
)
def test_too_little_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *arguments, "-o", str(tmp_path)])
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
