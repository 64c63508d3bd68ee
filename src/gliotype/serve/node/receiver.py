"""The receiving side of a node: C-ECHO, C-STORE and reports of storage commitment."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt

from gliotype.errors import OutputError
from gliotype.serve.node.guard import (
    MAX_CONNECTIONS,
    OWN_PDU_BYTES,
    GuardedHandler,
    GuardedServer,
    reject_surplus,
    watch_sizes,
)
from gliotype.serve.node.inbox import Inbox, is_uid
from gliotype.serve.node.reports import COMMITMENT, CommitmentReports
from gliotype.serve.node.settings import NodeSettings

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEG2000,
    JPEGLSNearLossless,
    JPEGExtended12Bit,
    JPEGBaseline8Bit,
)
"""Transfer syntaxes that `gliotype predict` reads, the preferred ones first; nothing deflated, which has no bound."""

OTHER_CLASSES = ("1.3.12.2.1107.5.9.1",)
"""Private storage classes that are accepted as well: Siemens CSA Non-Image."""

NOT_IMAGES = (
    "1.2.840.10008.5.1.4.1.1.9.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.104.",
    "1.2.840.10008.5.1.4.1.1.481.",
)
"""How the classes begin whose objects are accepted, so that a study can be sent as a whole, and not kept: waveforms,
presentation states, parametric maps, segmentations, reports, encapsulated documents, radiotherapy."""

OWN = "Gliotype"
"""Manufacturer of results of Gliotype, which are not kept either."""

SUCCESS, OUT_OF_RESOURCES, MISMATCH, NOT_UNDERSTOOD, NOT_AUTHORISED = 0x0000, 0xA700, 0xA900, 0xC000, 0x0124

_VERIFICATION = "1.2.840.10008.1.1"
_HEADER_BYTES = 4_000_000
_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Manufacturer"]
_ACSE_S, _NETWORK_S = 10.0, 60.0
_LOG_EVERY_S = 60.0
_LOGGER = logging.getLogger("gliotype.node")


class Receiver:
    """Receives objects into an inbox while it is started."""

    def __init__(self, settings: NodeSettings, inbox: Inbox, reports: CommitmentReports) -> None:
        """Make a receiver.

        Args:
            settings: of the node.
            inbox: for the objects.
            reports: for what the target says about storage commitment.
        """
        self._settings, self._inbox, self._reports = settings, inbox, reports
        self._refusals = Refusals()
        self._entity = AE(settings.aet)
        for each in AllStoragePresentationContexts:
            self._entity.add_supported_context(str(each.abstract_syntax), list(SYNTAXES))
        for other in OTHER_CLASSES:
            self._entity.add_supported_context(other, list(SYNTAXES))
        self._entity.add_supported_context(_VERIFICATION)
        self._entity.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = sorted({sender.aet for sender in settings.senders})
        self._entity.maximum_associations = MAX_CONNECTIONS
        self._entity.maximum_pdu_size = OWN_PDU_BYTES
        self._entity.acse_timeout, self._entity.network_timeout = _ACSE_S, _NETWORK_S
        self._server: GuardedServer | None = None

    @property
    def port(self) -> int:
        """Port on which it listens; what the system chose if the settings say 0."""
        assert self._server is not None, "start it first"
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen.

        Raises:
            OutputError: if the address cannot be used.
        """
        settings = self._settings
        try:
            server = self._entity.make_server(
                (settings.host, settings.port),
                evt_handlers=self._handlers(),
                server_class=GuardedServer,
                request_handler=GuardedHandler,
            )
        except OSError as error:
            raise OutputError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror or error}): choose another "
                "--host or --port"
            ) from error
        assert isinstance(server, GuardedServer)
        # pynetdicom writes what it receives where `tempfile` does: on the same disk, so that a rename moves it.
        self._tempdir, tempfile.tempdir = tempfile.tempdir, str(self._inbox.temporary)
        self._chunked, _config.STORE_RECV_CHUNKED_DATASET = _config.STORE_RECV_CHUNKED_DATASET, True
        # Its messages may quote data sets.
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
        server.limits, server.refused = settings.limits, self._refusals.add
        addresses = [sender.address for sender in settings.senders]
        server.addresses = frozenset(filter(None, addresses)) if all(addresses) else frozenset()
        self._entity._servers.append(server)
        self._server = server
        threading.Thread(target=server.serve_forever, name="gliotype-receive", daemon=True).start()

    def stop(self) -> None:
        """End all associations, and listen no more."""
        assert self._server is not None, "start it first"
        self._server.cut_silent()
        self._entity.shutdown()
        tempfile.tempdir = self._tempdir
        _config.STORE_RECV_CHUNKED_DATASET = self._chunked

    def log_refusals(self) -> None:
        """Log how many connections were refused since the last time, and why."""
        self._refusals.log()

    def _handlers(self) -> list[Any]:
        limits, refused = self._settings.limits, self._refusals.add
        return [
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._reports.receive),
            (evt.EVT_REQUESTED, reject_surplus, [limits, refused]),
            (evt.EVT_PDU_RECV, watch_sizes, [limits, self._inbox.has_room, refused]),
            (evt.EVT_REJECTED, lambda event: refused("the AE title is not allowed")),
            (evt.EVT_CONN_CLOSE, _after_connection),
        ]

    def _store(self, event: evt.Event) -> int:
        """Answer a C-STORE; the file goes to the inbox, or is removed by pynetdicom."""
        sender = event.assoc.requestor.ae_title
        if not self._is_allowed(sender, event.assoc.requestor.address):
            return NOT_AUTHORISED
        if not self._inbox.has_room():
            self._refusals.add("the disk is full")
            return OUT_OF_RESOURCES
        try:
            header = _read_header(event.dataset_path)
            study, instance = str(header.StudyInstanceUID), str(header.SOPInstanceUID)
            kind = str(header.SOPClassUID)
        except Exception:  # noqa: BLE001 - damaged data makes pydicom raise errors of any kind; the status reports them
            self._refusals.add("an object cannot be read")
            return NOT_UNDERSTOOD
        if (
            instance != str(getattr(event.request, "AffectedSOPInstanceUID", ""))
            or not is_uid(study)
            or not is_uid(instance)
        ):
            self._refusals.add("identifiers of an object are not valid")
            return MISMATCH
        if kind.startswith(NOT_IMAGES) or str(header.get("Manufacturer", "")) == OWN:
            return SUCCESS
        try:
            key = self._inbox.keep(event.dataset_path, study, instance, sender)
        except OSError as error:
            _LOGGER.error("an object cannot be written (%s)", error.strerror)
            return OUT_OF_RESOURCES
        if key is None:
            self._refusals.add("a study is too large")
            return OUT_OF_RESOURCES
        return SUCCESS

    def _is_allowed(self, sender: str, address: str) -> bool:
        return any(each.aet == sender and each.address in (None, address) for each in self._settings.senders)


class Refusals:
    """Counts what was refused, so that the log holds a line a minute, whatever a sender does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._logged = -_LOG_EVERY_S

    def add(self, reason: str) -> None:
        """Count one; log it if none was logged for a minute."""
        with self._lock:
            self._counts[reason] += 1
        if time.monotonic() - self._logged >= _LOG_EVERY_S:
            self.log()

    def log(self) -> None:
        """Log the counts since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._logged = time.monotonic()
        for reason, count in sorted(counts.items()):
            _LOGGER.warning("refused %d: %s", count, reason)


def _read_header(file: Path) -> Dataset:
    """Read what says where an object belongs, from the beginning of its file."""
    with file.open("rb") as stream:
        beginning = io.BytesIO(stream.read(_HEADER_BYTES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(beginning, stop_before_pixels=True, specific_tags=list(_TAGS))


def _after_connection(event: evt.Event) -> None:
    """Remove the file of an object that did not come in full, and end the thread that waits for a first message."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)  # type: ignore[arg-type]  # what it gets when its time is up
    file = getattr(event.assoc.dimse.message, "_data_set_file", None)
    if file is not None:
        file.close()
        Path(file.name).unlink(missing_ok=True)
