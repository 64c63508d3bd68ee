"""A run that is stopped or killed leaves OUT as before or complete, and what it left is swept by the next run."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from gliotype.atomic_files import atomic_write_set, check_writable
from gliotype.temporary import PREFIX, locked_folder, sweep, temporary_folder
from support.factory import make_result
from support.template_head import write_small_study

NAMES = ("a.txt", "b.txt", "last.txt")
MOMENTS = int(os.environ.get("GLIOTYPE_KILLS", "8"))
"""Runs that are stopped while they read and write."""


class Start(Protocol):
    """Starts Python on a script, with HOME and TMPDIR of its own where `home` is given."""

    def __call__(
        self, script: str, *arguments: object, home: Path | None = None
    ) -> subprocess.Popen[str]: ...


@pytest.fixture
def start() -> Iterator[Start]:
    """What a test has started and not waited for, because it failed, is killed when it ends."""
    with ExitStack() as running:

        def begin(script: str, *arguments: object, home: Path | None = None) -> subprocess.Popen[str]:
            environment = dict(os.environ)
            if home is not None:
                (home / "tmp").mkdir(parents=True, exist_ok=True)
                environment |= {"HOME": str(home), "TMPDIR": str(home / "tmp")}
            run = subprocess.Popen(
                [sys.executable, "-c", script, *map(str, arguments)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                preexec_fn=_as_from_a_terminal,
            )
            running.enter_context(run)
            running.callback(run.kill)
            return run

        yield begin


def _as_from_a_terminal() -> None:
    """Let SIGHUP and SIGINT end the child, also where the tests run under nohup or in the background of a script."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


WAITING = """
import sys, time
from pathlib import Path
import gliotype.cli.main as command
from gliotype.temporary import temporary_folder
from gliotype.atomic_files import atomic_write_set

def work():
    with temporary_folder() as unpacked, atomic_write_set(Path(sys.argv[1]), ("a.txt", "last.txt")) as aside:
        (unpacked / "MUELLER").mkdir(mode=0o500)
        (aside / "a.txt").write_text("new")
        print("ready", flush=True)
        time.sleep(60)

command.app = work
command.main()
"""
"""The command's own entry around work that has unpacked and half written, and then waits."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_in_order_and_leaves_nothing(
    number: signal.Signals, start: Start, tmp_path: Path
) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    out.mkdir()
    (out / "a.txt").write_text("old")
    run = start(WAITING, out, home=home)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    assert len(list((home / "tmp").iterdir())) == 1
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (128 + number, f"gliotype: stopped by {number.name}\n")
    assert contents(out) == {"a.txt": b"old"}
    assert list((home / "tmp").iterdir()) == []
    assert [path.name for path in home.iterdir()] == ["tmp"]


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored(start: Start, tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAITING.replace(
        "sleep(60)", "sleep(1)"
    )
    run = start(script, tmp_path / "out")
    assert run.stdout is not None
    run.stdout.readline()
    run.send_signal(signal.SIGHUP)
    run.communicate(timeout=60)
    assert run.returncode == 0


def test_what_a_killed_run_left_is_swept_by_the_next(start: Start, tmp_path: Path) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    run = start(WAITING, out, home=home)
    assert run.stdout is not None
    run.stdout.readline()
    sweep(home / "tmp")
    check_writable(out)
    assert len(list((home / "tmp").iterdir())) == len(list(out.iterdir())) == 1, "the run is alive"
    run.kill()
    run.communicate(timeout=60)
    sweep(home / "tmp")
    check_writable(out)
    assert list((home / "tmp").iterdir()) == list(out.iterdir()) == []


def test_only_folders_of_killed_runs_are_swept(tmp_path: Path) -> None:
    mine = tmp_path / f"{PREFIX}notes"
    left, elsewhere = tmp_path / f"{PREFIX}{'0' * 16}", tmp_path / "elsewhere"
    for folder in (mine, left, elsewhere):
        folder.mkdir()
        (folder / "file").write_text("x")
    (tmp_path / f"{PREFIX}{'1' * 16}").symlink_to(elsewhere)
    with locked_folder(tmp_path) as live:
        sweep(tmp_path)
        assert live.is_dir()
        assert not left.exists()
        assert (mine / "file").exists()
        assert (elsewhere / "file").exists()
    assert not live.exists()


def test_a_temporary_folder_is_for_this_user_alone() -> None:
    with temporary_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


MOVING = """
import os, signal, sys
from pathlib import Path
from gliotype.atomic_files import atomic_write_set
move, moves = os.replace, []

def killed(source, target):
    moves.append(source)
    if len(moves) > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    move(source, target)

with atomic_write_set(Path(sys.argv[1]), ("a.txt", "b.txt", "last.txt")) as aside:
    (aside / "a.txt").write_text("new")
    (aside / "last.txt").write_text("new")
    os.replace = killed
"""


@pytest.mark.parametrize("after", range(6))
def test_a_run_killed_while_its_files_move_in_is_undone_or_complete(
    after: int, start: Start, tmp_path: Path
) -> None:
    old = dict.fromkeys(NAMES, b"old") | {"mine.txt": b"mine"}
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    run = start(MOVING, tmp_path, after)
    run.communicate(timeout=60)
    check_writable(tmp_path)
    new = {"a.txt": b"new", "last.txt": b"new", "mine.txt": b"mine"}
    assert contents(tmp_path) == (old if after < 5 else new)
    with atomic_write_set(tmp_path, NAMES) as aside:
        (aside / "last.txt").write_text("newer")
    assert contents(tmp_path) == {"last.txt": b"newer", "mine.txt": b"mine"}


PREDICT = "from gliotype.cli.main import main; main()"

WITHOUT_COMPUTING = """
import pickle, sys, time
import gliotype.pipeline as pipeline
from gliotype.study import Subject
with open(sys.argv.pop(), "rb") as file:
    result = pickle.load(file)

def read_alone(source, progress, **options):
    progress("read")
    pipeline.read_study(source, subject=Subject("a"))
    progress("prepare")
    time.sleep(0.2)
    return result

pipeline.predict = read_alone
"""
"""Reads the study, and then has the result of another one: most of the time passes where files are written."""


@pytest.fixture(scope="module")
def known_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("known") / "result.pickle"
    file.write_bytes(pickle.dumps(make_result()))
    return file


def check_stopped_runs(
    run_command: Callable[[], subprocess.Popen[str]], out: Path, home: Path, count: int
) -> None:
    """Stop runs at random moments, with each signal in turn; print a table of what happened."""
    began = time.monotonic()
    _, err = run_command().communicate(timeout=600)
    whole = time.monotonic() - began
    complete = set(contents(out))
    assert "prediction.json" in complete, err
    moments = random.Random(1)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    for number in (signals * count)[:count]:
        wait = moments.uniform(0.05, 1.0) * whole
        before = contents(out)
        run = run_command()
        try:
            run.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            run.send_signal(number)
        _, err = run.communicate(timeout=120)
        left = [path.name for path in (home / "tmp").iterdir()]
        if number is signal.SIGKILL:
            check_writable(out)
            sweep(home / "tmp")
            assert list((home / "tmp").iterdir()) == []
        else:
            assert left == [], f"{number.name} after {wait:.1f} s"
            assert run.returncode in (0, 128 + number, -number), err
        after = contents(out)
        assert after == before or set(after) == complete
        assert [path.name for path in home.iterdir()] == ["tmp"]
        state = "as before" if after == before else "complete"
        print(
            f"{number.name:<8} {wait:5.1f} s  exit {run.returncode:>4}  OUT {state}, left in TMPDIR: {left}"
        )


@pytest.mark.slow
def test_the_whole_command_stopped_at_random_moments(start: Start, tmp_path: Path) -> None:
    """Each signal once, mostly while it computes."""
    out, home, study, mask = (tmp_path / name for name in ("out", "home", "study", "mask.nii.gz"))
    study.mkdir()
    write_small_study(study, mask)
    archive = shutil.make_archive(str(study), "zip", study)
    arguments = ("predict", archive, "-o", out, "--age", 50, "--mask", mask)
    check_stopped_runs(partial(start, PREDICT, *arguments, home=home), out, home, 4)


@pytest.mark.slow
def test_the_command_stopped_while_it_reads_and_writes(
    small_study: Path, known_result: Path, start: Start, tmp_path: Path
) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", small_study)
    arguments = ("predict", archive, "-o", out, "--age", 50, known_result)
    check_stopped_runs(partial(start, WITHOUT_COMPUTING + PREDICT, *arguments, home=home), out, home, MOMENTS)
