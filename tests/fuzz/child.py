"""Read inputs one after the other, each by its seed, and say how each ended: one JSON line for each line of stdin."""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

from fuzz.inputs import SETS
from gliotype.errors import GliotypeError

MAX_BYTES = 4_000_000_000


def outcome(name: str, seed: int) -> dict[str, Any]:
    """Make and read one input; return ``{"outcome", "detail"}``."""
    inputs = SETS[name]
    files = inputs.make(random.Random(f"{name} {seed}"))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for relative, content in files.items():
            Path(folder, relative).write_bytes(content)
        try:
            inputs.read(Path(folder))
        except GliotypeError as error:
            return {"outcome": "memory" if _ran_out(error) else "refused" if error.exit_code != 1 else "defect",
                    "detail": str(error)[:300]}  # fmt: skip
        except MemoryError:
            return {"outcome": "memory", "detail": traceback.format_exc()[-1500:]}
        except BaseException:  # noqa: BLE001 - whatever else is raised is what the suite looks for
            return {"outcome": "defect", "detail": traceback.format_exc()[-1500:]}
    return {"outcome": "ok", "detail": ""}


def _ran_out(error: BaseException | None) -> bool:
    """Whether an error was raised because memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__
    return False


def serve() -> None:
    """Answer lines of a set and a seed, as JSON, until stdin ends."""
    warnings.simplefilter("ignore")
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = MAX_BYTES + pages * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(outcome(*json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
