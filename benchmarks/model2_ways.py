"""Whether patients simulated straight onto one grid, as Model 2 is trained on, stand for raw studies.

    python benchmarks/model2_ways.py [--patients N] [--jobs N]

Each simulated patient is imaged twice: registered, on one grid, as `gliotype.train.simulated` does; and raw,
oblique and thick-sliced, through the whole of `gliotype predict`. Prints how far tumour volume, numbers and
Model 2's log-odds agree.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gliotype
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.measure import measure
from gliotype.predictors.hybrid import shares_of
from gliotype.predictors.slices import NUMBERS, numbers_of
from gliotype.prepare import prepare_registered
from gliotype.segment import find_brain, segment
from gliotype.simulate.patient import acquire
from gliotype.simulate.raw import NAMES, raw_patient, scanner_units, write_raw_study
from gliotype.simulate.scanner import draw_protocol
from gliotype.simulate.sites import SITES, draw_disease
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Subject
from gliotype.volume import Volume

SHOWN = ("VoxelVolume", "Sphericity", "Flatness", "Frontal", "Temporal")


@dataclass(frozen=True, eq=False)
class Pair:
    """Numbers, image's share and log-odds of one patient in both ways; None where no tumour was found."""

    mutant: bool
    registered: tuple[np.ndarray, float, float] | None
    raw: tuple[np.ndarray, float, float] | None


def both_ways(seed: int) -> Pair:
    """Simulate one patient and answer in both ways."""
    rng = np.random.default_rng([seed, 7])
    disease = draw_disease(rng, SITES["severance"])
    patient = raw_patient(seed, disease)
    subject = Subject("patient", patient.age)
    protocols = {s: draw_protocol(rng, s, thickness_mm=float(rng.uniform(3, 6))) for s in STRUCTURAL}
    arrays = acquire(rng, patient, draw_parameters(rng, 3.0), protocols)
    images = {
        s: Volume(scanner_units(a, float(np.quantile(a, 0.995))), patient.grid.affine)
        for s, a in arrays.items()
    }
    prepared = prepare_registered(images, np.eye(4), None, find_brain)
    tumour = segment(prepared)
    registered = None
    if tumour.found:
        measured = measure(prepared, tumour)
        shares = shares_of(prepared, tumour, measured, subject)
        registered = (
            numbers_of(measured, subject),
            float(shares.image.mean()),
            float(shares.log_odds.mean()),
        )
    with tempfile.TemporaryDirectory() as folder:
        write_raw_study(patient, Path(folder), seed)
        files = {s: Path(folder) / f"{NAMES[s]}.nii.gz" for s in STRUCTURAL}
        result: gliotype.Result = gliotype.predict(files=files, age=patient.age)
    raw = None
    if result.tumour.found:
        shares = shares_of(result.prepared, result.tumour, result.measurements, subject)
        numbers = numbers_of(result.measurements, subject)
        raw = (numbers, float(shares.image.mean()), float(shares.log_odds.mean()))
    return Pair(bool(getattr(disease, "idh_mutant", False)), registered, raw)


def line(name: str, first: np.ndarray, second: np.ndarray) -> str:
    """Mean of both ways, mean difference with its 95 % interval, and the correlation."""
    away = second - first
    half = 1.96 * away.std(ddof=1) / np.sqrt(len(away))
    return (
        f"{name:16s} {first.mean():12.3f} {second.mean():12.3f} "
        f"{away.mean():+12.3f} ({away.mean() - half:+.3f} to {away.mean() + half:+.3f}) "
        f"r = {np.corrcoef(first, second)[0, 1]:.2f}"
    )


def tell(pairs: list[Pair]) -> None:
    """Print how far both ways agree, where both found a tumour."""
    found = [
        sum(way is not None for way in ways)
        for ways in zip(*((p.registered, p.raw) for p in pairs), strict=True)
    ]
    print(
        f"Simulated patients, each imaged twice. Tumour found of {len(pairs)}: registered {found[0]}, raw {found[1]}"
    )
    both = [(p.mutant, p.registered, p.raw) for p in pairs if p.registered and p.raw]
    truth = np.array([mutant for mutant, _, _ in both])
    print(
        f"{f'n = {len(both)}, {truth.sum()} mutant':16s} {'registered':>12s} {'raw':>12s} {'difference':>12s}"
    )
    for name in SHOWN:
        place = NUMBERS.index(name)
        numbers = [np.array([row[way][0][place] for row in both]) for way in (1, 2)]
        print(line(name, *numbers))
        print(f"{'':16s} AUROC registered {auroc(truth, numbers[0])}, raw {auroc(truth, numbers[1])}")
    for index, name in ((1, "image, log-odds"), (2, "all, log-odds")):
        ways = [np.array([row[way][index] for row in both]) for way in (1, 2)]
        print(line(name, *ways))
        beyond = compare_aurocs(truth, ways[1], ways[0]).difference
        print(
            f"{'':16s} AUROC registered {auroc(truth, ways[0])}, raw {auroc(truth, ways[1])}, "
            f"raw minus registered {estimate_words(beyond, '+.3f')}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1, help="patients at the same time")
    arguments = parser.parse_args()
    pairs = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for pair in pool.map(both_ways, range(5000, 5000 + arguments.patients)):
            pairs.append(pair)
            print(f"{len(pairs)} of {arguments.patients}", file=sys.stderr, flush=True)
    tell(pairs)


if __name__ == "__main__":
    main()
