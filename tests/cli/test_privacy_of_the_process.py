"""What leaves the process: no socket is opened, and no file appears in the user's home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost"):
        print("NETWORK", event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
"""Reports each use of the network but that of the machine with itself."""


def fresh(script: str, home: Path, tmp: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a new process that reports each use of the network, outside any continuous integration."""
    home.mkdir(exist_ok=True)
    tmp.mkdir(exist_ok=True)
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = inherited | {"HOME": str(home), "TMPDIR": str(tmp)}
    return subprocess.run(
        [sys.executable, "-c", WATCH + script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=300,
    )


IMPORTS = """
import gliotype.cli.main, gliotype.pipeline, gliotype.report, gliotype.evaluate.figures
from gliotype.runtime import load_network
load_network("model1.onnx")
assert "openvino" in sys.modules and sys.modules["openvino_telemetry"] is None
"""


@pytest.mark.slow
def test_nothing_is_sent_and_nothing_is_written_into_the_home(tmp_path: Path) -> None:
    done = fresh(IMPORTS, tmp_path / "home", tmp_path / "tmp")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "tmp").rglob("*")) == []


def test_the_watch_sees_the_network(tmp_path: Path) -> None:
    done = fresh("import socket\nsocket.getaddrinfo('192.0.2.1', 80)\n", tmp_path / "home", tmp_path / "tmp")
    assert "NETWORK socket.getaddrinfo" in done.stderr


PREDICT = """
import runpy
sys.argv = ["gliotype", "predict", {study!r}, "-o", {out!r}, "--age", "50"]
runpy.run_module("gliotype", run_name="__main__")
"""


@pytest.mark.slow
def test_predict_sends_nothing_and_writes_nothing_into_the_home(small_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = PREDICT.format(study=str(small_study), out=str(out))
    done = fresh(script, tmp_path / "home", tmp_path / "tmp")
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    assert (out / "prediction.json").is_file()
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "tmp").rglob("*")) == []


def test_openvino_is_imported_in_one_place_alone() -> None:
    project = Path(__file__).parents[2]
    importing = [
        file.relative_to(project).as_posix()
        for folder in ("src", "tests", "benchmarks", "tools")
        for file in (project / folder).rglob("*.py")
        if "import openvino" in (text := file.read_text(encoding="utf-8")) or "from openvino" in text
        if file != Path(__file__)
    ]
    assert importing == []


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    blocked = tmp_path / "home"
    blocked.write_text("a file where the home should be")
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + IMPORTS],
        capture_output=True,
        text=True,
        env=inherited | {"HOME": str(blocked / "deeper")},
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert blocked.read_text() == "a file where the home should be"
