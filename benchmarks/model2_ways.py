"""Whether patients simulated straight onto one grid, as Model 2 is trained on, stand for raw studies.

    python benchmarks/model2_ways.py CACHE [--patients N] [--jobs N]

Each simulated patient is imaged twice: registered, on one grid, as `gliotype.train.data.simulated` does; and raw,
oblique and thick-sliced, through the whole of `gliotype predict`. Prints how far tumour volume, numbers and
Model 2's log-odds agree. What Model 2 sees of a patient is cached in the folder CACHE, so that an interrupted run goes
on and another weight answers at once; delete it when anything before Model 2 changes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

import gliotype
from gliotype.atomic_files import atomic_write
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.table import has_both_classes
from gliotype.evaluate.write import estimate_words
from gliotype.measure import measure
from gliotype.predictors.hybrid import compute_contributions
from gliotype.predictors.slices import NUMBERS, Slices, numbers_of, slices_of
from gliotype.prepare import prepare_registered
from gliotype.segment import find_brain, segment
from gliotype.simulate.cohort.raw_study import NAMES, raw_patient, scanner_units, write_raw_study
from gliotype.simulate.cohort.sites import SITES, draw_disease
from gliotype.simulate.patient import acquire
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Measurements, PreparedStudy, Subject, Tumour
from gliotype.volume import Grid, Volume

SHOWN = ("VoxelVolume", "Sphericity", "Flatness", "Frontal", "Temporal")


WAYS = ("registered", "raw")


@dataclass(frozen=True, eq=False)
class Seen:
    """What Model 2 sees of a patient in one way; without slices where no tumour was found."""

    numbers: np.ndarray
    slices: np.ndarray
    affine: np.ndarray

    @classmethod
    def of(
        cls, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements | None, subject: Subject
    ) -> Seen:
        """Extract the slices and line up the numbers; `measurements` is None where no tumour was found."""
        if measurements is None:
            return cls(np.zeros(0), np.zeros(0), np.eye(4))
        slices = slices_of(prepared, tumour)
        return cls(numbers_of(measurements, subject), slices.array, slices.grid.affine)

    @property
    def found(self) -> bool:
        """Whether a tumour was found."""
        return self.slices.size > 0

    def log_odds(self) -> tuple[float, float]:
        """Of the image's contribution, and of all."""
        shape = (*self.slices.shape[2:], len(self.slices))
        contributions = compute_contributions(Slices(self.slices, Grid(shape, self.affine)), self.numbers)
        return float(contributions.image.mean()), float(contributions.log_odds.mean())


@dataclass(frozen=True, eq=False)
class Pair:
    """One patient in both ways."""

    mutant: bool
    registered: Seen
    raw: Seen


def read_or_make_pair(seed: int, cache: Path) -> Pair:
    """Read a patient; simulate, image and prepare it first if it is not cached."""
    file = cache / f"{seed}.npz"
    if not file.exists():
        pair = both_ways(seed)
        arrays = {f"{way}_{name}": array for way in WAYS for name, array in vars(getattr(pair, way)).items()}
        with atomic_write(file) as aside:
            np.savez_compressed(aside, mutant=pair.mutant, **arrays)
    with np.load(file) as arrays:
        ways = [Seen(*(arrays[f"{way}_{name}"] for name in Seen.__dataclass_fields__)) for way in WAYS]
        return Pair(bool(arrays["mutant"]), *ways)


def both_ways(seed: int) -> Pair:
    """Simulate, image and prepare one patient in both ways."""
    rng = np.random.default_rng([seed, 7])
    disease = draw_disease(rng, SITES["severance"])
    patient = raw_patient(seed, disease)
    subject = Subject("patient", patient.age)
    protocols = draw_protocols(rng, STRUCTURAL, (3.0, 6.0))
    arrays = acquire(rng, patient, draw_parameters(rng, 3.0), protocols)
    images = {
        s: Volume(scanner_units(a, float(np.quantile(a, 0.995))), patient.grid.affine)
        for s, a in arrays.items()
    }
    prepared = prepare_registered(images, np.eye(4), None, find_brain)
    tumour = segment(prepared)
    measurements = measure(prepared, tumour) if tumour.found else None
    registered = Seen.of(prepared, tumour, measurements, subject)
    with tempfile.TemporaryDirectory() as folder:
        write_raw_study(patient, Path(folder), seed)
        files = {s: Path(folder) / f"{NAMES[s]}.nii.gz" for s in STRUCTURAL}
        result: gliotype.Result = gliotype.predict(files=files, age=patient.age)
    measurements = result.measurements if result.tumour.found else None
    raw = Seen.of(result.prepared, result.tumour, measurements, subject)
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


def print_results(pairs: list[Pair]) -> None:
    """Print how far both ways agree, where both found a tumour; with fewer than two of a class not their AUROC."""
    found = [sum(getattr(pair, way).found for pair in pairs) for way in WAYS]
    print(
        f"Simulated patients, each imaged twice. Tumour found of {len(pairs)}: registered {found[0]}, raw {found[1]}"
    )
    both = [pair for pair in pairs if pair.registered.found and pair.raw.found]
    truth = np.array([pair.mutant for pair in both])
    print(
        f"{f'n = {len(both)}, {truth.sum()} mutant':16s} {'registered':>12s} {'raw':>12s} {'difference':>12s}"
    )
    for name in SHOWN:
        index = NUMBERS.index(name)
        numbers = [np.array([getattr(pair, way).numbers[index] for pair in both]) for way in WAYS]
        print(line(name, *numbers))
        if has_both_classes(truth):
            print(f"{'':16s} AUROC registered {auroc(truth, numbers[0])}, raw {auroc(truth, numbers[1])}")
    answers = np.array([[getattr(pair, way).log_odds() for way in WAYS] for pair in both])
    for index, name in enumerate(("image, log-odds", "all, log-odds")):
        ways = list(answers[:, :, index].T)
        print(line(name, *ways))
        if not has_both_classes(truth):
            continue
        beyond = compare_aurocs(truth, ways[1], ways[0]).difference
        print(
            f"{'':16s} AUROC registered {auroc(truth, ways[0])}, raw {auroc(truth, ways[1])}, "
            f"raw minus registered {estimate_words(beyond, '+.3f')}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, metavar="CACHE")
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1, help="patients at the same time")
    arguments = parser.parse_args()
    pairs = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for pair in pool.map(
            read_or_make_pair, range(5000, 5000 + arguments.patients), repeat(arguments.cache)
        ):
            pairs.append(pair)
            print(f"{len(pairs)} of {arguments.patients}", file=sys.stderr, flush=True)
    print_results(pairs)


if __name__ == "__main__":
    main()
