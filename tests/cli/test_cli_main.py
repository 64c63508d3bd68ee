from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gliotype import __version__
from gliotype.cli.main import app

HEAVY = (
    "numpy",
    "scipy",
    "SimpleITK",
    "nibabel",
    "pydicom",
    "pynetdicom",
    "openvino",
    "sklearn",
    "matplotlib",
    "PIL",
    "torch",
)
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
RUNNER = CliRunner()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["predict", "--help"],
        ["revise", "-h"],
        ["serve", "-h"],
        ["demo", "-h"],
        ["evaluate", "-h"],
        ["simulate", "-h"],
        ["train", "model1", "-h"],
        ["experiment", "-h"],
        ["node", "-h"],
        ["node", "status", "-h"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {HEAVY} if m in sys.modules]))\n"
        f"sys.argv = ['gliotype', *{arguments}]\n"
        "from gliotype.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("HEAVY []")
    assert len(done.stdout.splitlines()) > 1


@pytest.mark.slow
def test_importing_the_whole_command_never_imports_torch() -> None:
    script = (
        "import sys, gliotype.cli.main, gliotype.cli.show, gliotype.report\n"
        "assert 'SimpleITK' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_version() -> None:
    done = RUNNER.invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"gliotype {__version__}\n")


def test_info_tells_versions_and_weights() -> None:
    done = RUNNER.invoke(app, ["info", "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["version"] == __version__
    assert {"numpy", "simpleitk", "openvino"} <= {name.lower() for name in found["libraries"]}
    assert "torch" not in found["libraries"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found["weights"].values())
    assert found["methods"]["mismatch"] == "FLAIR and T2"
    assert found["methods"]["age"] == "age"
    assert found["methods"]["hybrid"] == "T1c or T2 or FLAIR"
    plain = RUNNER.invoke(app, ["info"])
    assert plain.exit_code == 0
    assert f"version: {__version__}" in plain.stdout
    assert all(version in plain.stdout for version in found["libraries"].values())


def every_command(group: Any, above: str = "") -> dict[str, Any]:
    """The commands of the command line by their words, such as ``"train model1"``."""
    found = {}
    for name, command in group.commands.items():
        if command.hidden:
            continue
        nested = every_command(command, f"{above}{name} ") if hasattr(command, "commands") else {}
        found |= nested
        if not nested or command.invoke_without_command:
            found[f"{above}{name}"] = command
    return found


COMMANDS = every_command(get_command(app))


def test_every_command_is_checked() -> None:
    methods = (
        "model1",
        "subregions",
        "model2",
        "t2net",
        "tsnet",
        "perfusion",
        "radiomics",
        "candidates",
        "answer",
    )
    trainings = {f"train {method}" for method in methods}
    others = {
        "predict",
        "batch",
        "revise",
        "serve",
        "demo",
        "dicom",
        "evaluate",
        "calibrate",
        "simulate",
        "experiment",
        "info",
    }
    assert set(COMMANDS) == others | trainings | {"node", "node status"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_its_default_are_documented_in_the_section_of_the_command(command: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    section = text.partition(f"\n## `gliotype {command}`\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `-")]
    meanings = {name: meaning for names, meaning in rows for name in re.findall(r"`(-[\w-]+)`", names)}
    options = [each for each in COMMANDS[command].params if each.param_type_name == "option"]
    assert set(meanings) == {name for option in options for name in option.opts}
    for option in options:
        if option.default not in (None, False):
            documented = re.findall(r"[\w.-]*\w", meanings[option.opts[0]])
            assert str(option.default) in documented, f"{option.opts[0]} is {option.default} if not given"
