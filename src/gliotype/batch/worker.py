"""What runs on a worker of a Dask cluster.

The scheduler imports this module too, when a study is handed to it: it imports nothing that takes time.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.process import StudyProcess
from gliotype.errors import OutputError
from gliotype.flag import Flag

_own = threading.local()


def predict_on_worker(
    study: Mapping[str, Any], settings: Mapping[str, Any], child: Sequence[str]
) -> Mapping[str, Any]:
    """Predict a study on the worker where this runs; everything goes in and out as plain values."""
    shared = BatchSettings.from_plain(settings)
    process: StudyProcess | None = getattr(_own, "process", None)
    if process is None or _own.settings != shared:
        if process is not None:
            process.close()
        process, _own.settings = StudyProcess(shared, Flag(), child), shared
        _own.process = process
    try:
        record, kept = process.run(StudyJob.from_plain(study))
    except OutputError as error:
        return {"error": str(error), "worker": importlib.import_module("distributed").get_worker().address}
    return {"record": record.text(), "kept": kept}
