"""Attack a page of `gliotype serve`, and print what it answers; then send thousands of files, and print the seconds.

    python benchmarks/web.py [--files N]

The server is started for the purpose, on a free port of this machine, over an empty folder.
"""

from __future__ import annotations

import argparse
import http.client
import io
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

TEN_GB = 10_000_000_000
FILE_BYTES = 200_000
"""Of one uploaded DICOM file."""
STREAMS = 4


@dataclass(frozen=True)
class Server:
    """A running page."""

    port: int
    token: str
    process: subprocess.Popen[str]

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Send what the page would send, with other headers where given; return status and text."""
        own = f"127.0.0.1:{self.port}"
        usual = {"Host": own, "Origin": f"http://{own}", "Cookie": f"gliotype-{self.port}={self.token}"}
        merged = {**usual, "Content-Length": str(len(body)), **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in merged.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read(2000).decode("utf-8", "replace")
        finally:
            connection.close()

    def case(self) -> str:
        """Make a case and return its id."""
        found = re.search(r'"id":"([^"]+)"', self.call("POST", "/api/cases", b"{}")[1])
        assert found is not None
        return found[1]

    @property
    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1e3  # type: ignore[index]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a folder."""
    command = [sys.executable, "-m", "gliotype", "serve", "-o", str(folder), "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+)/\?token=(\S+)", process.stderr.readline())
        assert found is not None
        server = Server(int(found[1]), found[2], process)
        while True:
            try:
                server.call("GET", "/api/cases")
                break
            except ConnectionError:
                time.sleep(0.1)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def bomb() -> bytes:
    """Make a zip of 2 MB that unpacks to 2 GB."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("T1.nii", "w", force_zip64=True) as member,
    ):
        for _ in range(2_000):
            member.write(bytes(1_000_000))
    return packed.getvalue()


def outcome(server: Server, case: str) -> tuple[int, str]:
    """Predict, wait for the end, and return the reason."""
    server.call("POST", f"/api/cases/{case}/predict", b"{}")
    while True:
        _, text = server.call("GET", f"/api/cases/{case}")
        if not re.search(r'"state":"(waiting|running)"', text):
            reason = re.search(r'"reason":"([^"]*)"', text)
            return 400 if reason else 200, reason[1] if reason else text
        time.sleep(0.3)


def unpacked(server: Server, name: str, content: bytes) -> tuple[int, str]:
    """Upload one file and let the command read it."""
    case = server.case()
    server.call("PUT", f"/api/cases/{case}/file?path={name}", content)
    return outcome(server, case)


def escaping_zip() -> bytes:
    """Make a zip with a member that leads outside."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../escaped.nii", b"x")
    return packed.getvalue()


def half_open(server: Server) -> tuple[int, str]:
    """Open as many connections as the server takes, send half a request on each, and see whether others are served."""
    sockets = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(60)]
    for each in sockets:
        each.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1")
    try:
        return server.call("GET", "/api/cases")
    finally:
        for each in sockets:
            each.close()


def attacks(server: Server) -> list[tuple[str, Callable[[], tuple[int, str]], set[int]]]:
    """List what is tried, and the answers that are due."""
    own, read = f"127.0.0.1:{server.port}", ("GET", "/api/cases")

    def put(
        path: str, headers: dict[str, str] | None = None, body: bytes = b"x"
    ) -> Callable[[], tuple[int, str]]:
        return lambda: server.call(
            "PUT", f"/api/cases/{server.case()}/file?path={quote(path, safe='')}", body, headers
        )

    def with_(
        headers: dict[str, str], method: str = "GET", path: str = "/api/cases"
    ) -> Callable[[], tuple[int, str]]:
        return lambda: server.call(method, path, b"", headers)

    return [
        ("other Host (DNS rebinding)", with_({"Host": f"evil.example:{server.port}"}), {421}),
        ("Host without the port", with_({"Host": "127.0.0.1"}), {421}),
        ("other Origin, reading", with_({"Origin": "http://evil.example"}), {403}),
        ("other Origin, writing", with_({"Origin": "http://evil.example"}, "POST"), {403}),
        ("no Origin, writing", with_({"Origin": ""}, "POST"), {403}),
        ("Origin of another local port", with_({"Origin": "http://127.0.0.1:1"}, "POST"), {403}),
        ("no token", with_({"Cookie": ""}), {403}),
        ("wrong token", with_({"Cookie": f"gliotype-{server.port}=guess"}), {403}),
        ("from another site (Sec-Fetch-Site)", with_({"Sec-Fetch-Site": "cross-site"}), {403}),
        ("path in a file name: ../../T1.nii", put("../../T1.nii"), {400}),
        ("path in a file name: /etc/passwd", put("/etc/passwd"), {400}),
        ("path in a file name: C:\\T1.nii", put("C:\\T1.nii"), {400}),
        ("device as a file name: NUL", put("NUL"), {400}),
        ("path in an address", lambda: server.call("GET", "/static/..%2f..%2fapp.py"), {404}),
        ("path as a case", lambda: server.call("GET", "/api/cases/..%2f..%2fetc"), {404}),
        ("10 GB announced", put("T1.nii", {"Content-Length": str(TEN_GB)}, b""), {413}),
        ("1 MB of JSON", lambda: server.call("POST", "/api/cases", b" " * 1_000_000), {413}),
        ("JSON that is none", lambda: server.call("POST", "/api/cases", b"{"), {400}),
        ("60 half-open connections, then a request", lambda: half_open(server), {200}),
        ("zip bomb, 2 MB to 2 GB", lambda: unpacked(server, "bomb.zip", bomb()), {400}),
        ("zip with ../../", lambda: unpacked(server, "escape.zip", escaping_zip()), {400}),
        ("no image", lambda: unpacked(server, "notes.txt", b"text"), {400}),
        (f"GET {read[1]} as the page, {own}", with_({}), {200}),
    ]


def upload(server: Server, count: int) -> float:
    """Send many files, several at a time; return the seconds."""
    case, content = server.case(), bytes(FILE_BYTES)

    def send(number: int) -> int:
        return server.call("PUT", f"/api/cases/{case}/file?path=exam%2F{number:05}.dcm", content)[0]

    began = time.perf_counter()
    with ThreadPoolExecutor(STREAMS) as pool:
        assert set(pool.map(send, range(count))) == {201}
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=3000, help="number of files to upload")
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "cases") as server:
        print("| attack | status | answer | alive after |\n| --- | --- | --- | --- |")
        for words, attack, due in attacks(server):
            status, text = attack()
            said = re.search(r'"error":\s*"([^"]*)"', text)
            answer = said[1] if said else text if status == 400 else "served"
            alive = server.call("GET", "/api/cases")[0] == 200
            print(f"| {words} | {status} | {answer[:90]} | {'yes' if alive else 'NO'} |", flush=True)
            assert status in due, f"{words}: {status}"
            assert alive
        before = server.memory_mb
        seconds = upload(server, count)
        print(
            f"\n{count:,} files of {FILE_BYTES / 1e3:g} kB, {STREAMS} at a time: {seconds:.1f} s, "
            f"{count * FILE_BYTES / 1e6 / seconds:.0f} MB/s; memory of the server {before:.0f} MB before, "
            f"{server.memory_mb:.0f} MB after"
        )
        assert not list(Path(name).glob("*.nii"))


if __name__ == "__main__":
    main()
