"""The floors of the house, held against the imports of the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gliotype

PACKAGE = Path(gliotype.__file__).parent
FLOORS = {
    "errors": 0,
    "staging": 0,
    "volume": 0,
    "dsc": 0,
    "masks": 0,
    "study": 0,
    "weights": 0,
    "runtime": 1,
    "read": 1,
    "prepare": 1,
    "segment": 1,
    "measure": 1,
    "report": 1,
    "explain": 2,
    "predictors": 2,
    "pipeline": 3,
    "cli": 4,
    "__main__": 5,
}
WORKSHOP = {"simulate", "networks", "train", "evaluate", "cohorts"}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(file: Path) -> set[str]:
    """Rooms that a module imports when it is loaded, and modules of torch and onnx."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "gliotype" else []
            )
            found |= {node.module, *names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_nobody_imports_from_a_higher_floor(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports_of(file):
        if name.split(".")[0] in ("torch", "onnx"):
            assert room in ("networks", "train"), f"{name} is imported outside the workshop"
        other = room_of(name) if name.startswith("gliotype.") else ""
        if other not in FLOORS or room not in FLOORS:
            assert other not in WORKSHOP or room in WORKSHOP | {"cli"}, f"{room} uses the workshop ({other})"
            continue
        assert FLOORS[other] <= FLOORS[room], f"{room} imports from the higher floor of {other}"


def test_importing_the_pipeline_loads_no_torch() -> None:
    code = (
        "import sys, gliotype.pipeline, gliotype.report; print('torch' in sys.modules, 'onnx' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
