"""An experiment that is killed three times compared with one that is left alone.

    python benchmarks/experiment_kills.py PROTOCOL OUT [--jobs N]

Runs `gliotype experiment PROTOCOL` in OUT/undisturbed, and again in OUT/killed, where all its processes receive SIGKILL
half-way through the preparation of the patients, half-way through the trainings and while saliency is computed; it is
started again after each. Then compares what both have written: tables, predictions and evaluations byte by byte, the
report without the time at which it was made. Prints wall time and processor time of both; that of workers which are
killed with their parent is not counted. An interrupted benchmark resumes, and its times are then those of the rest.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PREPARED = re.compile(r"example (\d+) of (\d+),")
TRAINED = re.compile(r"training (\d+) of (\d+) done")
EXPLAINED = re.compile(r"saliency of ")

KEPT = ("cache", "models", "answers")
"""Folders from which a run resumes, whose files hold times and states of training."""


@dataclass(frozen=True)
class Moment:
    """When a run is killed: at the line of progress that matches, once its numbers say half."""

    what: str
    line: re.Pattern[str]

    def has_come(self, line: str) -> bool:
        """Determine whether a line of progress is the one to kill at."""
        found = self.line.search(line)
        return found is not None and (not found.groups() or 2 * int(found[1]) >= int(found[2]))


MOMENTS = (
    Moment("in the preparation", PREPARED),
    Moment("in the trainings", TRAINED),
    Moment("in the saliency", EXPLAINED),
)


@dataclass(frozen=True)
class Spent:
    """Seconds of a run: by the clock, and of all its processes."""

    wall: float = 0.0
    processor: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.processor + other.processor)

    def __str__(self) -> str:
        return f"{self.wall / 60:.1f} min by the clock, {self.processor / 60:.1f} min of processor time"


def run(arguments: list[str], moment: Moment | None = None) -> tuple[bool, Spent]:
    """Run an experiment to its end, or kill it; return whether it was killed, and what it spent.

    Raises:
        SystemExit: if it fails.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gliotype", "experiment", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stderr is not None
    killed = False
    for line in process.stderr:
        print(line, end="", file=sys.stderr, flush=True)
        if moment is not None and not killed and moment.has_come(line):
            os.killpg(process.pid, signal.SIGKILL)
            killed = True
    code = process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code and not killed:
        raise SystemExit(f"the experiment ended with exit code {code}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return killed, Spent(time.monotonic() - began, processor)


def content(file: Path) -> bytes:
    """Content of a file; of a report, without the time at which it was made."""
    data = file.read_bytes()
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", b"", data) if file.suffix == ".html" else data


def files_of(folder: Path) -> dict[str, bytes]:
    """All that a run has written for its user, by name."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    named = {file.relative_to(folder): file for file in files}
    return {str(name): content(file) for name, file in named.items() if name.parts[0] not in KEPT}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    how = [str(arguments.protocol), "--jobs", str(arguments.jobs), "-o"]
    _, spent = run([*how, str(arguments.out / "undisturbed")])
    print(f"undisturbed: {spent}", flush=True)
    total = Spent()
    for moment in (*MOMENTS, None):
        killed, spent = run([*how, str(arguments.out / "killed")], moment)
        total += spent
        if moment is not None:
            print(f"killed {moment.what}: {'yes' if killed else 'no, it was done'}; {spent}", flush=True)
    print(f"killed and resumed: {total}")
    first, second = (files_of(arguments.out / name) for name in ("undisturbed", "killed"))
    differ = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    print(f"{len(first)} files, {len(differ)} differ{': ' if differ else ''}{', '.join(differ)}")
    raise SystemExit(1 if differ else 0)


if __name__ == "__main__":
    main()
