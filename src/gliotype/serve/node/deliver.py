"""Sending results to an application entity by C-STORE, and asking it for storage commitment."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from gliotype.serve.node.reports import COMMITMENT, CommitmentReports
from gliotype.serve.node.settings import DicomTarget

_CONNECTION_S, _ACSE_S, _DIMSE_S = 10.0, 20.0, 120.0
_WARNINGS = (0xB000, 0xB006, 0xB007)
_REPORT_S = 60.0
_COMMITMENT_INSTANCE = UID("1.2.840.10008.1.20.1.1")


class Delivery(Protocol):
    """A way to a target."""

    def send(self, files: Sequence[Path], accepted: Callable[[Path], None]) -> str | None:
        """Send files.

        Args:
            files: DICOM files.
            accepted: called with each that the target has accepted.

        Returns:
            Why not all were accepted; None if they were.
        """

    def commit(self, files: Sequence[Path]) -> Commitment:
        """Ask the target whether it will keep files that it accepted."""

    def stop(self) -> None:
        """End what is going on, and do nothing any more."""


class Commitment:
    """What a target says about keeping objects.

    Attributes:
        failed: files that it does not keep; None if it did not report.
        offered: whether it offers storage commitment at all.
    """

    def __init__(self, failed: frozenset[Path] | None, *, offered: bool = True) -> None:
        self.failed, self.offered = failed, offered


class DicomDelivery:
    """Sends by C-STORE."""

    def __init__(self, target: DicomTarget, aet: str, reports: CommitmentReports) -> None:
        """Make a way to a target.

        Args:
            target: where to.
            aet: our AE title.
            reports: that the receiver fills when the target reports on an association of its own.
        """
        self._target, self._aet, self._reports = target, aet, reports
        self._guard = threading.Lock()
        self._associations: set[Association] = set()
        self._stopped = False

    def send(self, files: Sequence[Path], accepted: Callable[[Path], None]) -> str | None:
        """See `Delivery.send`."""
        entity = self._entity()
        for kind in sorted({str(_identity(file).SOPClassUID) for file in files}):
            entity.add_requested_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        association = self._associate(entity)
        if not association.is_established:
            return f"{self._target} does not accept the association"
        problems = []
        try:
            for file in files:
                if not association.is_established:
                    return f"{self._target} broke off"
                problem = self._store(association, file)
                if problem is None:
                    accepted(file)
                else:
                    problems.append(problem)
        finally:
            self._release(association)
        return "; ".join(sorted(set(problems))) or None

    def commit(self, files: Sequence[Path]) -> Commitment:
        """See `Delivery.commit`."""
        entity = self._entity()
        entity.add_requested_context(COMMITMENT)
        association = self._associate(entity, [(evt.EVT_N_EVENT_REPORT, self._reports.receive)])
        if not association.is_established:
            return Commitment(None, offered=not association.rejected_contexts)
        identities = {file: _identity(file) for file in files}
        transaction = f"2.25.{uuid.uuid4().int}"
        self._reports.expect(transaction)
        try:
            request = Dataset()
            request.TransactionUID = transaction
            request.ReferencedSOPSequence = [_reference(each) for each in identities.values()]
            status, _ = association.send_n_action(request, 1, COMMITMENT, _COMMITMENT_INSTANCE)
            failed = self._reports.wait(transaction, _REPORT_S if status.get("Status") == 0 else 0.0)
        finally:
            self._release(association)
        if failed is None:
            return Commitment(None)
        return Commitment(
            frozenset(file for file, each in identities.items() if str(each.SOPInstanceUID) in failed)
        )

    def stop(self) -> None:
        """See `Delivery.stop`."""
        with self._guard:
            self._stopped = True
            associations = tuple(self._associations)
        self._reports.end()
        for association in associations:
            association.abort()
            # pynetdicom does not notify a thread that waits for the target's response of an abort.
            association.dimse.msg_queue.put((None, None))

    def _entity(self) -> AE:
        entity = AE(self._aet)
        entity.connection_timeout, entity.acse_timeout = _CONNECTION_S, _ACSE_S
        entity.dimse_timeout = entity.network_timeout = _DIMSE_S
        return entity

    def _associate(self, entity: AE, handlers: list[evt.EventHandlerType] | None = None) -> Association:
        """Ask for an association; it is not established if that failed."""
        target = self._target
        association = entity.associate(
            target.host, target.port, ae_title=target.aet, evt_handlers=handlers or []
        )
        if association.is_established:
            with self._guard:
                self._associations.add(association)
                stopped = self._stopped
            if stopped:
                self._release(association)
        return association

    def _release(self, association: Association) -> None:
        with self._guard:
            self._associations.discard(association)
        if association.is_established:
            association.release()

    def _store(self, association: Association, file: Path) -> str | None:
        """Send one file; return why it was not accepted."""
        name = _identity(file).SOPClassUID.name
        try:
            status = association.send_c_store(file)
        except (ValueError, RuntimeError):
            return f"{self._target} does not take objects of the class {name}"
        if "Status" not in status:
            return f"{self._target} broke off"
        if status.Status == 0 or status.Status in _WARNINGS:
            return None
        return f"{self._target} refused an object of the class {name} with the status {status.Status:04X}"


def _identity(file: Path) -> Dataset:
    return dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])


def _reference(identity: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = identity.SOPClassUID, identity.SOPInstanceUID
    return item
