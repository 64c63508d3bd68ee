from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gliotype.batch.bids import studies_in_bids
from gliotype.batch.find import hashed_id, studies_in_folder, studies_in_table
from gliotype.batch.heap import sort_heap
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.errors import InputError, UsageError
from gliotype.read import read_study
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume
from support.dicom_writer import write_dicom_series


def table(tmp_path: Path, text: str) -> tuple[StudyJob, ...]:
    file = tmp_path / "studies.csv"
    file.write_text(text, encoding="utf-8")
    return studies_in_table(file)


def test_a_table_gives_paths_facts_and_ids(tmp_path: Path) -> None:
    two, one = table(
        tmp_path,
        "Study,ID,Age,Sex,Prevalence,T1c,Mask,centre\nb/one,P2,44,female,0.5,,masks/m.nii.gz,X\n,P1,NA,,,t1c.nii,,Y\n\n",
    )
    assert (one.id, one.age, one.sex, one.prevalence) == ("P2", 44.0, "F", 0.5)
    assert one.source == tmp_path / "b/one"
    assert one.mask == tmp_path / "masks/m.nii.gz"
    assert (two.id, two.age, two.source) == ("P1", None, None)
    assert two.files == {Sequence.T1C: tmp_path / "t1c.nii"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient,age\nx,1\n", "no column study"),
        ("study,age\na,old\n", "line 2: the age 'old' is not a number"),
        ("study,age\na,430\n", "line 2: the age 430 is not between 0 and 120"),
        ("study,sex\na,x\n", "the sex 'x' is not M or F"),
        ("study,prevalence\na,30\n", "the prevalence 30 is not between 0 and 1"),
        ("study,age\n,44\n", "line 2 names no study"),
        ("study,id\na,P\nb,p\n", "two studies would be called"),
        ("study,id\na,records\n", "cannot be called records"),
        ("study\n", "no study is listed"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        table(tmp_path, text)


def test_the_name_of_a_folder_is_hidden_unless_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "Doe_Jane").mkdir()
    (tmp_path / "Roe.zip").touch()
    (tmp_path / "readme.txt").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "out").mkdir()
    jobs, others = studies_in_folder(tmp_path, but=tmp_path / "out", named=False)
    assert {job.id for job in jobs} == {hashed_id("Doe_Jane"), hashed_id("Roe.zip")}
    assert others == ("readme.txt",)
    assert [job.id for job in studies_in_folder(tmp_path, but=tmp_path / "out", named=True)[0]] == [
        "Doe_Jane",
        "Roe",
    ]


def test_a_folder_without_studies_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "image.dcm").touch()
    with pytest.raises(InputError, match="--sort for a heap"):
        studies_in_folder(tmp_path, but=tmp_path / "out", named=False)


def test_bids_sessions_are_studies_with_the_facts_of_their_participant(tmp_path: Path) -> None:
    for folder in ("sub-01/ses-pre/anat", "sub-01/ses-post/anat", "sub-02/anat", "derivatives/sub-03"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tAge\tsex\nsub-01\t44.5\tmale\nsub-02\tn/a\tf\n"
    )
    found = {job.id: job for job in studies_in_bids(tmp_path)}
    assert list(found) == ["sub-01_ses-post", "sub-01_ses-pre", "sub-02"]
    pre = found["sub-01_ses-pre"]
    assert (pre.age, pre.sex, pre.folder, pre.bids) == (44.5, "M", "sub-01/ses-pre", "sub-01_ses-pre")
    assert (found["sub-02"].age, found["sub-02"].sex) == (None, "F")
    assert [job.id for job in studies_in_bids(tmp_path, ["02"])] == ["sub-02"]
    with pytest.raises(UsageError, match="no participant sub-09"):
        studies_in_bids(tmp_path, ["sub-09"])


def test_a_heap_is_sorted_by_patient_and_study(tmp_path: Path) -> None:
    heap, output = tmp_path / "heap", tmp_path / "out"
    image = Volume(np.arange(8 * 9 * 5, dtype=np.float32).reshape(8, 9, 5), np.diag([20.0, 18.0, 25.0, 1.0]))
    for number, (patient, study) in enumerate(
        [("A", "1.2.1"), ("A", "1.2.2"), ("B", "1.2.1"), ("A", "1.2.1")]
    ):
        write_dicom_series(
            image,
            heap / f"scan{number}",
            PatientID=patient,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"1.3.{number}",
            SeriesDescription="T1" if number else "T2",
        )
    for number, file in enumerate(sorted(heap.glob("scan*/*"))):
        file.rename(heap / f"{number}.dcm")
    (heap / "notes.txt").write_text("not an image")
    jobs, others = sort_heap(heap, output, lambda words: None)
    counts = sorted(len(list(job.source.iterdir())) for job in jobs if job.source is not None)
    assert (counts, others) == ([5, 5, 10], 1)
    assert not any(word in str(path) for path in output.rglob("*") for word in ("1.2.1", "scan"))
    largest = next(job for job in jobs if job.source is not None and len(list(job.source.iterdir())) == 10)
    assert len(read_study(largest.source, files={}, subject=Subject("a")).images) == 2
    assert sort_heap(heap, output, lambda words: None)[0] == jobs
    # A file that is gone leaves its study, and OUT within the heap is not part of it.
    (heap / "0.dcm").unlink()
    inside, _ = sort_heap(heap, heap / "out", lambda words: None)
    assert [job.id for job in sort_heap(heap, heap / "out", lambda words: None)[0]] == [
        job.id for job in inside
    ]
    assert sum(len(list(job.source.iterdir())) for job in inside if job.source is not None) == 19


def test_jobs_and_settings_travel_as_plain_values(tmp_path: Path) -> None:
    job = StudyJob(
        "a", "a", tmp_path, {Sequence.T1C: tmp_path / "x"}, 44.0, "F", 0.4, tmp_path / "m", "sub-1"
    )
    assert StudyJob.from_plain(job.plain()) == job
    settings = BatchSettings(
        tmp_path, 0.4, (0.1, 0.9), tmp_path / "s.json", tmp_path / "m.onnx", 2, 5.0, 10, retry_failed=True
    )
    assert BatchSettings.from_plain(settings.plain()) == settings
