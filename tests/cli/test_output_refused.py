"""An output that cannot be written is refused before anything is computed, with the right exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import Run

EVALUATE = ("evaluate", "missing.csv", "--labels", "missing.csv")


@pytest.mark.parametrize("command", [("predict", "missing"), EVALUATE, ("simulate", "-n", "1")])
@pytest.mark.parametrize("out", ["/dev/full", "/dev/null/out", "a" * 10_000, "file", "file/out"])
def test_an_output_that_is_no_folder(
    command: tuple[str, ...], out: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    code, said, err = run(*command, "-o", out)
    assert (code, said) == (3, "")
    assert re.search("cannot write the results|a path of 10000 characters", err)
    assert len(err) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("predict", "missing"), "prediction.json"),
        (("predict", "missing"), "report.html"),
        (EVALUATE, "metrics.csv"),
    ],
)
def test_a_folder_in_the_place_of_a_result(
    command: tuple[str, ...], name: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    code, _, err = run(*command, "-o", tmp_path)
    assert code == 3
    assert f"{name} is a folder there" in err


def test_a_path_of_ten_thousand_characters_as_input(run: Run, tmp_path: Path) -> None:
    code, _, err = run("predict", "a" * 10_000, "-o", tmp_path / "out")
    assert code == 3
    assert "a path of 10000 characters" in err
    assert len(err) < 300


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1" + "0" * 30])
@pytest.mark.parametrize("command", [("demo",), ("simulate", "-n", "1"), ("train", "perfusion")])
def test_a_seed_that_cannot_be_used(command: tuple[str, ...], seed: str, run: Run, tmp_path: Path) -> None:
    code, _, err = run(*command, "-o", tmp_path / "out", "--seed", seed)
    assert code == 2
    assert "--seed" in err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_standard_output_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from gliotype.cli.main import main; main()", "info"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("gliotype: standard output cannot be written")


@pytest.mark.slow
def test_a_reader_that_closes_the_standard_output() -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            'set -o pipefail; "$0" -c "from gliotype.cli.main import main; main()" info | true',
            sys.executable,
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 141)
    assert done.stderr == ""
