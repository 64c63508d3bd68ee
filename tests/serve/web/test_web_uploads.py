"""Uploads: what lands where, and what is refused before or while it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gliotype.errors import InputError
from gliotype.serve.web import uploads
from gliotype.serve.web.uploads import Meter, TooLargeError, upload_path, write_stream
from support.web import Page

TEN_GB = 10_000_000_000


def test_files_lie_as_the_browser_has_them(page: Page) -> None:
    files = {
        "exam/AX T1 post/0001.dcm": b"one",
        "exam/AX T1 post/0002.dcm": b"two" * 500_000,
        "Ödem.nii.gz": b"\x1f\x8b",
    }
    case = page.upload(files, name="case 7")
    assert case == "case-7"
    study = page.private / case / "study"
    assert {path: (study / path).read_bytes() for path in files} == files


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../T1.nii",
        "exam/../../T1.nii",
        "exam//T1.nii",
        "./T1.nii",
        "C:/T1.nii",
        "exam\\..\\T1.nii",
        "T1\x00.nii",
        "T1\n.nii",
        "T1‮iin.exe",
        "CON",
        "exam/nul.dcm",
        "~root",
        "T1.nii.",
        "a" * 201,
        "/".join(["deep"] * 17),
        "😀" * 60,
    ],
)
def test_a_name_that_could_leave_the_folder_or_is_none_elsewhere_is_refused(page: Page, name: str) -> None:
    case = page.upload({})
    before = sorted(page.root.rglob("*"))
    refused = page.client.put(f"/api/cases/{case}/file", params={"path": name}, content=b"voxels")
    assert refused.status_code == 400
    assert "rename the file" in refused.json()["error"]
    assert sorted(page.root.rglob("*")) == before
    with pytest.raises(InputError):
        upload_path(name)


def test_ten_gigabytes_are_refused_when_they_are_announced(page: Page) -> None:
    case = page.upload({})
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x"

    headers = {"content-length": str(TEN_GB)}
    refused = page.client.put(
        f"/api/cases/{case}/file", params={"path": "T1.nii"}, content=body(), headers=headers
    )
    assert refused.status_code == 413
    assert "8 GB at most" in refused.json()["error"]
    assert refused.headers["connection"] == "close"
    assert list((page.private / case / "study").iterdir()) == []


def test_bytes_are_counted_while_they_come(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 1000)
    case = page.upload({"T2.nii": b"y" * 1000})

    def body() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    refused = page.client.put(f"/api/cases/{case}/file", params={"path": "T1.nii"}, content=body())
    assert refused.status_code == 413
    assert [file.name for file in (page.private / case / "study").iterdir()] == ["T2.nii"]


def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    async def iterate() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return iterate()


def test_the_whole_study_its_files_and_the_disk_have_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter()
    monkeypatch.setenv("GLIOTYPE_MAX_ZIP_BYTES", "10")
    asyncio.run(write_stream(stream(b"123", b"456"), tmp_path / "a", meter, None))
    assert (meter.files, meter.bytes) == (1, 6)
    asyncio.run(write_stream(stream(b"1234"), tmp_path / "a", meter, 4))
    assert (meter.files, meter.bytes) == (1, 4), "a file that is sent again replaces the first"
    with pytest.raises(TooLargeError, match="a study may have"):
        asyncio.run(write_stream(stream(b"1234567"), tmp_path / "b", meter, None))
    monkeypatch.setattr(uploads, "MAX_FILES", 1)
    with pytest.raises(TooLargeError, match="more than 1 files"):
        asyncio.run(write_stream(stream(b"1"), tmp_path / "b", meter, None))
    monkeypatch.setattr(uploads, "MAX_FILES", 9)
    monkeypatch.setattr(uploads, "SPARE_BYTES", 10**18)
    with pytest.raises(TooLargeError, match="disk is full"):
        asyncio.run(write_stream(stream(b"1"), tmp_path / "b", meter, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (Meter.of(tmp_path).files, Meter.of(tmp_path).bytes) == (1, 4)


def test_a_file_where_a_folder_is_and_the_other_way_round_are_refused(page: Page) -> None:
    case = page.upload({"exam/T1.nii": b"1"})
    for path in ("exam", "exam/T1.nii/T2.nii"):
        refused = page.client.put(f"/api/cases/{case}/file", params={"path": path}, content=b"2")
        assert (refused.status_code, "the same name" in refused.json()["error"]) == (400, True)


def test_a_broken_upload_leaves_nothing(tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(write_stream(breaking(), tmp_path / "a", Meter(), None))
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_added_once_the_prediction_has_begun(page: Page) -> None:
    case = page.predicted({"T1.nii": b"voxels"})
    refused = page.client.put(f"/api/cases/{case}/file", params={"path": "T2.nii"}, content=b"2")
    assert (refused.status_code, "make a new one" in refused.json()["error"]) == (400, True)


def test_a_zip_comes_alone_and_nothing_is_no_study(page: Page) -> None:
    zipped = page.predicted({"study.zip": b"PK"})
    assert page.get(f"/api/cases/{zipped}")["progress"]["state"] == "done"
    mixed = page.upload({"study.zip": b"PK", "T1.nii": b"voxels"})
    refused = page.client.post(f"/api/cases/{mixed}/predict", json={})
    assert "one zip alone" in refused.json()["error"]
    empty = page.client.post(f"/api/cases/{page.upload({})}/predict", json={})
    assert (empty.status_code, "choose a folder or a zip" in empty.json()["error"]) == (400, True)
