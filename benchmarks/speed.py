"""Seconds of each stage and peak memory of `gliotype predict`, each run in a fresh process.

    python benchmarks/speed.py [STUDY] [--age YEARS] [--runs N] [--against SRC]

STUDY is any study that `gliotype predict` reads; without one, the demo study is simulated first (not counted), and
is timed without and with its DSC series, in turn. SRC is the source folder of another version, such as
``git worktree add ../before COMMIT`` makes it: both versions run in turn, and the table shows both with their ratio.
The start of the command (``--help``, import) and the networks, once loaded, are timed by themselves.
Timings vary from machine to machine and from minute to minute: compare ratios measured in one run, and CPU seconds
where something else runs on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gliotype.predictors.slices import IMAGES, OFFSETS_MM, SIZE
from gliotype.runtime import available_threads, load_network
from gliotype.segment.model1 import CHANNELS, GRID, run_network
from gliotype.simulate import demo_seed, demo_study
from gliotype.study import STRUCTURAL

STAGES = ("read", "prepare", "segment", "measure", "predict", "answer", "report", "total")
FIGURES = (*STAGES, "wall clock", "CPU", "peak memory GB")


def environment(source: Path | None) -> dict[str, str] | None:
    """Make the environment in which a version runs; None for this one."""
    return None if source is None else {**os.environ, "PYTHONPATH": str(source.resolve())}


def one_run(study: Path, age: float | None, out: Path, source: Path | None = None) -> dict[str, float]:
    """Run `gliotype predict` once and collect its stages, wall time, CPU time and peak memory."""
    command = [sys.executable, "-m", "gliotype", "predict", str(study), "-o", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, *([] if age is None else ["--age", str(age)])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(source),
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"gliotype predict ended with exit code {os.waitstatus_to_exitcode(status)}")
    seconds: dict[str, float] = json.loads((out / "prediction.json").read_text())["seconds"]
    return seconds | {
        "wall clock": wall,
        "CPU": usage.ru_utime + usage.ru_stime,
        "peak memory GB": usage.ru_maxrss * 1024 / 1e9,
    }


def network_seconds(runs: int) -> Iterator[tuple[str, list[float]]]:
    """Time what the networks of the structural images compute for one patient, without loading them."""
    images = {s: np.random.default_rng(0).random(GRID.shape, np.float32) for s in CHANNELS}
    brain_region = np.ones(GRID.shape, np.bool_)
    model2 = load_network("model2.onnx")
    slices = np.zeros((len(OFFSETS_MM), len(IMAGES) + 1, SIZE, SIZE), np.float32)
    work: dict[str, Callable[[], object]] = {
        "Model 1, one pass (image and mirror image)": lambda: run_network(images, brain_region),
        "Model 2, five slices": lambda: model2(slices),
    }
    for name, job in work.items():
        job()
        found = []
        for _ in range(runs):
            started = time.perf_counter()
            job()
            found.append(time.perf_counter() - started)
        yield name, found


def start_seconds(source: Path | None, runs: int) -> Iterator[tuple[str, list[float]]]:
    """Time the command's help and the imports of a version, CPU seconds."""
    for name, code in {
        "gliotype --help": ["-m", "gliotype", "--help"],
        "import gliotype": ["-c", "import gliotype"],
        "import gliotype.pipeline": ["-c", "import gliotype.pipeline, gliotype.report"],
    }.items():
        found = []
        for _ in range(runs):
            process = subprocess.Popen(
                [sys.executable, *code], stdout=subprocess.DEVNULL, env=environment(source)
            )
            _, _, usage = os.wait4(process.pid, 0)
            found.append(usage.ru_utime + usage.ru_stime)
        yield name, found


def lines(name: str, own: list[dict[str, float]], other: list[dict[str, float]]) -> Iterator[str]:
    """Lay out the runs of a study: median and range of this version, and of the other one with the ratio."""
    yield f"{name:16s} {'median':>8s} {'least':>8s} {'most':>8s}" + (
        f" {'other':>8s} {'ratio':>6s}" if other else ""
    )
    for figure in FIGURES:
        values = [run[figure] for run in own if figure in run]
        row = f"{figure:16s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}"
        before = [run[figure] for run in other if figure in run]
        if before:
            ratios = (new / old for new, old in zip(values, before, strict=True) if old > 0)
            row += f" {statistics.median(before):8.2f} {statistics.median(ratios):6.2f}"
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--age", type=float)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path, metavar="SRC")
    arguments = parser.parse_args()
    versions = [None] if arguments.against is None else [None, arguments.against]
    with tempfile.TemporaryDirectory() as folder:
        studies, age = {"study": arguments.study}, arguments.age
        if arguments.study is None:
            studies = {"structural": Path(folder) / "structural", "with DSC": Path(folder) / "dsc"}
            demo_study(studies["structural"], demo_seed(), sequences=STRUCTURAL)
            age = demo_study(studies["with DSC"], demo_seed())
        runs: dict[str, list[list[dict[str, float]]]] = {name: [[] for _ in versions] for name in studies}
        for number in range(arguments.runs):
            for name, study in studies.items():
                for n, version in enumerate(versions):
                    out = Path(folder) / f"{name}-{number}-{n}"
                    runs[name][n].append(one_run(study, age, out, version))
    load, cores = os.getloadavg()[0], f"{available_threads()} of {os.cpu_count()} cores"
    print(f"{arguments.runs} runs on {cores} (load average {load:.1f}); seconds unless said")
    for name, found in runs.items():
        print("\n".join(lines(name, found[0], found[1] if len(found) > 1 else [])))
    for version in versions:
        for name, seconds in start_seconds(version, arguments.runs):
            print(f"{name}{' (other)' if version else ''}: CPU {statistics.median(seconds):.2f}")
    for name, seconds in network_seconds(arguments.runs):
        print(f"{name}: {statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})")


if __name__ == "__main__":
    main()
