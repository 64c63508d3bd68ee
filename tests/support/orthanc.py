"""A real Orthanc on the loopback interface, with its own configuration and storage, for as long as it is needed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from support.ports import reserved_port

PROGRAM = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
WEB_PLUGIN = next(iter(sorted(Path("/usr/lib/orthanc").glob("libOrthancDicomWeb.so.*"))), None)
AET = "ORTHANC"
MODALITY = "gliotype"


@dataclass(frozen=True)
class Orthanc:
    """One that runs.

    Attributes:
        http: port of its REST interface.
        dicom: port on which it takes associations.
    """

    http: int
    dicom: int

    def call(self, path: str, data: bytes | None = None, method: str | None = None) -> bytes:
        """Call the REST interface; with data by POST unless `method` says otherwise."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def get(self, path: str) -> Any:
        """Read JSON."""
        return json.loads(self.call(path))

    def add(self, dataset: Dataset) -> str:
        """Store an object; return the identifier that Orthanc gives to its study."""
        stream = BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        return str(json.loads(self.call("/instances", stream.getvalue()))["ParentStudy"])

    def send_to_node(self, study: str) -> None:
        """Send a study to the node by C-STORE, and wait until it has been taken."""
        self.call(f"/modalities/{MODALITY}/store", study.encode())

    def objects(self, study: str) -> dict[str, Dataset]:
        """All objects of a study by their identifiers."""
        found = self.get(f"/studies/{study}/instances")
        datasets = [dcmread(BytesIO(self.call(f"/instances/{each['ID']}/file"))) for each in found]
        return {str(dataset.SOPInstanceUID): dataset for dataset in datasets}


@contextmanager
def orthanc(
    folder: Path, node_port: int, *, dicom_port: int | None = None, http_port: int | None = None
) -> Iterator[Orthanc]:
    """Run Orthanc; whatever an earlier one stored in the folder is there again.

    Args:
        folder: for its configuration and storage; created if missing.
        node_port: of the node among its modalities.
        dicom_port: reserved one on which it takes associations; one of its own if None.
        http_port: reserved one of its REST interface; one of its own if None.
    """
    with ExitStack() as stack:
        ports = [port or stack.enter_context(reserved_port()) for port in (http_port, dicom_port)]
        yield from _run(folder, node_port, Orthanc(*ports))


def _run(folder: Path, node_port: int, running: Orthanc) -> Iterator[Orthanc]:
    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": running.http,
        "DicomPort": running.dicom,
        "DicomAet": AET,
        "DicomModalities": {MODALITY: {"AET": "GLIOTYPE", "Host": "127.0.0.1", "Port": node_port}},
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StableAge": 1,
        "Plugins": [] if WEB_PLUGIN is None else [str(WEB_PLUGIN)],
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen([PROGRAM, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _wait_for(running, process, folder)
        yield running
    finally:
        process.terminate()
        process.wait(120)


def _wait_for(running: Orthanc, process: subprocess.Popen[bytes], folder: Path) -> None:
    due = time.monotonic() + 120
    while True:
        try:
            running.get("/system")
            return
        except (urllib.error.URLError, ConnectionError):
            log = (folder / "log.txt").read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"Orthanc ended: {log}"
            assert time.monotonic() < due, f"Orthanc does not answer: {log}"
            time.sleep(0.1)
