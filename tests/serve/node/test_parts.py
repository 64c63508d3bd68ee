"""Single parts of the node: settings, names on disk, the note, headers, and sending over the web."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from gliotype.errors import InputError, OutputError, UsageError
from gliotype.serve.jobs import JobStore, State
from gliotype.serve.node.inbox import Inbox, arriving
from gliotype.serve.node.node import Node
from gliotype.serve.node.note import write_note
from gliotype.serve.node.rules import Described
from gliotype.serve.node.settings import (
    DicomTarget,
    NodeLimits,
    NodeSettings,
    Sender,
    WebTarget,
    parse_aet,
    parse_sender,
    parse_target,
    senders_of,
)
from gliotype.serve.node.status import NodeStatus, StudyStatus, node_status, status_lines
from gliotype.serve.node.steps import Steps
from gliotype.serve.node.stow import AUTHORIZATION_VARIABLE, WebDelivery
from gliotype.serve.node.study import describe
from support.dicom_peer import mr_instance, mr_study

LIMITS = NodeLimits(free_bytes=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PACS@10.0.0.5:104", DicomTarget("PACS", "10.0.0.5", 104)),
        ("MY PACS@pacs.local:11112", DicomTarget("MY PACS", "pacs.local", 11112)),
        ("A@[::1]:104", DicomTarget("A", "::1", 104)),
        ("https://pacs/dicom-web/", WebTarget("https://pacs/dicom-web")),
    ],
)
def test_targets(text: str, expected: object) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "PACS", "PACS@host", "PACS@host:0", "PACS@host:70000", "@host:104", "TOOLONGFORATITLE1@h:1", "A@b c:1",
     "https://", "https://user:secret@pacs/dicom-web", "https://pacs/dicom-web?x=1"],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


def test_senders() -> None:
    assert parse_sender("MR@::1") == Sender("MR", "::1")
    assert senders_of(DicomTarget("PACS", "host", 1)) == (Sender("PACS", None),)
    assert senders_of(WebTarget("https://x")) == ()
    for text in ("MR@", "MR@host.name", "MR@1.2.3", "M\\R", " MR"):
        with pytest.raises(UsageError):
            parse_sender(text)
    with pytest.raises(UsageError, match="is not an AE title"):
        parse_aet("")


def received(inbox: Inbox, name: str, text: str = "x") -> Path:
    file = inbox.temporary / name
    file.write_text(text)
    return file


def test_an_inbox_keeps_studies_apart_and_gives_each_away_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    inbox = Inbox(tmp_path, 0.2, LIMITS)
    one = inbox.keep(received(inbox, "a"), "1.2.3", "1.2.3.1", "MR")
    assert inbox.keep(received(inbox, "b"), "1.2.3", "1.2.3.2", "MR") == one
    two = inbox.keep(received(inbox, "c"), "1.2.4", "1.2.4.1", "CT")
    assert two != one
    assert list(inbox.take_complete()) == []
    assert arriving(tmp_path) == {str(one): 2, str(two): 1}
    assert inbox.seconds_until_complete() == pytest.approx(0.2)
    now += 0.25
    jobs = sorted(inbox.take_complete())
    assert sorted(job.partition("-")[0] for job in jobs) == sorted([one, two])
    assert list(inbox.take_complete()) == []
    assert inbox.seconds_until_complete() is None
    folder = next(tmp_path / "jobs" / job for job in jobs if job.startswith(str(one)))
    assert sorted(os.listdir(folder / "input")) == ["1.2.3.1.dcm", "1.2.3.2.dcm"]
    assert (folder / "sender").read_text() == "MR"


def test_an_inbox_resumes_after_the_end_of_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = Inbox(tmp_path, 0.1, LIMITS)
    key = first.keep(received(first, "a"), "1.2.3", "1.2.3.1", "MR")
    received(first, "half")
    again = Inbox(tmp_path, 0.1, LIMITS)
    assert list(again.temporary.iterdir()) == []
    assert again.key("1.2.3") == key
    assert list(again.take_complete()) == []
    now += 0.15
    assert [job.partition("-")[0] for job in again.take_complete()] == [key]


def test_names_differ_from_node_to_node_and_come_from_valid_identifiers(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = Inbox(tmp_path / "a", 1, LIMITS), Inbox(tmp_path / "b", 1, LIMITS)
    assert one.key("1.2.3") != two.key("1.2.3")
    assert (tmp_path / "a" / "key").stat().st_mode & 0o777 == 0o600
    for study, instance in (("../x", "1.2"), ("1.2", "../x"), ("1.2", "1.2\n"), ("1", "1.2")):
        with pytest.raises(ValueError, match="not valid"):
            one.keep(received(one, "f"), study, instance, "MR")


def test_what_broke_off_long_ago_is_removed(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, 1, LIMITS)
    old, new = received(inbox, "old"), received(inbox, "new")
    os.utime(old, (time.time() - 1000, time.time() - 1000))
    inbox.clear_stale()
    assert not old.exists()
    assert new.exists()


def test_the_note_belongs_to_the_study_and_is_the_same_again(tmp_path: Path) -> None:
    source = mr_instance("noted", 0, 16, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg")
    source.save_as(tmp_path / "source.dcm", enforce_file_format=True)
    write_note(tmp_path / "source.dcm", "no T1", tmp_path / "out" / "note.dcm")
    write_note(tmp_path / "source.dcm", "no T1", tmp_path / "again.dcm")
    write_note(tmp_path / "source.dcm", "no T2", tmp_path / "other.dcm")
    note, again, other = (dcmread(tmp_path / name) for name in ("out/note.dcm", "again.dcm", "other.dcm"))
    assert str(note.PatientName) == "Müller^Jörg"
    assert note.StudyInstanceUID == source.StudyInstanceUID
    assert note.SeriesInstanceUID != source.SeriesInstanceUID
    assert note.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert [item.TextValue for item in note.ContentSequence] == [
        "Gliotype did not evaluate this study: no T1",
        "Gliotype is for research use only.",
    ]
    evidence = note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy is not installed: apt-get install dicom3tools"
)
def test_the_note_is_valid_dicom(tmp_path: Path) -> None:
    mr_instance("noted", 0).save_as(tmp_path / "source.dcm", enforce_file_format=True)
    write_note(tmp_path / "source.dcm", "no T1", tmp_path / "note.dcm")
    said = subprocess.run(["dciodvfy", str(tmp_path / "note.dcm")], capture_output=True, text=True).stderr
    assert "BasicTextSR" in said
    assert "Error" not in said


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({"PatientAge": "063Y"}, 63.0),
        ({"PatientAge": "", "PatientBirthDate": "19560314", "StudyDate": "20190304"}, 62.97),
        ({"PatientAge": ""}, None),
    ],
)
def test_description_and_age_come_from_the_headers(
    tmp_path: Path, headers: dict[str, str], age: float | None
) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "sender").write_text("MR1")
    (tmp_path / "input" / "0.dcm").write_bytes(b"no DICOM")
    mr_instance("x", 0, 16, StudyDescription="", **headers).save_as(
        tmp_path / "input" / "1.dcm", enforce_file_format=True
    )
    mr_instance("x", 1, 16, **headers).save_as(tmp_path / "input" / "2.dcm", enforce_file_format=True)
    assert describe(tmp_path) == Described("MR1", "MR brain", age)


class Service(BaseHTTPRequestHandler):
    """Takes objects by STOW-RS."""

    answers: list[tuple[int, bytes]]
    requests: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.path, dict(self.headers), body))
        status, answer = self.answers.pop(0) if self.answers else (200, b"{}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def service(*answers: tuple[int, bytes]) -> Iterator[tuple[WebTarget, type[Service]]]:
    handler = type("Handler", (Service,), {"answers": list(answers), "requests": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield WebTarget(f"http://127.0.0.1:{server.server_port}/dicom-web"), handler
    finally:
        server.shutdown()
        server.server_close()


def result_files(folder: Path) -> list[Path]:
    files = []
    for number, dataset in enumerate(mr_study("stow", 3)):
        files.append(folder / f"{number}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def test_objects_go_over_the_web_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUTHORIZATION_VARIABLE, "Bearer abc")
    files, accepted = result_files(tmp_path), []
    with service() as (target, handler):
        assert WebDelivery(target).send(files, accepted.append) is None
    assert accepted == files
    for file, (path, headers, body) in zip(files, handler.requests, strict=True):
        assert (path, headers["Authorization"]) == ("/dicom-web/studies", "Bearer abc")
        parts = message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
        (part,) = parts.get_payload()
        assert part.get_content_type() == "application/dicom"
        assert dcmread(DicomBytesIO(part.get_payload(decode=True))) == dcmread(file)


def test_what_a_web_service_refuses_is_told(tmp_path: Path) -> None:
    failed = json.dumps({"00081198": {"vr": "SQ", "Value": [{}]}}).encode()
    files, accepted = result_files(tmp_path), []
    with service((503, b"busy"), (202, failed), (200, b"<html>")) as (target, _):
        reason = WebDelivery(target).send(files, accepted.append)
    assert reason == (
        f"{target} refused an object with the status 202; {target} refused an object with the status 503"
    )
    assert accepted == files[2:]


def test_a_web_service_that_is_down(tmp_path: Path) -> None:
    delivery = WebDelivery(WebTarget("http://127.0.0.1:9/dicom-web"))
    reason = delivery.send(result_files(tmp_path), lambda file: None)
    assert reason == "http://127.0.0.1:9/dicom-web cannot be reached (ConnectionRefusedError)"
    assert not delivery.commit([]).offered


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    return NodeSettings(tmp_path, DicomTarget("A", "127.0.0.1", 1), (Sender("A", None),), limits=LIMITS)


def test_what_is_old_is_deleted(settings: NodeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(settings.folder / "queue.sqlite")
    steps = Steps(
        replace(settings, keep_inputs_days=2, keep_days=10), store, WebDelivery(WebTarget("http://x"))
    )
    ends = {"done": State.DONE, "failed": State.FAILED, "replaced": State.CANCELLED, "waiting": None}
    for name, end in ends.items():
        (settings.folder / "jobs" / name / "input").mkdir(parents=True)
        store.add(name, "predict")
        job = store.claim("predict")
        assert job is not None
        if end is None:
            store.postpone(job)
        else:
            store.finish(job, end)

    def remaining(days: float) -> dict[str, list[str]]:
        monkeypatch.setattr(time, "time", lambda: now + days * 86400)
        steps.clear_old()
        return {path.name: os.listdir(path) for path in sorted((settings.folder / "jobs").iterdir())}

    now = time.time()
    assert remaining(1) == {"done": ["input"], "failed": ["input"], "waiting": ["input"]}
    assert remaining(3) == {"done": [], "failed": ["input"], "waiting": ["input"]}
    assert remaining(11) == {"waiting": ["input"]}
    assert [job.id for job in store.jobs()] == ["waiting"]
    store.close()


def test_the_status_in_words(settings: NodeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    with pytest.raises(InputError, match="is not the folder of a node"):
        node_status(settings.folder)
    store = JobStore(settings.folder / "queue.sqlite")
    store.add("abc-1", "send", {"instances": ["x", "y"]})
    job = store.claim("send")
    assert job is not None
    store.retry(job, "nobody answers", 40)
    (settings.folder / "incoming" / "def" / "input").mkdir(parents=True)
    lines = list(status_lines(node_status(settings.folder)))
    store.close()
    assert lines[:2] == ["the node does not run", "1 receiving, 1 sending"]
    assert lines[2].startswith("abc-1                        sending            2 images  20")
    assert lines[2].endswith("  next try in 40 s  nobody answers")
    done = StudyStatus("x", "done", 3)
    many = NodeStatus(True, {"done": 40}, tuple(replace(done, id=f"x{n}") for n in range(40)))
    short = list(status_lines(many))
    assert short[2] == "10 studies that ended earlier are not listed (--json lists them)"
    assert (len(short), short[3][:4]) == (33, "x10 ")
    assert lines[3] == "def                          receiving          0 images"


def test_an_address_that_is_not_free(settings: NodeSettings) -> None:
    with Node(replace(settings, folder=settings.folder / "a", port=0)) as first:
        taken = replace(settings, folder=settings.folder / "b", port=first.port)
        with pytest.raises(OutputError, match=r"cannot listen on 127\.0\.0\.1"):
            Node(taken).start()
        with pytest.raises(OutputError, match=r"cannot listen on 192\.0\.2\.1"):
            Node(replace(taken, host="192.0.2.1")).start()
