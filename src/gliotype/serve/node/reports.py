"""What the target reports about storage commitment: on the association that asked for it, or on one of its own."""

from __future__ import annotations

import threading
import time

from pydicom.uid import UID
from pynetdicom import evt

from gliotype.serve.node.inbox import is_uid

COMMITMENT = UID("1.2.840.10008.1.20.1")
"""Storage Commitment Push Model."""

SUCCESS, NO_SUCH_ARGUMENT = 0x0000, 0x0115
_MAX_FAILED = 100_000


class CommitmentReports:
    """Takes reports and lends them to who waits; threads may share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._failed: dict[str, frozenset[str] | None] = {}
        self._ended = False

    def expect(self, transaction: str) -> None:
        """Accept the report of a transaction from now on."""
        with self._changed:
            self._failed[transaction] = None

    def wait(self, transaction: str, seconds: float) -> frozenset[str] | None:
        """Wait for the report of an expected transaction, and expect it no more.

        Returns:
            Identifiers of the objects that are not committed; None if no report came.
        """
        due = time.monotonic() + seconds
        with self._changed:
            while (
                self._failed[transaction] is None and not self._ended and (left := due - time.monotonic()) > 0
            ):
                self._changed.wait(left)
            return self._failed.pop(transaction)

    def end(self) -> None:
        """Let all wait no more, since the service ends."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def receive(self, event: evt.Event) -> tuple[int, None]:
        """Answer an N-EVENT-REPORT; one that nobody expects is refused."""
        report = event.event_information
        transaction = str(report.get("TransactionUID", ""))
        failed = [
            str(each.get("ReferencedSOPInstanceUID", "")) for each in report.get("FailedSOPSequence", [])
        ]
        with self._changed:
            if transaction not in self._failed:
                return NO_SUCH_ARGUMENT, None
            self._failed[transaction] = frozenset(uid for uid in failed[:_MAX_FAILED] if is_uid(uid))
            self._changed.notify_all()
        return SUCCESS, None
