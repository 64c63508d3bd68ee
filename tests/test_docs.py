"""The code in README.md and docs/ runs, and the commands there are ones that the command line knows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command

import gliotype
import gliotype.pipeline
import gliotype.prepare
from gliotype.cli.main import app
from gliotype.read import read_study
from gliotype.report import write_result
from gliotype.result import Result
from gliotype.simulate.cohort import write as cohort
from gliotype.study import STRUCTURAL, Subject
from gliotype.train.common import manifest
from gliotype.train.model1 import candidates
from support.factory import make_result

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield each fenced block in a language, named by its page and number."""
    for page in PAGES:
        found = [text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]
        for number, text in enumerate(found, start=1):
            yield f"{page.relative_to(ROOT)}:{number}", text


PYTHON = dict(blocks("python"))


@pytest.fixture(scope="module")
def predicted(small_study: Path) -> tuple[Path, Result]:
    """A small simulated study as it is read, and a plausible result."""
    study = read_study(small_study, subject=Subject("documented", 44.0))
    return small_study, replace(make_result(STRUCTURAL[:2]), study=study)


@pytest.fixture(scope="module")
def written(predicted: tuple[Path, Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `predict` writes of the result; not to be changed."""
    folder = tmp_path_factory.mktemp("written") / "out"
    write_result(predicted[1], folder)
    return folder


@pytest.fixture
def place(
    predicted: tuple[Path, Result], written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder that holds what the documents name: studies, predictions and tables."""
    study, _ = predicted
    for name in ("STUDY", "exports/case-12"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(study)
    shutil.copytree(written, tmp_path / "out")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "case").symlink_to(tmp_path / "out")
    subjects = range(12)
    tables = {"ours": ("probability", 0.07), "hospital": ("idh", None)}
    for name, (column, step) in tables.items():
        rows = [f"p{n},{n * step if step else n % 2}" for n in subjects]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"subject,{column}", *rows]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def do_not_compute(monkeypatch: pytest.MonkeyPatch, result: Result) -> None:
    """Let what takes minutes answer at once, with the arguments checked by the real signature."""

    def predict(source: str | Path, **options: Any) -> Result:
        assert Path(source).is_dir()
        assert set(options) <= set(gliotype.pipeline.predict.__kwdefaults__)
        return result

    monkeypatch.setattr(gliotype, "predict", predict, raising=False)
    monkeypatch.setattr(gliotype.prepare, "prepare", lambda study: result.prepared)
    monkeypatch.setattr(
        cohort, "write_cohort", lambda n, out, **_: SimpleNamespace(patients=[f"sub-{i}" for i in range(n)])
    )
    for name in ("fit", "simulate_candidates", "write_model"):
        monkeypatch.setattr(candidates, name, lambda *_, **__: {})
    monkeypatch.setattr(manifest, "write_manifest", lambda folder: folder)


@pytest.mark.parametrize("name", PYTHON)
def test_the_code_runs(
    name: str,
    place: Path,
    predicted: tuple[Path, Result],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, result = predicted
    do_not_compute(monkeypatch, result)
    known = {
        "study": result.study,
        "mask": result.tumour.labels,
        "result": result,
        "gliotype": gliotype,
    }
    exec(compile(PYTHON[name], name, "exec"), known)
    if "write_result" in PYTHON[name]:
        assert json.loads((place / "OUT" / "prediction.json").read_text(encoding="utf-8"))["threads"] >= 1


def test_there_is_code_to_run() -> None:
    assert any(name.startswith("README.md") for name in PYTHON)
    assert len(PYTHON) >= 5


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each line that begins with ``gliotype``, indented or in a console block, as words."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for number, line in enumerate(text.splitlines(), start=1):
            match = re.match(r"(?: {4}|\$ |    \$ )\s*(gliotype .*)", line) or re.match(
                r"(gliotype .* -o .*)", line
            )
            if match and "[" not in line:
                words = shlex.split(match.group(1).split("|")[0], comments=True)
                yield f"{page.relative_to(ROOT)}:{number}", words[1:]


COMMANDS = dict(commands())


def test_there_are_commands_to_parse() -> None:
    assert len(COMMANDS) > 10
    assert {words[0] for words in COMMANDS.values()} >= {"predict", "demo", "evaluate", "simulate"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_knows_the_command(name: str) -> None:
    words = COMMANDS[name]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        word, *words = words
        if word.startswith("-"):
            return
        assert word in command.commands, f"{name}: there is no command {word}"
        command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    old = set(getattr(command, "renamed", {}))
    assert used <= options | {"-h", "--help"}, f"{name}: no option {', '.join(used - options - old)}"


if sys.platform == "win32":
    pytest.skip("the examples use links", allow_module_level=True)
