"""From the upload to the answer, another answer, and the files: with a stand-in for the command of a job."""

from __future__ import annotations

import io
import json
import signal
import stat
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.cached_study import cached_brain, cached_labels
from gliotype.serve.jobs import JobProcess, JobStore, Limits
from gliotype.serve.web.cases import CaseFolder, Settings
from gliotype.study import Label
from gliotype.volume import Volume
from support.factory import PREPARED
from support.web import Page, Prepared, copy_results, open_page

pytestmark = pytest.mark.slow

STUDY = {"exam/T1.nii": b"voxels"}


def arguments(page: Page, case: str) -> list[str]:
    """What the last job of a case was called with."""
    found = json.loads((page.private / case / "job" / "arguments.json").read_text())
    assert isinstance(found, list)
    return found


def volume(content: bytes) -> Volume:
    image = nib.Nifti1Image.from_bytes(content)
    return Volume(np.asarray(image.dataobj), image.affine)


def test_a_study_goes_through_the_command_and_its_results_lie_where_the_command_line_reads_them(
    page: Page,
) -> None:
    case = page.upload(STUDY, name="case-12", age=44, sex="F", prevalence=0.4)
    assert page.get(f"/api/cases/{case}")["progress"]["state"] is None
    page.client.post(f"/api/cases/{case}/predict", json={})
    found = page.wait(case)
    assert found["progress"]["state"] == "done"
    assert (found["prediction"]["subject"], found["prediction"]["age"]) == ("case-12", 44)
    assert arguments(page, case) == [
        *("predict", str(page.private / case / "study"), "-o", str(page.root / case), "--id=case-12"),
        *(f"--keep={page.private / case / 'cache'}", "--age=44.0", "--sex=F", "--prevalence=0.4"),
    ]
    assert (page.root / case / "prediction.json").is_file()
    assert not {"cache", "study", "case.json"} & {file.name for file in (page.root / case).iterdir()}
    assert stat.S_IMODE(page.private.stat().st_mode) == 0o700


def test_a_case_without_a_name_gets_one_and_two_of_a_name_differ(page: Page) -> None:
    one, two, none = page.upload({}, name="a/../b"), page.upload({}, name="a/../b"), page.upload({})
    assert one == "a-..-b"
    assert two.startswith("a-..-b-")
    assert none.startswith("case-")
    assert len(list(page.root.iterdir())) == 1


def test_progress_and_the_queue_are_told(page: Page) -> None:
    slow, next_ = page.upload({"slow.nii": b"1"}), page.upload(STUDY)
    for case in (slow, next_):
        page.client.post(f"/api/cases/{case}/predict", json={})
    while page.get(f"/api/cases/{slow}")["progress"]["stage"] != "prepare":
        pass
    waiting = page.get(f"/api/cases/{next_}")["progress"]
    assert (waiting["state"], waiting["ahead"]) == ("waiting", 1)
    page.client.post(f"/api/cases/{slow}/cancel")
    assert page.wait(slow)["progress"]["state"] == "cancelled"
    assert page.wait(next_)["progress"]["state"] == "done"


def test_a_waiting_job_is_cancelled_and_a_case_that_is_computed_is_left_alone(page: Page) -> None:
    slow, next_ = page.upload({"slow.nii": b"1"}), page.upload(STUDY)
    for case in (slow, next_):
        page.client.post(f"/api/cases/{case}/predict", json={})
    page.client.post(f"/api/cases/{next_}/cancel")
    assert page.get(f"/api/cases/{next_}")["progress"]["state"] == "cancelled"
    page.wait(slow, "running")
    again = page.client.post(f"/api/cases/{slow}/predict", json={})
    assert (again.status_code, "is being computed" in again.json()["error"]) == (400, True)
    assert page.client.delete(f"/api/cases/{slow}").status_code == 400
    page.client.post(f"/api/cases/{slow}/cancel")
    page.wait(slow)


def test_a_wrong_file_gives_the_sentence_of_the_command(page: Page) -> None:
    case = page.predicted({"notes.txt": b"text"})
    found = page.get(f"/api/cases/{case}")
    assert found["progress"]["state"] == "failed"
    assert found["progress"]["reason"].startswith("the study holds no image among its files: give DICOM")
    assert found["prediction"] is None


def test_another_age_is_answered_from_what_was_kept(page: Page) -> None:
    case = page.predicted(STUDY, age=44)
    assert page.client.post(f"/api/cases/{case}/revise", json={"age": 61.5, "sex": "M"}).status_code == 202
    found = page.wait(case)
    cache = str(page.private / case / "cache")
    out = str(page.root / case)
    assert arguments(page, case) == ["revise", cache, "-o", out, f"--id={case}", "--age=61.5", "--sex=M"]
    assert found["settings"] == {"age": 61.5, "sex": "M", "prevalence": None, "sequences": {}}
    assert found["prediction"]["age"] == 61.5


def test_an_outline_that_is_uploaded_counts_once_it_has_been_answered(page: Page) -> None:
    case = page.predicted(STUDY)
    assert page.client.put(f"/api/cases/{case}/mask", content=b"text, no mask").status_code == 201
    page.client.post(f"/api/cases/{case}/revise", json={"mask": True})
    failed = page.wait(case)
    assert (failed["progress"]["state"], failed["corrected"]) == ("failed", False)
    assert failed["progress"]["reason"].startswith("the mask is not NIfTI")
    assert failed["prediction"]["call"] == "wildtype", "the answer before stays"
    page.client.put(f"/api/cases/{case}/mask", content=b"\x1f\x8b mask")
    page.client.post(f"/api/cases/{case}/revise", json={"mask": True})
    assert page.wait(case)["corrected"] is True
    assert arguments(page, case)[-1] == f"--mask={page.private / case / 'mask-new.nii.gz'}"
    page.client.post(f"/api/cases/{case}/revise", json={"age": 50, "mask": True})
    assert page.wait(case)["corrected"] is True
    assert arguments(page, case)[-1] == f"--mask={page.private / case / 'mask.nii.gz'}"
    page.client.post(f"/api/cases/{case}/revise", json={"mask": False})
    assert page.wait(case)["corrected"] is False
    refused = page.client.post(f"/api/cases/{case}/revise", json={"mask": True})
    assert "draw or upload one" in refused.json()["error"]


def test_dicom_results_follow_another_answer(page: Page) -> None:
    case = page.predicted(STUDY)
    (page.root / case / "dicom").mkdir()
    (page.root / case / "dicom" / "report_sr.dcm").write_bytes(b"DICM")
    page.client.post(f"/api/cases/{case}/revise", json={"age": 50})
    assert page.wait(case)["progress"]["reason"] is None
    study = str(page.private / case / "study")
    assert arguments(page, case) == ["dicom", str(page.root / case), "--reference", study]
    (page.private / case / "study" / "no-dicom.nii").write_bytes(b"")
    page.client.post(f"/api/cases/{case}/revise", json={"age": 51})
    found = page.wait(case)
    assert (found["progress"]["state"], found["prediction"]["age"]) == ("done", 51)
    assert found["progress"]["reason"].startswith("no series of the study")


def test_a_drawing_lands_on_the_voxels_on_which_it_was_drawn(page: Page) -> None:
    case = page.predicted(STUDY)
    drawn = np.zeros(PREPARED.shape, np.uint8)
    drawn[90:100, 40:45, 60:62] = Label.ENHANCING
    drawn[90:92, 40:45, 60:62] = Label.OEDEMA
    assert page.client.put(f"/api/cases/{case}/drawing", content=drawn.tobytes(order="F")).status_code == 201
    image = nib.Nifti1Image.from_filename(page.private / case / "mask-new.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), drawn)
    np.testing.assert_allclose(image.affine, PREPARED.affine, atol=1e-5)
    page.client.post(f"/api/cases/{case}/revise", json={"mask": True})
    page.wait(case)
    shown = volume(page.client.get(f"/api/cases/{case}/volumes/outline.nii").content)
    np.testing.assert_array_equal(shown.array, drawn)
    for wrong in (drawn.tobytes()[:-1], np.full(PREPARED.shape, 4, np.uint8).tobytes(), b""):
        refused = page.client.put(f"/api/cases/{case}/drawing", content=wrong)
        assert (refused.status_code, "does not fit" in refused.json()["error"]) == (400, True)


def test_what_an_image_was_taken_for_is_overruled(page: Page) -> None:
    case = page.predicted(STUDY, age=44)
    page.client.post(
        f"/api/cases/{case}/predict", json={"sequences": {"exam/a=b.nii": "T1C", "exam/loc.nii": "none"}}
    )
    assert page.wait(case)["settings"]["sequences"] == {"exam/a=b.nii": "T1C", "exam/loc.nii": "none"}
    assert arguments(page, case)[-3:] == [
        "--age=44.0",
        "--image=exam/a=b.nii=T1C",
        "--image=exam/loc.nii=none",
    ]
    page.client.post(f"/api/cases/{case}/predict", json={"sequences": {"exam/loc.nii": "auto"}})
    assert page.wait(case)["settings"]["sequences"] == {"exam/a=b.nii": "T1C"}


def test_cases_of_the_command_line_are_in_the_history(page: Page, prepared: Prepared) -> None:
    copy_results(prepared, page.root / "by hand (1)")
    (page.root / "notes").mkdir()
    (page.root / ".hidden").mkdir()
    copy_results(prepared, page.root / ".hidden" / "inner")
    assert [line["id"] for line in page.get("/api/cases")["cases"]] == ["by hand (1)"]
    found = page.get("/api/cases/by%20hand%20(1)")
    assert (found["call"], found["volumes"], found["uploaded"]) == (
        "wildtype",
        {"sequences": [], "maps": []},
        False,
    )
    refused = page.client.post("/api/cases/by%20hand%20(1)/revise", json={"age": 4})
    assert "were not cached" in refused.json()["error"]
    assert page.client.get("/api/cases/by%20hand%20(1)/files/report.pdf").content.startswith(b"%PDF")
    assert page.client.get("/api/cases/by%20hand%20(1)/volumes/T1C.nii").status_code == 404


def test_the_viewer_gets_sequences_maps_and_outline_on_one_grid(page: Page, prepared: Prepared) -> None:
    case = page.predicted(STUDY)
    names = page.get(f"/api/cases/{case}")["volumes"]
    assert names["sequences"] == ["T1", "T1C", "T2", "FLAIR"]
    assert set(names["maps"]) == {"perfusion_k2", "perfusion_rcbv"}
    brain = np.asarray(cached_brain(prepared.cached).array)
    for name in (*names["sequences"], *names["maps"], "outline"):
        response = page.client.get(f"/api/cases/{case}/volumes/{name}.nii")
        shown = volume(response.content)
        assert shown.grid.same_as(PREPARED)
        assert np.isfinite(np.asarray(shown.array)).all()
    outline = volume(page.client.get(f"/api/cases/{case}/volumes/outline.nii").content)
    np.testing.assert_array_equal(outline.array, cached_labels(prepared.cached).array)
    white = volume(page.client.get(f"/api/cases/{case}/volumes/T1C.nii").content)
    header = nib.Nifti1Image.from_bytes(page.client.get(f"/api/cases/{case}/volumes/T1C.nii").content).header
    assert 1.0 < float(header["cal_max"]) < 2.5, "white matter is 1"
    assert np.median(np.asarray(white.array)[brain]) == pytest.approx(0.95, abs=0.15)
    assert page.client.get(f"/api/cases/{case}/volumes/T9.nii").status_code == 404


def test_a_map_lies_where_the_series_lies(page: Page) -> None:
    case = page.predicted(STUDY)
    shown = volume(page.client.get(f"/api/cases/{case}/volumes/perfusion_rcbv.nii").content)
    values, x = np.asarray(shown.array), shown.grid.world()[..., 0]
    assert values[(x > 15) & (values > 0.1)].mean() > 2 > 1.3 > values[(x < -15) & (values > 0.1)].mean()


def test_downloads_hold_what_lies_in_the_folder(page: Page) -> None:
    case = page.predicted(STUDY)
    (page.root / case / "dicom").mkdir()
    (page.root / case / "dicom" / "seg.dcm").write_bytes(b"DICM")
    (page.root / case / "dicom" / "link.dcm").symlink_to(page.private / case / "case.json")
    names = page.get(f"/api/cases/{case}")["downloads"]
    assert "dicom/seg.dcm" in names
    assert "dicom/link.dcm" not in names
    whole = page.client.get(f"/api/cases/{case}/results.zip")
    assert whole.headers["content-disposition"] == f'attachment; filename="{case}.zip"'
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        assert set(archive.namelist()) == {f"{case}/{name}" for name in names}
        assert json.loads(archive.read(f"{case}/prediction.json"))["subject"] == case
    dicom = page.client.get(f"/api/cases/{case}/results.zip?dicom")
    with zipfile.ZipFile(io.BytesIO(dicom.content)) as archive:
        assert archive.namelist() == [f"{case}/dicom/seg.dcm"]
    assert page.client.get(f"/api/cases/{case}/files/dicom/seg.dcm").content == b"DICM"
    assert not list(page.private.glob("*.zip"))


def test_the_waterfall_is_that_of_the_answer(page: Page) -> None:
    case = page.predicted(STUDY)
    drawn = page.client.get(f"/api/cases/{case}/waterfall")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert "answer -1.90 (13 %, range" in drawn.text
    assert drawn.text.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 430')


def test_a_case_is_deleted_with_its_upload_and_files_of_others_stay(page: Page) -> None:
    case = page.predicted(STUDY)
    (page.root / case / "mine.txt").write_text("keep")
    assert page.client.delete(f"/api/cases/{case}").status_code == 200
    assert [file.name for file in (page.root / case).iterdir()] == ["mine.txt"]
    assert not (page.private / case).exists()
    assert page.get("/api/cases")["cases"] == []
    other = page.predicted(STUDY)
    page.client.delete(f"/api/cases/{other}")
    assert not (page.root / other).exists()


def test_the_history_survives_a_restart_and_a_running_job_begins_anew(
    tmp_path: Path, prepared: Prepared
) -> None:
    root = tmp_path / "cases"
    with open_page(root, prepared) as page:
        done, slow = page.predicted(STUDY), page.upload({"slow.nii": b"1"})
        page.client.post(f"/api/cases/{slow}/predict", json={})
        page.wait(slow, "running")
    with open_page(root, prepared) as page:
        found = {line["id"]: line["progress"]["state"] for line in page.get("/api/cases")["cases"]}
        assert found.keys() == {done, slow}
        page.wait(slow, "running")
        page.client.post(f"/api/cases/{slow}/cancel")
        page.wait(slow)


def test_a_job_that_a_killed_server_left_running_is_ended_first(tmp_path: Path, prepared: Prepared) -> None:
    cases = CaseFolder(tmp_path / "cases")
    case = cases.add("case", Settings())
    (case.study / "T1.nii").write_bytes(b"voxels")
    store = JobStore(cases.private / "jobs.sqlite")
    arguments = ["predict", str(case.study), "-o", str(case.results), "--id=case"]
    store.add(case.id, "run", {"commands": [arguments], "settings": {"mask": False}})
    assert store.claim("run") is not None
    orphan = JobProcess(("sleep", "60"), case.job, Limits())
    store.close()
    with open_page(tmp_path / "cases", prepared) as page:
        assert orphan.wait().exit_code == -signal.SIGKILL
        assert page.wait("case")["progress"]["state"] == "done"
