from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gliotype import __version__
from gliotype.cli.main import app

HEAVY = (
    "numpy",
    "scipy",
    "SimpleITK",
    "nibabel",
    "pydicom",
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
        ["demo", "-h"],
        ["evaluate", "-h"],
        ["simulate", "-h"],
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


@pytest.mark.parametrize("command", ["predict", "demo", "evaluate", "simulate", "info"])
def test_every_option_is_documented(command: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    assert f"gliotype {command}" in text
    options = set(re.findall(r"--[a-z0-9-]+", RUNNER.invoke(app, [command, "--help"]).stdout)) - {"--help"}
    assert options
    assert sorted(option for option in options if f"`{option}" not in text) == []
