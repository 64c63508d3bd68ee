from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gliotype.batch.fingerprint import same_result, take_fingerprint
from gliotype.batch.job import BatchSettings, StudyJob


@pytest.fixture
def job(tmp_path: Path) -> StudyJob:
    (tmp_path / "study/series").mkdir(parents=True)
    (tmp_path / "study/series/1.dcm").write_bytes(b"one")
    (tmp_path / "study/series/2.dcm").write_bytes(b"two")
    return StudyJob("a", "a", tmp_path / "study", age=44.0)


def test_a_copy_of_the_files_promises_the_same_result(job: StudyJob, tmp_path: Path) -> None:
    settings = BatchSettings(tmp_path / "out")
    first = take_fingerprint(job, settings, None)
    os.utime(tmp_path / "study/series/1.dcm", (1, 1))
    second = take_fingerprint(job, settings, first)
    assert first.files != second.files
    assert same_result(first, second)
    assert take_fingerprint(job, settings, second) == second


def test_what_changes_a_result_changes_the_fingerprint(job: StudyJob, tmp_path: Path) -> None:
    settings = BatchSettings(tmp_path / "out")
    first = take_fingerprint(job, settings, None)
    for other_job, other_settings in (
        (replace(job, age=45.0), settings),
        (replace(job, id="b"), settings),
        (replace(job, prevalence=0.5), settings),
        (job, replace(settings, threads=2)),
        (job, replace(settings, thresholds=(0.1, 0.9))),
    ):
        assert not same_result(first, take_fingerprint(other_job, other_settings, first))
    (tmp_path / "study/series/2.dcm").write_bytes(b"owt")
    assert not same_result(first, take_fingerprint(job, settings, first))


def test_what_does_not_change_a_result_does_not(job: StudyJob, tmp_path: Path) -> None:
    settings = BatchSettings(tmp_path / "out")
    first = take_fingerprint(job, settings, None)
    for other in (
        replace(settings, timeout_s=5.0),
        replace(settings, output=tmp_path / "b"),
        replace(settings, memory_bytes=1),
    ):
        assert same_result(first, take_fingerprint(job, other, first))


def test_a_study_that_is_not_there_has_a_fingerprint_too(job: StudyJob, tmp_path: Path) -> None:
    settings = BatchSettings(tmp_path / "out")
    gone = take_fingerprint(replace(job, source=tmp_path / "gone"), settings, None)
    (tmp_path / "gone").write_text("now it is")
    assert not same_result(gone, take_fingerprint(replace(job, source=tmp_path / "gone"), settings, gone))
