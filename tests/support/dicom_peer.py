"""The other side of a node: studies to send, a scanner that sends them, and an archive that takes the results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from gliotype.serve.node.reports import COMMITMENT
from support.ports import reserve
from support.stand_in_predict import uid_of

ARCHIVE = "ARCHIVE"


def mr_instance(study: str, number: int, size: int = 16, **headers: str) -> Dataset:
    """One small MR image; `study` is any text, from which all identifiers follow."""
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = uid_of(study, str(number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid_of(study), uid_of(study, "series")
    dataset.PatientName, dataset.PatientID, dataset.PatientAge = "Secret^Person", "12345", "063Y"
    dataset.StudyDescription, dataset.SeriesDescription, dataset.Modality = "MR brain", "AX T1", "MR"
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.full((size, size), number % 4096, np.uint16).tobytes()
    for keyword, value in headers.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def mr_study(study: str, images: int = 3, **headers: str) -> list[Dataset]:
    """A study of small MR images."""
    return [mr_instance(study, number, 16, **headers) for number in range(images)]


def send(port: int, datasets: Iterable[Dataset], *, aet: str = ARCHIVE, to: str = "GLIOTYPE") -> list[int]:
    """Send objects in one association; return the status of each as far as it went, -1 where it broke off."""
    datasets = list(datasets)
    entity = AE(aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    for kind in sorted({str(dataset.SOPClassUID) for dataset in datasets}):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=to)
    if not association.is_established:
        return []
    statuses = []
    for dataset in datasets:
        if association.is_established:
            statuses.append(int(association.send_c_store(dataset).get("Status", -1)))
    association.release()
    return statuses


def cut_after(association: Association, size: int) -> None:
    """Let an association break off after so many bytes."""
    wrapper = association.dul.socket
    assert wrapper is not None
    sending, sent = wrapper.send, 0

    def send_or_close(data: bytes) -> None:
        nonlocal sent
        sent += len(data)
        if sent > size:
            wrapper.close()
        else:
            sending(data)

    wrapper.send = send_or_close  # type: ignore[method-assign, assignment]


class Archive:
    """Takes objects and keeps a count of how often each came.

    Attributes:
        received: by identifier, the object and how often it came.
        status: with which it answers; any but 0 means that it does not take objects.
        forgets: whether it says, asked for commitment once, that it keeps nothing.
        commits: whether it offers storage commitment.
        port: on which it listens.
        requests: for commitment that came.
        delay_s: pause before it answers or reports.
    """

    def __init__(self, *, commits: bool = False) -> None:
        self.received: dict[str, tuple[Dataset, int]] = {}
        self.status, self.commits, self.forgets, self.requests = 0, commits, False, 0
        self.changed = threading.Condition()
        self.node_port, self.delay_s = 0, 0.0
        self._reserved = reserve()
        self.port = int(self._reserved.getsockname()[1])

    def start(self) -> None:
        """Listen."""
        entity = AE(ARCHIVE)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), ExplicitVRLittleEndian)
        if self.commits:
            entity.add_supported_context(COMMITMENT)
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_ACTION, self._commit),
        ]
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        assert server is not None
        self._entity: ApplicationEntity = entity

    def stop(self) -> None:
        """Refuse connections; `start` lets it listen on the same port again."""
        self._entity.shutdown()

    def close(self) -> None:
        """Listen no more, and give its port back."""
        self.stop()
        self._reserved.close()

    def wait_for(self, count: int, seconds: float = 120.0) -> dict[str, int]:
        """Wait until so many different objects have come; return how often each did."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.received) >= count, seconds)
            return {uid: times for uid, (_, times) in self.received.items()}

    def _store(self, event: evt.Event) -> int:
        time.sleep(self.delay_s)
        if self.status == 0:
            with self.changed:
                uid = str(event.dataset.SOPInstanceUID)
                _, times = self.received.get(uid, (None, 0))
                self.received[uid] = (event.dataset, times + 1)
                self.changed.notify_all()
        return self.status

    def _commit(self, event: evt.Event) -> tuple[int, None]:
        """Accept a request, and report on an association of its own, as archives do."""
        self.requests += 1
        request = event.action_information
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        if self.forgets:
            self.forgets = False
            report.FailedSOPSequence = request.ReferencedSOPSequence
        else:
            report.ReferencedSOPSequence = request.ReferencedSOPSequence
        threading.Thread(target=self._report, args=(report,)).start()
        return 0, None

    def _report(self, report: Dataset) -> None:
        time.sleep(self.delay_s)
        entity = AE(ARCHIVE)
        entity.add_requested_context(COMMITMENT)
        association = entity.associate(
            "127.0.0.1",
            self.node_port,
            ae_title="GLIOTYPE",
            ext_neg=[build_role(COMMITMENT, scp_role=True)],
        )
        if not association.is_established:
            return
        kind = 2 if "FailedSOPSequence" in report else 1
        association.send_n_event_report(report, kind, COMMITMENT, UID("1.2.840.10008.1.20.1.1"))
        association.release()


@contextmanager
def archive(*, commits: bool = False) -> Iterator[Archive]:
    """Lend an archive that listens."""
    lent = Archive(commits=commits)
    lent.start()
    try:
        yield lent
    finally:
        lent.close()


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: if it does not in time.
    """
    due = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due, "it did not come about in time"
        time.sleep(0.05)
