from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gliotype.cli.main import app
from gliotype.cli.show import show_progress
from gliotype.errors import InputError, UsageError

COMMANDS = (
    ("train", "model1"),
    ("train", "subregions"),
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
        if name == "torch" or name.startswith(("gliotype.train", "gliotype.networks", "gliotype.experiment")):
            # Where the parent is imported anew, its attribute must come back together with the module.
            parent, _, child = name.rpartition(".")
            if hasattr(sys.modules.get(parent), child):
                monkeypatch.setattr(sys.modules[parent], child, sys.modules[name])
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


@pytest.mark.parametrize("method", ["model1", "subregions"])
def test_a_folder_without_label_maps_is_refused(method: str, tmp_path: Path) -> None:
    error = run("train", method, "-o", str(tmp_path / "run"), "--label-maps", str(tmp_path))
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


def test_option_names_of_earlier_versions_are_read(tmp_path: Path) -> None:
    error = run("train", "model1", "-o", str(tmp_path / "run"), f"--anatomies={tmp_path}", "--rate", "0.001")
    assert isinstance(error, InputError)
    assert "no label map" in str(error)
    result = CliRunner().invoke(app, ["train", "perfusion", "-o", str(tmp_path), "--members", "1"])
    assert result.exit_code == 2
    assert "--ensemble-size" in result.output
    listed = CliRunner().invoke(app, ["train", "model1", "-h"]).output
    assert "--label-maps" in listed
    assert "--anatomies" not in listed


def test_missing_tables_are_named(tmp_path: Path) -> None:
    error = run("train", "radiomics", "--tables", str(tmp_path), "-o", str(tmp_path / "run"))
    assert isinstance(error, InputError)
    assert "ucsf_pdgm_clinical.csv" in str(error)
    assert not (tmp_path / "run").exists()


def test_candidates_need_label_maps_where_a_folder_is_named(tmp_path: Path) -> None:
    error = run("train", "candidates", "-o", str(tmp_path / "run"), "--label-maps", str(tmp_path))
    assert isinstance(error, InputError)
    assert "no label map" in str(error)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["model1", "t2net", "tsnet", "perfusion"])
def test_a_layout_without_a_cohort_is_a_usage_error(method: str, tmp_path: Path) -> None:
    error = run("train", method, "-o", str(tmp_path / "run"), "--layout", "brats")
    assert isinstance(error, UsageError)
    assert str(error).startswith("--layout says how the files of a cohort are named: give --cohort")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("t2net", "--patients"),
        ("tsnet", "--label-maps"),
        ("perfusion", "--patients"),
    ],
)
def test_an_option_of_simulation_with_a_cohort_is_a_usage_error(
    method: str, option: str, tmp_path: Path
) -> None:
    value = str(tmp_path) if option == "--label-maps" else "60"
    error = run("train", method, "-o", str(tmp_path / "run"), "--cohort", str(tmp_path), option, value)
    assert isinstance(error, UsageError)
    assert str(error).startswith(f"{option} is about simulated patients")
    assert not (tmp_path / "run").exists()


def test_model1_simulates_next_to_a_cohort_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    monkeypatch.setattr(
        "gliotype.train.model1.cohort.train_further", lambda recipe, *_: taken.append(recipe) or ()
    )
    options = ("--label-maps", str(tmp_path), "--workers", "3", "--steps", "7")
    assert run("train", "model1", "-o", str(tmp_path / "run"), "--cohort", str(tmp_path), *options) is None
    (recipe,) = taken
    assert (recipe.anatomies, recipe.workers, recipe.steps) == (tmp_path, 3, 7)
    assert recipe.start is not None
    assert recipe.start.name == "model1.onnx"


def test_progress_in_a_log_file_is_one_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    line = "step 50 of 200: loss 2.135, Dice 0.66, waited 0% of the time for patients, " + "6 min left " * 9
    with show_progress() as progress:
        progress(line)
    assert capsys.readouterr().err == f"{line}\n"
