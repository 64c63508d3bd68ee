"""``gliotype node`` as a process: what it refuses at once, how it ends, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="pynetdicom is not installed: pip install 'gliotype[node]'")

from gliotype.serve.node.settings import DicomTarget
from support.command_line import Run
from support.dicom_peer import ARCHIVE, archive, mr_study, send
from support.node_process import node_process, wait
from support.stand_in_predict import RELEASE, result_uids

# pynetdicom leaves the socket of a connection that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "say where the node keeps its files and where results go"),
        (["-o", "NODE", "--to", "nowhere"], 2, "'nowhere' is not a target"),
        (["-o", "NODE", "--to", "https://pacs/dicom-web"], 2, "nobody may send to the node"),
        (["-o", "NODE", "--to", "A@h:1", "--allow", "A@name"], 2, "is not a sender"),
        (["-o", "NODE", "--to", "A@h:1", "--aet", "a\\b"], 2, "is not an AE title"),
        (["-o", "NODE", "--to", "A@h:1", "--rules", "none.toml"], 3, "cannot read the rules"),
        (["status", "-o", "NODE"], 3, "is not the folder of a node"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    arguments = [str(tmp_path / "node") if each == "NODE" else each for each in arguments]
    found, out, err = run("node", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert not (tmp_path / "node").exists()


@pytest.mark.slow
def test_it_runs_until_it_is_asked_to_end(tmp_path: Path, run: Run) -> None:
    command = [
        sys.executable,
        "-m",
        "gliotype",
        "node",
        "-o",
        str(tmp_path / "n"),
        "--to",
        "PACS@127.0.0.1:9",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "INFO GLIOTYPE listens on 127.0.0.1:" in process.stderr.readline()
        code, out, _ = run("node", "status", "-o", tmp_path / "n", "--json")
        assert (code, json.loads(out)) == (0, {"running": True, "counts": {}, "studies": []})
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
    assert process.returncode == 0
    assert log.rstrip().endswith("INFO stopped")
    code, out, _ = run("node", "status", "-o", tmp_path / "n")
    assert (code, out) == (0, "the node does not run\nno studies\n")


def pid_of(job: Path) -> int | None:
    """Process of a job, once it has said which it is; a job counts as predicting a moment before it has one."""
    lock = job / "process.lock"
    text = lock.read_text().strip() if lock.exists() else ""
    return int(text) if text else None


@pytest.mark.slow
def test_a_killed_node_resumes_and_ends_the_process_that_it_left_running(tmp_path: Path) -> None:
    with (
        archive() as target,
        node_process(tmp_path / "node", DicomTarget(ARCHIVE, "127.0.0.1", target.port)) as node,
    ):
        node.start()
        study = mr_study("killed", 1, StudyDescription="please hold")
        assert send(node.port, study) == [0]
        wait(lambda: [each.state for each in node.studies()] == ["predicting"])
        (job,) = (node.folder / "jobs").iterdir()
        wait(lambda: pid_of(job) is not None)
        orphan = pid_of(job)
        assert orphan is not None
        node.end(signal.SIGKILL)
        os.kill(orphan, 0)
        node.start()
        wait(lambda: pid_of(job) not in (None, orphan))
        (job / RELEASE).touch()
        wait(lambda: [each.state for each in node.studies()] == ["done"])
        expected = result_uids([str(dataset.SOPInstanceUID) for dataset in study])
        assert target.wait_for(4) == dict.fromkeys(expected.values(), 1)
        assert node.end(signal.SIGTERM) == 0
