"""Run sets of inputs in child processes with limits of time and memory, and count how they ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_SECONDS = 20.0
OUTCOMES = ("ok", "refused", "defect", "hang", "memory")
"""Read; refused with a typed error; any other exception or a crash; beyond the limit of time; beyond that of memory."""

_TESTS = Path(__file__).resolve().parents[1]
_START_SECONDS = 120.0


@dataclass
class Outcomes:
    """How the inputs of one set ended.

    Attributes:
        counts: by outcome.
        failures: seed, outcome and traceback of every input that was neither read nor refused.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, seed: int, outcome: str, detail: str) -> None:
        self.counts[outcome] += 1
        if outcome not in ("ok", "refused"):
            self.failures.append((seed, outcome, detail))


class Child:
    """A process that reads inputs, of any set, until it hangs or crashes."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(_TESTS), *sys.path])
        environment = os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.child"], env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if self._line(_START_SECONDS) != "ready":
            self.end()
            raise RuntimeError("the child that reads the inputs does not start")

    def run(self, name: str, seed: int) -> dict[str, Any] | None:
        """Return how an input ended, or None if the child did not answer in time; it is then gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps([name, seed])}\n")
        self._process.stdin.flush()
        line = self._line(MAX_SECONDS)
        if line is None:
            return None
        return (
            json.loads(line) if line else {"outcome": "defect", "detail": "the process crashed", "gone": True}
        )

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _line(self, seconds: float) -> str | None:
        """Read a line; empty if the process ended, None if it does not come in time."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline().strip() if ready else None


def run_sets(names: Iterable[str], seeds: range) -> dict[str, Outcomes]:
    """Read the inputs of some sets, by their seeds, in one child after the other."""
    outcomes = {name: Outcomes() for name in names}
    child = Child()
    try:
        for name, found in outcomes.items():
            for seed in seeds:
                ended = child.run(name, seed)
                if ended is None:
                    found.add(seed, "hang", f"no answer within {MAX_SECONDS:g} s")
                else:
                    found.add(seed, ended["outcome"], ended["detail"])
                if ended is None or ended.get("gone"):
                    child.end()
                    child = Child()
    finally:
        child.end()
    return outcomes


def table(found: dict[str, Outcomes]) -> str:
    """Return the outcomes as lines of text.

    Example:
        >>> print(table({"zip": Outcomes(Counter(ok=2, refused=1))}))
        set                  ok  refused   defect     hang   memory
        zip                   2        1        0        0        0
        all                   2        1        0        0        0
    """
    total: Counter[str] = sum((outcomes.counts for outcomes in found.values()), Counter())
    rows = [("set", *OUTCOMES)]
    for name, counts in [*((name, outcomes.counts) for name, outcomes in found.items()), ("all", total)]:
        rows.append((name, *(str(counts[outcome]) for outcome in OUTCOMES)))
    return "\n".join(f"{row[0]:<14}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows)
