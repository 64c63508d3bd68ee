from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gliotype.serve.jobs import JobProcess, Limits, end_orphan
from gliotype.serve.jobs import process as process_module
from gliotype.serve.jobs.process import LOCK, last_line

PYTHON = sys.executable


def python(script: str) -> list[str]:
    return [PYTHON, "-I", "-S", "-c", script]


def gone(pid: int) -> bool:
    """Whether a process has ended, waiting for it."""
    for _ in range(6000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_command_that_ends_well(tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = JobProcess(python("open('made', 'w').write('x')"), tmp_path, Limits()).wait()
    most = time.monotonic() - began
    assert (outcome.exit_code, outcome.reason, outcome.stopped, outcome.timed_out) == (0, None, False, False)
    assert (tmp_path / "made").read_text() == "x"
    assert 0 < outcome.seconds <= most
    # A process begins with the memory of the one that forks it, which the system counts as its own.
    own = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 1e6 < outcome.peak_bytes < max(1e9, 1.1 * own)


def test_the_reason_is_the_last_line_on_stderr(tmp_path: Path) -> None:
    script = "import sys; print('read', file=sys.stderr); print('gliotype: no image', file=sys.stderr); sys.exit(4)"
    outcome = JobProcess(python(script), tmp_path, Limits()).wait()
    assert (outcome.exit_code, outcome.reason) == (4, "no image")


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("import sys; sys.exit(3)", 3, "it ended with exit code 3 without a reason"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -11, "it was ended by SIGSEGV"),
    ],
)
def test_an_end_without_a_word(tmp_path: Path, script: str, code: int, reason: str) -> None:
    outcome = JobProcess(python(script), tmp_path, Limits()).wait()
    assert (outcome.exit_code, outcome.reason) == (code, reason)


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    outcome = JobProcess([str(tmp_path / "nothing")], tmp_path, Limits()).wait()
    assert (outcome.exit_code, outcome.reason) == (
        127,
        f"cannot run {tmp_path / 'nothing'}: No such file or directory",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
def test_memory_is_limited(tmp_path: Path) -> None:
    outcome = JobProcess(python("x = bytearray(400_000_000)"), tmp_path, Limits(60, 200_000_000)).wait()
    assert (outcome.exit_code, outcome.reason) == (1, "it needed more memory than 0.2 GB")


def wait_for(file: Path) -> str:
    """Wait for a file with text, and return it."""
    due = time.monotonic() + 120
    while not file.exists() or not file.read_text():
        assert time.monotonic() < due
        time.sleep(0.01)
    return file.read_text()


def test_time_is_limited(tmp_path: Path) -> None:
    outcome = JobProcess(["sleep", "600"], tmp_path, Limits(0.1)).wait()
    assert (outcome.timed_out, outcome.reason) == (True, "it took longer than 0.1 s")
    assert outcome.exit_code == -signal.SIGTERM


def test_the_whole_group_ends_when_its_time_is_up(tmp_path: Path) -> None:
    script = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    process = JobProcess(python(script), tmp_path, Limits(3600))
    child = int(wait_for(tmp_path / "child"))
    process._expire()
    assert process.wait().timed_out
    assert gone(child)


def test_a_process_that_ignores_the_request_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "GRACE_S", 0.2)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('on', 'w').write('x'); time.sleep(600)"
    )
    process = JobProcess(python(script), tmp_path, Limits())
    wait_for(tmp_path / "on")
    process.stop()
    outcome = process.wait()
    assert (outcome.exit_code, outcome.stopped, outcome.reason) == (-signal.SIGKILL, True, "it was stopped")
    process.stop()


def test_a_job_has_one_process_at_a_time(tmp_path: Path) -> None:
    process = JobProcess(["sleep", "60"], tmp_path, Limits())
    with pytest.raises(RuntimeError, match="still running"):
        JobProcess(["true"], tmp_path, Limits())
    process.stop()
    process.wait()
    assert JobProcess(["true"], tmp_path, Limits()).wait().exit_code == 0


def test_an_orphan_is_ended_with_its_children(tmp_path: Path) -> None:
    server = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from gliotype.serve.jobs import JobProcess, Limits\n"
        "JobProcess(['sh', '-c', 'sleep 60 & wait'], Path(sys.argv[1]), Limits())\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([PYTHON, "-c", server, str(tmp_path)]).returncode == -9
    assert end_orphan(tmp_path)
    assert gone(int((tmp_path / LOCK).read_text()))
    assert not end_orphan(tmp_path)


def test_no_orphan_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert not end_orphan(tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_last_line_of_a_long_file_is_found_and_cut(tmp_path: Path) -> None:
    file = tmp_path / "stderr.txt"
    file.write_bytes(b"x" * 1_000_000 + b"\n\xff\n" + b"y" * 2000 + b"\n \n")
    assert last_line(file) == "y" * 500
    file.write_bytes(b"")
    assert last_line(file) == ""
