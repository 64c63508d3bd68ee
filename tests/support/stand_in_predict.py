"""Stands in for ``gliotype predict`` where a test of the node is not about predictions; it takes part of a second.

    stand_in_predict.py STUDY -o OUT --id ID [...]

What happens is in the study: its description may ask for no structural image (exit code 4), unreadable input (3), a
defect (1), seconds to take, or to hold until there is a file `RELEASE` in the folder of the job. The results are four
objects whose identifiers follow from those of the study's objects.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import uuid
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

RESULTS = {
    "tumour_seg.dcm": "1.2.840.10008.5.1.4.1.1.66.4",
    "rcbv_map.dcm": "1.2.840.10008.5.1.4.1.1.30",
    "report_pdf.dcm": "1.2.840.10008.5.1.4.1.1.104.1",
    "report_sr.dcm": "1.2.840.10008.5.1.4.1.1.88.34",
}
"""Files of the results and their classes."""


RELEASE = "release"
_HOLD_S = 600.0


def uid_of(*what: str) -> str:
    """Derive an identifier."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, ' '.join(what)).int}"


def result_uids(instances: list[str]) -> dict[str, str]:
    """Identifiers of the results of a study with the given objects, by file."""
    digest = hashlib.sha256(" ".join(sorted(instances)).encode()).hexdigest()
    return {name: uid_of(digest, name) for name in RESULTS}


def main(arguments: list[str]) -> int:
    """Write the results; return the exit code."""
    study, out = Path(arguments[0]), Path(arguments[arguments.index("-o") + 1])
    headers = [dcmread(file) for file in sorted(study.iterdir())]
    wish, _, number = str(headers[0].StudyDescription).rpartition(" ")
    print("read", file=sys.stderr)
    if wish == "exit":
        print(f"gliotype: the study asks for exit code {number}", file=sys.stderr)
        return int(number)
    if wish == "sleep":
        time.sleep(float(number))
    if number == "hold":
        hold(out.parent / RELEASE)
    for name, uid in result_uids([str(header.SOPInstanceUID) for header in headers]).items():
        write_result(headers[0], uid, RESULTS[name], out / "dicom" / name)
    document = {"subject": arguments[arguments.index("--id") + 1], "arguments": arguments[1:]}
    (out / "prediction.json").write_text(json.dumps(document), encoding="utf-8")
    return 0


def hold(release: Path) -> None:
    """Wait until there is a file."""
    due = time.monotonic() + _HOLD_S
    while not release.exists():
        if time.monotonic() > due:
            sys.exit("gliotype: nobody released the study")
        time.sleep(0.02)


def write_result(source: Dataset, uid: str, kind: str, file: Path) -> None:
    """Write one object of the study of a source."""
    result = Dataset()
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID"):
        result[keyword] = source[keyword]
    result.SOPClassUID, result.SOPInstanceUID, result.SeriesInstanceUID = kind, uid, f"{uid[:60]}.1"
    result.Modality, result.Manufacturer = "OT", "Gliotype"
    result.file_meta = FileMetaDataset()
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.parent.mkdir(parents=True, exist_ok=True)
    result.save_as(file, enforce_file_format=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
