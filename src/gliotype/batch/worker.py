"""What runs on a worker of a Dask cluster.

The scheduler imports this module too, when a study is handed to it: it imports nothing that takes time.
"""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from gliotype.batch.faults import MACHINE_FAULTS
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import StudyProcess
from gliotype.batch.record import RECORDS
from gliotype.errors import OutputError
from gliotype.flag import Flag

_own = threading.local()


def predict_on_worker(
    study: Mapping[str, Any], settings: Mapping[str, Any], child: Sequence[str]
) -> Mapping[str, Any]:
    """Predict a study on the worker where this runs; everything goes in and out as plain values.

    Returns:
        The ``record``, whether it was ``kept``, and the address of the ``worker``. An ``error`` in place of the record
        says why this machine cannot predict any study.
    """
    shared = BatchSettings.from_plain(settings)
    worker = importlib.import_module("distributed").get_worker().address
    try:
        if not (shared.output / RECORDS).is_dir():
            raise OutputError(
                f"{socket.gethostname()} does not see {shared.output}: mount it there under the same path"
            )
        record, kept = _process(shared, child).run(StudyJob.from_plain(study))
    except MACHINE_FAULTS as error:
        return {"error": str(error), "worker": worker}
    except OSError as error:
        # What a study meets comes back as its record: this is of the machine, such as a process that does not start.
        why = error.strerror or str(error)
        return {
            "error": f"{socket.gethostname()} cannot predict ({why}): run gliotype info there",
            "worker": worker,
        }
    return {"record": record.text(), "kept": kept, "worker": worker}


def _process(settings: BatchSettings, child: Sequence[str]) -> StudyProcess:
    """Return the process that predicts for this thread."""
    process: StudyProcess | None = getattr(_own, "process", None)
    if process is None or _own.settings != settings:
        if process is not None:
            process.close()
        process, _own.settings = StudyProcess(settings, Flag(), child), settings
        _own.process = process
    return process
