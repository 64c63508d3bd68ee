"""The layers of the architecture, checked against the imports of the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gliotype

PACKAGE = Path(gliotype.__file__).parent
FLOORS = (
    {"_version", "errors", "flag", "text"},
    {"volume", "weights", "temporary", "paths", "tables", "seeds", "locks"},
    {"masks", "atomic_files", "archive", "runtime", "plotting"},
    {"cest", "dicom_source", "dsc", "mrs", "study", "findings", "result", "cached_study"},
    {"atlas"},
    {"read", "prepare", "segment", "measure", "report"},
    {"predictors", "explain"},
    {"answer"},
    {"pipeline"},
    {"__init__"},
    {"batch"},
    {"serve", "cli"},
    {"__main__"},
)
"""Rooms from the ground up: each may look into its own floor and into those below."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
WORKSHOP = {"simulate", "networks", "train", "experiment", "evaluate", "cohorts"}
TORCH_ROOMS = {"networks", "train"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(file: Path) -> str:
    """Name of a module, such as ``gliotype.read.study``; a package is named by its folder."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {dotted(file) for file in MODULES}


def room_of(module: str) -> str:
    """Room of a module of the package: the first part below ``gliotype``."""
    return module.split(".")[1] if "." in module else "__init__"


def statements(tree: ast.AST, *, deferred: bool) -> Iterator[ast.stmt]:
    """Import statements, without those for type checkers; with those inside functions where `deferred`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        elif deferred or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(node, deferred=deferred)


def imports_of(file: Path, *, deferred: bool = True) -> set[str]:
    """Modules that a module imports; of the package itself, the modules that the names come from."""
    found = set()
    for node in statements(ast.parse(file.read_text(encoding="utf-8")), deferred=deferred):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & KNOWN
            found |= submodules or {node.module}
    return found


def wrong_imports(file: Path) -> Iterator[str]:
    """Say what a module imports that it may not."""
    module = dotted(file)
    room = room_of(module)
    if room not in HEIGHT and room not in WORKSHOP:
        yield f"{room} has no floor: give it one in this test"
        return
    for name in imports_of(file):
        if name == "gliotype":
            yield f"{module} imports the package's face: import from the module that defines the name"
        if name.split(".")[0] in ("torch", "onnx") and room not in TORCH_ROOMS:
            yield f"{module} imports {name} outside the rooms that train"
        if name.startswith("gliotype.experiment") and room == "train":
            yield f"{module} uses the experiment ({name})"
        if name.split(".")[0] != "gliotype":
            continue
        other = room_of(name)
        if other in WORKSHOP and room not in WORKSHOP | {"cli"}:
            yield f"{module} uses the workshop ({name})"
        elif other not in WORKSHOP and room in HEIGHT and HEIGHT[other] > HEIGHT[room]:
            yield f"{module} imports from the higher floor of {other}"


def test_nobody_imports_what_it_may_not() -> None:
    """From a higher floor, the package's face, torch outside training, the workshop, or the experiment in training."""
    assert [complaint for file in MODULES for complaint in wrong_imports(file)] == []


@pytest.mark.parametrize(
    ("room", "line", "complaint"),
    [
        ("answer", "from gliotype.pipeline import predict", "higher floor of pipeline"),
        ("predictors", "import torch", "outside the rooms that train"),
        ("measure", "from gliotype.simulate import demo_study", "uses the workshop"),
        ("train", "from gliotype.experiment.run import run_experiment", "uses the experiment"),
        ("report", "import gliotype", "the package's face"),
        ("attic", "import numpy", "attic has no floor"),
    ],
)
def test_an_import_that_may_not_be_is_found(room: str, line: str, complaint: str) -> None:
    file = PACKAGE / room / "new.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", lambda path, **_: line if path == file else "")
        assert any(complaint in found for found in wrong_imports(file))


def test_modules_import_one_another_without_a_circle() -> None:
    graph = {
        dotted(file): {name for name in imports_of(file, deferred=False) if name in KNOWN} - {dotted(file)}
        for file in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import one another in a circle: {' -> '.join(error.args[1])}")


def test_every_package_holds_few_enough_modules_to_be_read() -> None:
    crowded = {
        str(folder.relative_to(PACKAGE)): n
        for folder in PACKAGE.rglob("*")
        if folder.is_dir() and (n := len(list(folder.glob("*.py")))) > 20
    }
    assert not crowded


@pytest.mark.slow
def test_importing_the_pipeline_loads_no_torch() -> None:
    code = (
        "import sys, gliotype.pipeline, gliotype.report; print('torch' in sys.modules, 'onnx' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


@pytest.mark.slow
def test_predicting_loads_nothing_of_the_services_and_their_packages() -> None:
    code = (
        "import sys, gliotype.cli.main, gliotype.pipeline, gliotype.report\n"
        "gliotype.predict, gliotype.write_result\n"
        "print([m for m in sys.modules if m.startswith(('gliotype.serve.web', 'starlette', 'uvicorn', 'pynetdicom'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


ROOMS_OF_TESTS = sorted(
    {file.parent for file in Path(__file__).parent.rglob("test_*.py")} - {Path(__file__).parent / "fuzz"}
)


@pytest.mark.parametrize("folder", ROOMS_OF_TESTS, ids=lambda f: f.name)
def test_each_room_has_a_test_that_is_not_slow(folder: Path) -> None:
    """`make test-fast` says something about every room."""
    tests = [
        " ".join(map(ast.unparse, node.decorator_list))
        for file in folder.glob("test_*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert any("mark.slow" not in decorators for decorators in tests)
