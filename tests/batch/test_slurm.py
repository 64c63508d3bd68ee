"""Shards as a job array of a real Slurm, where one answers (`sinfo`)."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gliotype.batch.record import State, read_records
from gliotype.cli.batch import SOME_FAILED
from support.batch_client import FILE as CLIENT

from .conftest import Studies


def slurm_answers() -> bool:
    """Whether jobs can be submitted from here."""
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        return False
    try:
        found = subprocess.run(
            ["sinfo", "--noheader", "--states=idle,mixed"], capture_output=True, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return found.returncode == 0 and bool(found.stdout.strip())


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not slurm_answers(), reason="no Slurm with an idle node answers here"),
]


def test_a_job_array_predicts_every_study_once(studies: Studies, tmp_path: Path) -> None:
    jobs = studies(a="fine", b="bad", c="fine", d="fine")
    command = f"{sys.executable} {CLIENT} {tmp_path} shard $SLURM_ARRAY_TASK_ID/2"
    array = ["sbatch", "--wait", "--array=1-2", "--ntasks=1", f"--output={tmp_path}/said-%a.txt"]
    ended = subprocess.run([*array, "--wrap", command], cwd=tmp_path, timeout=600, check=False)
    said = "".join(file.read_text() for file in sorted(tmp_path.glob("said-*.txt")))
    assert ended.returncode == SOME_FAILED, said
    records = {record.id: record for record in read_records(tmp_path / "out")}
    assert set(records) == {job.id for job in jobs}
    assert [name for name, record in records.items() if record.state is State.FAILED] == ["b"]
    assert sorted((tmp_path / "predicted.txt").read_text().split()) == ["a", "c", "d"]
    with (tmp_path / "out/predictions.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["subject"] for row in csv.DictReader(stream)] == ["a", "c", "d"]
