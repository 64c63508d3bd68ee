"""The image of the Dockerfile, built and run: ``make container-test`` says from which base and with which wheels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gliotype import __version__

PROJECT = Path(__file__).resolve().parents[2]

BASE = os.environ.get("GLIOTYPE_CONTAINER_BASE")
"""Name of an image, or a tar of a root file system."""

WHEELS = os.environ.get("GLIOTYPE_CONTAINER_WHEELS")
"""Folder with the wheels of Gliotype and all that it needs; without it, pip asks its index."""

LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Those that a process without privileges may set."""

START_S = 300.0
"""Time for a base to be fetched or imported and for a container of it to start; then there is no engine here."""

LOCKED = ("--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--user", "1234:1234", *LIMITS)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BASE, reason="images are built by make container-test only"),
]


@dataclass(frozen=True)
class Engine:
    """Podman or Docker, with the folder in which Podman keeps its images."""

    command: tuple[str, ...]

    @property
    def podman(self) -> bool:
        return self.command[0] == "podman"

    def __call__(
        self, *arguments: str, check: bool = True, limit_s: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(command, 124, "", f"no answer within {limit_s:.0f} s")
        assert not (check and done.returncode), done.stdout[-2000:] + done.stderr[-2000:]
        return done

    def build(self, tag: str, context: Path, *options: str) -> None:
        # No namespaces for the steps of the build: they are not always permitted where tests run.
        alone = ("--isolation", "chroot", "--network", "host") if self.podman else ()
        self("build", *alone, *LIMITS[:2], "--tag", tag, *options, str(context))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """Find an engine that can run the base, and name it."""
    store = tmp_path_factory.mktemp("images")
    options = ("--root", f"{store}/root", "--runroot", f"{store}/run", "--storage-driver", "vfs")
    candidates = [("podman", *options), ("podman", *options, "--runtime", "runc"), ("docker",)]
    assert BASE
    why = "neither podman nor docker is installed"
    found = None
    for engine in (Engine(command) for command in candidates if shutil.which(command[0])):
        name = BASE
        if Path(BASE).is_file():
            name = "localhost/gliotype-base" if engine.podman else "gliotype-base"
            imported = engine("import", str(Path(BASE).absolute()), name, check=False, limit_s=START_S)
            if imported.returncode:
                why = " ".join(imported.stderr.split())[:300]
                continue
        ran = engine("run", *LOCKED, name, "python3", "--version", check=False, limit_s=START_S)
        if ran.returncode == 0:
            found = engine
            break
        why = " ".join(ran.stderr.split())[:300] or f"it ended with {ran.returncode}"
    if found is None:
        pytest.skip(f"no container of {BASE} can be run here: {why}")
    try:
        yield found, name
    finally:
        images = ["--all"] if found.podman else ["gliotype-test"]
        found("rmi", *images, "--force", check=False, limit_s=START_S)


@pytest.fixture(scope="module")
def image(engine: tuple[Engine, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image from the base."""
    run, base = engine
    context = tmp_path_factory.mktemp("context")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("src", "protocols"):
        shutil.copytree(PROJECT / name, context / name, ignore=ignored)
    for name in ("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(PROJECT / name, context)
    arguments = ["--build-arg", f"BASE={base}"]
    if WHEELS:
        shutil.copytree(WHEELS, context / "wheels", ignore=shutil.ignore_patterns("gliotype-*"))
        wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(context / "wheels")]
        subprocess.run([*wheel, str(PROJECT)], check=True)
        arguments += ["--build-arg", "PIP_ARGS=--no-index --find-links wheels gliotype"]
    run.build("gliotype-test", context, *arguments)
    return "gliotype-test"


def test_it_names_its_version_and_its_methods(engine: tuple[Engine, str], image: str) -> None:
    run, _ = engine
    assert __version__ in run("run", *LOCKED, image, "--version").stdout
    assert "Commands" in run("run", *LOCKED, image).stdout
    info = run("run", *LOCKED, image, "info", "--json").stdout
    assert json.loads(info)["version"] == __version__


def test_it_predicts_without_network_root_and_a_file_system_that_can_be_written(
    engine: tuple[Engine, str], image: str, small_study: Path, tmp_path: Path
) -> None:
    run, _ = engine
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    shared = ("--volume", f"{small_study}:/study:ro", "--volume", f"{out}:/out")
    run("run", *LOCKED, *shared, image, "predict", "/study", "-o", "/out", "--id", "inside", "--age", "44")
    prediction = json.loads((out / "prediction.json").read_text(encoding="utf-8"))
    assert prediction["subject"] == "inside"
    assert (out / "report.html").stat().st_uid != os.geteuid()
