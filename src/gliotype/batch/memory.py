"""The largest resident memory of this process since a point in time, where the system (Linux) tells."""

from __future__ import annotations

import gc
import re
from contextlib import suppress
from pathlib import Path

from gliotype.runtime import release_memory

_CLEAR, _STATUS, _AVAILABLE = Path("/proc/self/clear_refs"), Path("/proc/self/status"), Path("/proc/meminfo")
_RESET_PEAK = "5"


def free_what_is_left() -> None:
    """Free what earlier studies left in cycles of references, and give freed memory back to the system."""
    gc.collect()
    release_memory()


def restart_peak() -> None:
    """Let the peak begin at what is used now."""
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")


def peak_bytes() -> int | None:
    """Return the peak since `restart_peak`."""
    return _kilobytes(_STATUS, "VmHWM")


def available_bytes() -> int | None:
    """Return the memory that the machine can still lend."""
    return _kilobytes(_AVAILABLE, "MemAvailable")


def _kilobytes(file: Path, name: str) -> int | None:
    with suppress(OSError):
        found = re.search(
            rf"^{name}:\s+(\d+) kB", file.read_text(encoding="ascii", errors="replace"), re.MULTILINE
        )
        return None if found is None else int(found.group(1)) * 1024
    return None
