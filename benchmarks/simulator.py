"""How credible the simulated patients are: signal equations and single-number distributions against published ones.

    python benchmarks/simulator.py [--patients N] [--rows FILE] [--data DATA] [--pictures FOLDER]

No network takes part, and the simulator is never tuned on a network's score. Patients are drawn with the case mix of
the Severance cohort (`simulated_rows.py`). One row for each published number (`simulator_rows.py`); with DATA also
quantiles next to those of real masks and tables of signal (`real_tumours.py`, `simulator_quantiles.py`): DATA/masks
holds BraTS label maps with labels.csv, DATA/tables the tables of UCSF-PDGM and UPENN-GBM. FILE keeps a line for each
patient, so that an interrupted run resumes; lines of another version of the simulator are ignored.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from simulated_rows import code_version, rows_of, simulate
from simulator_quantiles import compare, plot, table
from simulator_rows import PLANS, draw_plans, image_rows, plan_rows

from gliotype.segment.model1 import CHANNELS
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.scanner import inversion_recovery, spin_echo
from gliotype.train.model1.cases import simulate_case

PHYSICS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "white matter": ((0.72, 900, 75), (0.299, 1.00, 1.00)),
    "grey matter": ((0.84, 1500, 100), (0.246, 1.56, 1.24)),
    "CSF": ((1.0, 4300, 1500), (0.129, 3.22, 0.15)),
    "oedema": ((0.90, 1650, 150), (0.253, 2.29, 1.79)),
    "non-enhancing, wildtype": ((0.88, 1550, 160), (0.262, 2.36, 1.97)),
    "oligodendroglioma": ((0.91, 1700, 190), (0.254, 2.65, 2.06)),
    "astrocytoma, rim": ((0.90, 1650, 190), (0.258, 2.64, 2.12)),
    "astrocytoma, core": ((0.94, 2000, 300), (0.234, 3.20, 2.15)),
    "astrocytoma, wetter core": ((0.94, 2200, 350), (0.217, 3.26, 1.93)),
    "astrocytoma, near mismatch": ((0.96, 2600, 400), (0.192, 3.26, 1.43)),
    "astrocytoma, mismatch core": ((0.97, 3000, 500), (0.172, 3.27, 1.00)),
    "enhancing, before contrast": ((0.88, 1550, 120), (0.256, 1.92, 1.53)),
    "necrosis": ((0.97, 2800, 500), (0.183, 3.37, 1.25)),
}
"""PD, T1 and T2 (ms) of a tissue, and by hand: T1w 600/12, T2w 4500/100 and FLAIR 10000/2500/120 over white matter."""


def physics() -> None:
    """Print the signal of each tissue and the value worked by hand."""
    print("tissue                       T1w  by hand   T2w/WM  by hand   FLAIR/WM  by hand")
    worst = 0.0
    white = _weigh(*PHYSICS["white matter"][0])
    for name, (parameters, expected) in PHYSICS.items():
        t1w, t2w, flair = _weigh(*parameters)
        found = (t1w, t2w / white[1], flair / white[2])
        worst = max(worst, *(abs(f - e) for f, e in zip(found, expected, strict=True)))
        pairs = "  ".join(f"{f:7.3f} {e:7.3f}" for f, e in zip(found, expected, strict=True))
        print(f"{name:26s} {pairs}")
    print(f"largest difference: {worst:.3f}\n")


def _weigh(pd: float, t1_ms: float, t2_ms: float) -> tuple[float, float, float]:
    p, a, b = (np.array(value, dtype=np.float32) for value in (pd, t1_ms, t2_ms))
    return (
        float(spin_echo(p, a, b, 600, 12)),
        float(spin_echo(p, a, b, 4500, 100)),
        float(inversion_recovery(p, a, b, 10000, 120, 2500)),
    )


def speed(seconds: float = 20.0) -> None:
    """Print how many training cases a core simulates in a second."""
    rng, started, n = np.random.default_rng(0), time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        simulate_case(rng, (template_anatomy(),))
        n += 1
    print(
        f"training cases of Model 1 a second on one core: {n / (time.perf_counter() - started):.2f} (n = {n})"
    )


def pictures(folder: Path, n: int = 8) -> None:
    """Draw simulated patients: T1, T1c, T2, FLAIR and truth at the slice of the largest tumour."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(10, 1.2 * n / 2), layout="constrained")
    axes = figure.subplots(n // 2, 10)
    for seed in range(n):
        patient, prepared = simulate(seed)
        assert patient.tumour is not None
        slice_ = int((patient.tumour.labels > 0).sum(axis=(0, 1)).argmax())
        for column, sequence in enumerate(CHANNELS):
            image = np.asarray(prepared.images[sequence].array)[:, :, slice_]
            axes[seed // 2, 5 * (seed % 2) + column].imshow(
                image.T, origin="lower", cmap="gray", vmin=0, vmax=np.quantile(image, 0.995)
            )
        truth = patient.tumour.labels[:, :, slice_]
        axes[seed // 2, 5 * (seed % 2) + 4].imshow(truth.T, origin="lower", vmin=0, vmax=3)
    for each in axes.flat:
        each.axis("off")
    figure.savefig(folder / "simulated.jpg", dpi=90)
    print(f"pictures: {folder / 'simulated.jpg'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1, help="patients at the same time")
    parser.add_argument("--rows", type=Path, help="keep a line for each patient in this file, to resume")
    parser.add_argument("--data", type=Path, help="folder with masks/ and tables/ of real tumours")
    parser.add_argument("--pictures", type=Path, help="write pictures of simulated patients to this folder")
    arguments = parser.parse_args()
    physics()
    rows = rows_of(arguments.patients, arguments.rows, arguments.jobs)
    print(f"simulator {code_version()}, {len(rows)} patients, {PLANS} plans of each class\n")
    print("| number | published | source | n | simulated (95 % interval) | met |\n|" + " --- |" * 6)
    print("\n".join(map(str, plan_rows(draw_plans()) + image_rows(rows))), "\n")
    if arguments.data:
        kept = arguments.rows.with_suffix(".masks.jsonl") if arguments.rows else None
        comparisons = compare(rows, arguments.data, kept)
        print(table(comparisons), "\n")
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            plot(comparisons, arguments.pictures / "simulator-quantiles.svg")
    speed()
    if arguments.pictures:
        pictures(arguments.pictures)


if __name__ == "__main__":
    main()
