"""What `predict` writes, against a list stored with the tests.

The list is a contract: it grows, and nothing leaves it. ``pytest tests/report --update-outputs`` writes it anew;
look at the difference before you commit it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gliotype.report import write_result
from gliotype.result import Result
from support.factory import (
    make_no_tumour,
    make_result_with_cest,
    make_result_with_perfusion,
    make_result_with_spectroscopy,
)

LIST = Path(__file__).with_name("expected_outputs.txt")
RESULTS = {
    "with perfusion": make_result_with_perfusion,
    "no tumour": make_no_tumour,
    "with spectroscopy": make_result_with_spectroscopy,
    "with CEST": make_result_with_cest,
}


def keys(value: object, path: str = "") -> Iterator[str]:
    """Name every key of a JSON document; the items of a list share one name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}".lstrip(".")
            yield from keys(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")


def outputs(title: str, result: Result, folder: Path) -> list[str]:
    """List the files of a result, and the keys of its ``prediction.json``."""
    write_result(result, folder)
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    document = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    # The versions are those of whoever tests, and which weights are installed grows with the methods.
    names = sorted({key for key in keys(document) if not key.startswith(("versions.", "weights."))})
    return [f"# {title}", *files, *(f"prediction.json: {name}" for name in names)]


@pytest.mark.slow
def test_the_files_and_keys_are_those_of_the_list(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = [line for title, make in RESULTS.items() for line in outputs(title, make(), tmp_path / title)]
    if request.config.getoption("--update-outputs"):
        LIST.write_text("\n".join(found) + "\n", encoding="utf-8")
    assert found == LIST.read_text(encoding="utf-8").splitlines()
