"""The configuration of a node."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from gliotype.errors import UsageError
from gliotype.serve.jobs import Limits
from gliotype.serve.node import defaults
from gliotype.serve.node.rules import Rules

PREDICT = (sys.executable, "-m", "gliotype", "predict")
"""The command of a job; the node adds the study, ``-o OUT`` and options of `gliotype predict`."""


@dataclass(frozen=True)
class DicomTarget:
    """An application entity to which results go by C-STORE."""

    aet: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.aet}@{self.host}:{self.port}"


@dataclass(frozen=True)
class WebTarget:
    """A DICOMweb service to which results go by STOW-RS; `url` is the part before ``/studies``."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Sender:
    """An application entity that may send; from one IP address alone, unless that is None."""

    aet: str
    address: str | None


@dataclass(frozen=True)
class NodeLimits:
    """What senders may ask of a node.

    Attributes:
        associations: at the same time.
        instance_bytes: size of one object.
        study_bytes: size of one study.
        study_instances: objects of one study.
        free_bytes: space on the disk below which nothing more is received.
        pdu_s: seconds within which a message, once begun, must have come in full.
    """

    associations: int = 10
    instance_bytes: int = 2_000_000_000
    study_bytes: int = 20_000_000_000
    study_instances: int = 50_000
    free_bytes: int = 2_000_000_000
    pdu_s: float = 30.0


@dataclass(frozen=True)
class NodeSettings:
    """The configuration of a node.

    Attributes:
        folder: of the queue, the studies and their results.
        target: where results go.
        senders: who may send; at least one.
        aet: AE title of the node.
        host: address on which it listens.
        port: on which it listens.
        quiet_s: a study is complete when none of its objects has come for so long.
        rules: which studies are processed, and how.
        keep_inputs_days: how long the images of an answered study are kept.
        keep_days: how long results, studies that were set aside, and their entries in the queue are kept.
        threads: on which a prediction computes; as many as there are cores if None.
        limits: on what is received.
        job_limits: on each prediction.
        command: of a prediction.
        retry_s: pause after a first failure of a prediction, and after a first failure to send.
    """

    folder: Path
    target: DicomTarget | WebTarget
    senders: tuple[Sender, ...]
    aet: str = defaults.AET
    host: str = defaults.HOST
    port: int = defaults.PORT
    quiet_s: float = defaults.QUIET_S
    rules: Rules = field(default_factory=Rules)
    keep_inputs_days: float = defaults.KEEP_INPUTS_DAYS
    keep_days: float = defaults.KEEP_DAYS
    threads: int | None = None
    limits: NodeLimits = field(default_factory=NodeLimits)
    job_limits: Limits = field(default_factory=Limits)
    command: tuple[str, ...] = PREDICT
    retry_s: tuple[float, float] = (60.0, 15.0)

    def __post_init__(self) -> None:
        """Refuse a node to which everyone may send.

        Raises:
            UsageError: if there are no senders.
        """
        if not self.senders:
            raise UsageError("nobody may send to the node: name the senders with --allow AET")


def parse_aet(text: str) -> str:
    """Check an AE title.

    Raises:
        UsageError: if it has more than 16 characters, or other than letters, digits, space and ``_-.+``.

    Example:
        >>> parse_aet("GLIOTYPE")
        'GLIOTYPE'
    """
    if not re.fullmatch(r"(?! )[A-Za-z0-9 _.+-]{1,16}(?<! )", text):
        raise UsageError(
            f"{text[:40]!r} is not an AE title: give 1 to 16 letters, digits, spaces or characters of _-.+"
        )
    return text


def parse_target(text: str) -> DicomTarget | WebTarget:
    """Read where results go: ``AET@HOST:PORT``, or the address of a DICOMweb service.

    Raises:
        UsageError: if it is neither.

    Example:
        >>> str(parse_target("ORTHANC@pacs.local:4242"))
        'ORTHANC@pacs.local:4242'
        >>> parse_target("https://pacs.local/dicom-web/").url
        'https://pacs.local/dicom-web'
    """
    if text.startswith(("http://", "https://")):
        parts = urlsplit(text)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise UsageError(
                "the address of the DICOMweb service must be like https://HOST/dicom-web, without a password "
                "(docs/how-to/pacs.md says where that goes) and without ? or #"
            )
        return WebTarget(text.rstrip("/"))
    match = re.fullmatch(r"([^@]+)@(\[[0-9A-Fa-f:]+\]|[^@:\s]+):(\d{1,5})", text)
    if match is None or not 0 < int(match[3]) < 65536:
        raise UsageError(
            f"{text[:80]!r} is not a target: give AET@HOST:PORT, or the address of a DICOMweb service"
        )
    return DicomTarget(parse_aet(match[1]), match[2].strip("[]"), int(match[3]))


def senders_of(target: DicomTarget | WebTarget) -> tuple[Sender, ...]:
    """Who may send if nobody is named: the entity to which results go; nobody for a DICOMweb service."""
    return (Sender(target.aet, None),) if isinstance(target, DicomTarget) else ()


def parse_sender(text: str) -> Sender:
    """Read who may send: ``AET``, or ``AET@ADDRESS``.

    Raises:
        UsageError: if it is neither.

    Example:
        >>> parse_sender("MRSCANNER@10.0.0.7")
        Sender(aet='MRSCANNER', address='10.0.0.7')
    """
    aet, at, host = text.partition("@")
    try:
        return Sender(parse_aet(aet), str(ip_address(host)) if at else None)
    except ValueError as error:
        raise UsageError(
            f"{text[:80]!r} is not a sender: give AET, or AET@ADDRESS with a numeric IP address"
        ) from error
