"""Seconds of each stage and peak memory of `gliotype predict`, each run in a fresh process.

    python benchmarks/speed.py STUDY [--age YEARS] [--runs N]

STUDY is any study that `gliotype predict` reads; without one, the demo study is simulated first (not counted), and
is timed without and with its DSC series, in turn. The networks are timed by themselves, too, once they are loaded.
Timings vary from machine to machine and from minute to minute: compare ratios measured in one run.
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
from gliotype.runtime import load_network
from gliotype.segment.model1 import CHANNELS, GRID, run_network
from gliotype.simulate import demo_seed, demo_study
from gliotype.study import STRUCTURAL

STAGES = ("read", "prepare", "segment", "measure", "predict", "report", "total")


def one_run(study: Path, age: float | None, out: Path) -> dict[str, float]:
    """Run `gliotype predict` once and collect its stages, wall time, CPU time and peak memory."""
    command = [sys.executable, "-m", "gliotype", "predict", str(study), "-o", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, *([] if age is None else ["--age", str(age)])], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"gliotype predict ended with exit code {os.waitstatus_to_exitcode(status)}")
    seconds: dict[str, float] = json.loads((out / "prediction.json").read_text())["seconds"]
    return seconds | {
        "wall clock": wall,
        "CPU": usage.ru_utime + usage.ru_stime,
        "peak memory GiB": usage.ru_maxrss / 2**20,
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--age", type=float)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        studies, age = {"study": arguments.study}, arguments.age
        if arguments.study is None:
            studies = {"structural": Path(folder) / "structural", "with DSC": Path(folder) / "dsc"}
            demo_study(studies["structural"], demo_seed(), sequences=STRUCTURAL)
            age = demo_study(studies["with DSC"], demo_seed())
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in studies}
        for number in range(arguments.runs):
            for name, study in studies.items():
                runs[name].append(one_run(study, age, Path(folder) / f"{name}-{number}"))
    load = os.getloadavg()[0]
    print(f"{arguments.runs} runs on {os.cpu_count()} cores (load average {load:.1f}); seconds unless said")
    for name, found in runs.items():
        print(f"{name:16s} {'median':>8s} {'least':>8s} {'most':>8s}")
        for stage in (*STAGES, "wall clock", "CPU", "peak memory GiB"):
            values = [run[stage] for run in found]
            print(f"{stage:16s} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")
    for name, seconds in network_seconds(arguments.runs):
        print(f"{name}: {statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})")


if __name__ == "__main__":
    main()
