"""The process that predicts studies for a batch: ``python -m gliotype.batch.child MEMORY``.

Once it is ready it writes an empty line to what was stdout. Then it reads a study and the settings as one line of JSON
from stdin, writes the record as one line, and so on until stdin ends. When that happens while it computes, its parent
has died, and it ends at once: what it wrote aside is swept by the next run.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import IO, Any


def main() -> None:
    """Serve studies until stdin ends."""
    _limit_memory(int(sys.argv[1]))
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin, lines), daemon=True).start()
    # Libraries in C may print: what they print must not be taken for a record.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as records:
        os.dup2(2, 1)
        import gliotype.batch.study  # noqa: F401 - the imports take seconds, which are not the first study's

        records.write("\n")
        records.flush()
        while True:
            _serve(json.loads(lines.get()), records)


def _receive(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    os._exit(0)


def _serve(request: dict[str, Any], records: IO[str]) -> None:
    from gliotype.batch.faults import MACHINE_FAULTS
    from gliotype.batch.job import BatchSettings, StudyJob
    from gliotype.batch.study import run_study

    study, settings = StudyJob.from_plain(request["study"]), BatchSettings.from_plain(request["settings"])
    try:
        record, kept = run_study(study, settings)
        answer = {"record": record.text(), "kept": kept}
    except MACHINE_FAULTS as error:
        answer = {"error": str(error), "exit_code": error.exit_code}
    records.write(json.dumps(answer) + "\n")
    records.flush()


def _limit_memory(most: int) -> None:
    """Let the system refuse what goes beyond the limit; Linux counts what is written to."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


if __name__ == "__main__":
    main()
