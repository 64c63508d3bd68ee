"""What the DICOM node withstands: kills, load, attacks; and one real study from end to end.

    python benchmarks/node.py kills|load|attacks|study [--associations N] [--rounds N]

The first three use a stand-in for predictions (``tests/support/stand_in_predict.py``), since they are about the
node; ``study`` simulates a patient, sends the images from a real Orthanc, and compares what comes back with
`gliotype predict` on the same files. Sender and archive share the machine with the node, so that throughput is a
lower bound.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gliotype.serve.node.settings import PREDICT, DicomTarget
from support.dicom_peer import ARCHIVE, Archive, archive, cut_after, mr_instance, mr_study, send
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.node_process import NodeProcess, node_process, wait
from support.orthanc import AET, PROGRAM, orthanc
from support.ports import reserved_port
from support.stand_in_predict import result_uids, uid_of

KILLS = ("receiving", "sorting", "predicting", "sending", "committing")
STUDIES, IMAGES, SIDE = 50, 20, 256


@contextmanager
def running_node(target: Archive) -> Iterator[NodeProcess]:
    """Lend a node that sends to an archive."""
    with tempfile.TemporaryDirectory() as folder:
        place = DicomTarget(ARCHIVE, "127.0.0.1", target.port)
        with node_process(Path(folder) / "node", place) as node:
            target.node_port = node.port
            node.start()
            yield node
            node.end(signal.SIGTERM)


def kills(rounds: int) -> None:
    """Kill the node in each state, and count what was lost and what came twice."""
    print(f"{'killed while':<12} {'kills':>5} {'studies answered':>16} {'results lost':>12} {'stored twice':>12} "
          f"{'sent again':>10} {'set aside':>9}")  # fmt: skip
    with archive(commits=True) as target:
        target.delay_s = 0.3
        with running_node(target) as node:
            for state in KILLS:
                print_kills(state, [kill_once(node, target, state, number) for number in range(rounds)])


def kill_once(node: NodeProcess, target: Archive, state: str, number: int) -> tuple[int, int, int, int]:
    """Send a study, kill the node in a state, start it again, and wait for the end of the study.

    Returns:
        Results lost, stored twice under different identifiers, sent more than once, and studies set aside.
    """
    before, jobs = set(target.received), {study.id for study in node.studies()}
    study = mr_study(f"{state} {number}", 40 if state == "receiving" else 6, StudyDescription="sleep 1")
    if state == "receiving":
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send, node.port, study)
            wait(lambda: len(list((node.folder / "incoming").rglob("*.dcm"))) > 5, pause=0.001)
            node.end(signal.SIGKILL)
            acknowledged = sending.result().count(0)
        node.start()
        send(node.port, study[acknowledged:])
    else:
        send(node.port, study)
        wait(lambda: reached(node, state, jobs), pause=0.001)
        time.sleep(0.0 if state == "sorting" else 0.35 * number)
        node.end(signal.SIGKILL)
        node.start()
    wait(lambda: set(states(node, jobs)) in ({"done"}, {"set aside"}))
    expected = set(result_uids([str(dataset.SOPInstanceUID) for dataset in study]).values())
    found = set(target.received) - before
    again = sum(target.received[uid][1] > 1 for uid in found)
    return len(expected - found), len(found - expected), again, states(node, jobs).count("set aside")


def states(node: NodeProcess, before: set[str]) -> list[str]:
    """States of the studies that came since."""
    return [each.state for each in node.studies() if each.id not in before]


def reached(node: NodeProcess, state: str, before: set[str]) -> bool:
    """Whether the study that came since is in a state."""
    if state == "sorting":
        return any(path.name not in before for path in (node.folder / "jobs").iterdir())
    return state in states(node, before)


def print_kills(state: str, counts: list[tuple[int, int, int, int]]) -> None:
    lost, twice, again, aside = (sum(values) for values in zip(*counts, strict=True))
    answered = sum(count[0] == 0 for count in counts)
    print(
        f"{state:<12} {len(counts):>5} {answered:>16} {lost:>12} {twice:>12} {again:>10} {aside:>9}",
        flush=True,
    )


def load() -> None:
    """Send many studies at once, and say how fast they are received and answered, and what that takes."""
    side_bytes = SIDE * SIDE * 2
    with archive() as target, running_node(target) as node:
        idle = node.memory_mib("VmRSS")
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(lambda number: send_large(node.port, number), range(STUDIES)))
        statuses = [status for each in sent for status in each]
        received = time.monotonic() - began
        receiving = node.memory_mib()
        wait(lambda: len(target.received) == 4 * STUDIES, 900)
        answered = time.monotonic() - began
        wait(lambda: all(each.state == "done" for each in node.studies()), 900)
        megabytes = STUDIES * IMAGES * side_bytes / 1e6
        rows = {
            "studies, images": f"{STUDIES}, {len(statuses)}",
            "accepted": str(statuses.count(0)),
            "megabytes": f"{megabytes:.0f}",
            "seconds to receive, 8 senders": f"{received:.1f}",
            "megabytes a second": f"{megabytes / received:.1f}",
            "seconds until all results are back (stand-in)": f"{answered:.1f}",
            "results, each once": f"{len(target.received)}, {all(n == 1 for _, n in target.received.values())}",
            "memory idle, MiB": f"{idle:.0f}",
            "memory at most, MiB, receiving and in all": f"{receiving:.0f}, {node.memory_mib():.0f}",
        }
    for name, value in rows.items():
        print(f"{name:<46} {value}")


def send_large(port: int, number: int) -> list[int]:
    def image(index: int) -> Dataset:
        dataset = mr_instance(f"load {number}", index)
        dataset.Rows = dataset.Columns = SIDE
        dataset.PixelData = np.full((SIDE, SIDE), index, np.uint16).tobytes()
        return dataset

    return send(port, [image(index) for index in range(IMAGES)])


def attacks(count: int) -> None:
    """Attack a node, and see after each attack that it answers, and what it holds."""
    print(
        f"{'attack':<44} {'times':>6} {'seconds':>7} {'alive':>5} {'MiB':>5} {'threads':>7} {'files left':>10}"
    )
    with archive() as target, running_node(target) as node:
        for name, times, attack in ATTACKS:
            times = count if times == 0 else times
            began = time.monotonic()
            attack(node.port, times)
            seconds = time.monotonic() - began
            alive = echo(node.port)
            wait(lambda: node.threads() < 30)
            places = [node.folder / place for place in ("temporary", "incoming", "jobs")]
            left = sum(file.is_file() for place in places for file in place.rglob("*"))
            answers = "yes" if alive else "no"
            print(
                f"{name:<44} {times:>6} {seconds:>7.1f} {answers:>5} {node.memory_mib('VmRSS'):>5.0f} "
                f"{node.threads():>7} {left:>10}",
                flush=True,
            )


def echo(port: int) -> bool:
    entity = AE(ARCHIVE)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title="GLIOTYPE")
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status.get("Status") == 0)


def request(calling: str, called: str) -> bytes:
    """An A-ASSOCIATE-RQ with one presentation context."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    context = item(0x20, b"\x01\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    body = b"\0\1\0\0" + titles + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BBL", 1, 0, len(body)) + body


def exchange(port: int, data: bytes, times: int) -> None:
    """Connect, send, and read until the other side ends or answers; many times, eight at once."""

    def once(_: int) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(data)
            connection.recv(64)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(times)))


def half_open(port: int, times: int) -> None:
    connections = []
    for _ in range(times):
        with suppress(OSError):
            connections.append(socket.create_connection(("127.0.0.1", port), timeout=20))
    if not echo(port):
        raise SystemExit("half-open connections keep others out")
    for connection in connections:
        connection.close()


def evil_names(port: int, times: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evil = [mr_instance("evil", n, 16, StudyInstanceUID=f"../../../../tmp/evil{n}") for n in range(times)]
        if set(send(port, evil)) != {0xA900}:
            raise SystemExit("a path name was accepted")


def bomb(port: int, times: int) -> None:
    """Announce pixels of 3 GB, and send 8 MB of them."""
    for number in range(times):
        entity = AE(ARCHIVE)
        entity.add_requested_context("1.2.840.10008.5.1.4.1.1.4")
        association = entity.associate("127.0.0.1", port, ae_title="GLIOTYPE")
        header = mr_instance(f"bomb {number}", 0)
        header.NumberOfFrames = "100000"
        header.PixelData = bytes(8_000_000)
        cut_after(association, 7_000_000)
        association.send_c_store(header)
        association.abort()


ATTACKS: tuple[tuple[str, int, Callable[[int, int], None]], ...] = (
    (
        "associations with a wrong calling AE title",
        0,
        lambda p, n: exchange(p, request("STRANGER", "GLIOTYPE"), n),
    ),
    (
        "associations with a wrong called AE title",
        200,
        lambda p, n: exchange(p, request(ARCHIVE, "OTHER"), n),
    ),
    ("half-open connections at once", 500, half_open),
    ("a message of 4 GB announced", 200, lambda p, n: exchange(p, struct.pack(">BBL", 1, 0, 0xFFFFFFFF), n)),
    ("data of 4 GB announced", 200, lambda p, n: exchange(p, struct.pack(">BBL", 4, 0, 0xFFFFFFFF), n)),
    ("not DICOM at all", 200, lambda p, n: exchange(p, b"GET / HTTP/1.1\r\n\r\n", n)),
    ("path names in identifiers", 100, evil_names),
    ("objects that break off after 7 MB", 20, bomb),
)


def study() -> None:
    """Send a simulated patient from Orthanc, and compare what comes back with `gliotype predict`."""
    if PROGRAM is None:
        raise SystemExit("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    with tempfile.TemporaryDirectory() as place, reserved_port() as dicom_port:
        folder = Path(place)
        files = simulated_study(folder / "study")
        target = DicomTarget(AET, "127.0.0.1", dicom_port)
        with (
            node_process(folder / "node", target, stand_in=False) as node,
            orthanc(folder / "orthanc", node.port, dicom_port=dicom_port) as pacs,
        ):
            node.start()
            began = time.monotonic()
            name = {pacs.add(dcmread(file)) for file in files}.pop()
            pacs.send_to_node(name)
            wait(lambda: [each.state for each in node.studies()] in (["done"], ["set aside"]), 900, 0.5)
            seconds = time.monotonic() - began
            (found,) = node.studies()
            print(f"{found.state} after {seconds:.0f} s, {found.images} images {found.reason or ''}")
            job = folder / "node" / "jobs" / found.id
            objects = pacs.objects(name)
            node.end(signal.SIGTERM)
        for file in sorted((job / "out" / "dicom").glob("*.dcm")):
            written = dcmread(file)
            back = objects.get(str(written.SOPInstanceUID))
            same = back is not None and back == written
            print(
                f"{file.name:<24} {written.SOPClassUID.name:<40} {'the same in Orthanc' if same else 'DIFFERS'}"
            )
        compare_with_predict(folder, job, found.id.partition("-")[0])


def simulated_study(folder: Path) -> list[Path]:
    """Write a small simulated patient as DICOM, each file named by its identifier as the node does."""
    from gliotype.simulate import DemoPatient, demo_seed
    from gliotype.simulate.cohort.raw_study import raw_images, raw_patient
    from gliotype.simulate.lesion.glioma import GliomaType
    from gliotype.study import STRUCTURAL

    seed = demo_seed(DemoPatient.MUTANT, 0)
    images = raw_images(raw_patient(seed, next(iter(GliomaType))), seed)
    files = []
    for number, sequence in enumerate(STRUCTURAL):
        series = folder / sequence.name
        for file in write_dicom_series(
            images[sequence].volume,
            series,
            StudyInstanceUID=uid_of("simulated"),
            SeriesInstanceUID=uid_of("simulated", sequence.name),
            SeriesNumber=number + 1,
            **PROTOCOLS[sequence.name],
        ):
            named = folder / f"{dcmread(file, stop_before_pixels=True).SOPInstanceUID}.dcm"
            files.append(file.rename(named))
        series.rmdir()
    return files


def compare_with_predict(folder: Path, job: Path, key: str) -> None:
    """Run the command itself on the files, and compare its prediction with that of the node, seconds aside."""
    out = folder / "out"
    command = [*PREDICT, str(folder / "study"), "-o", str(out), "--id", key]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    both = [json.loads((place / "prediction.json").read_text()) for place in (job / "out", out)]
    for document in both:
        del document["seconds"]
    differing = sorted(name for name in both[0] if both[0][name] != both[1].get(name))
    print(
        f"prediction.json: {'the same as from predict' if both[0] == both[1] else f'DIFFERS in {differing}'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("kills", "load", "attacks", "study"))
    parser.add_argument("--associations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=4, help="kills in each state")
    arguments = parser.parse_args()
    if arguments.what == "kills":
        kills(arguments.rounds)
    elif arguments.what == "load":
        load()
    elif arguments.what == "attacks":
        attacks(arguments.associations)
    else:
        study()


if __name__ == "__main__":
    main()
