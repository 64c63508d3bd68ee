"""Faint simulated tumours and healthy heads, found or answered `no_tumour` by one or two weights of Model 1.

    python benchmarks/faint.py --rows FILE [--tumours N] [--healthy N] [--model1 WEIGHT ...] [--jobs N]

A faint tumour has 5 to 40 ml, and on every sequence at most the contrast to its surroundings that a tenth of ordinary
simulated tumours of that size fall below; its head shows three of the four sequences, drawn at random, healthy heads
all four. Heads are simulated on Model 1's grid, without registration. FILE gets a line for each head, so that an
interrupted run resumes. WEIGHT is an ONNX file of `gliotype train model1`, or the word ``shipped`` (the default); all
weights see the same heads. The script adds ordinary tumours of any size, with physical signals and with free
intensities (`gliotype.simulate.free_intensities`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.evaluate.decisions import mean_of, proportion
from gliotype.masks import dice
from gliotype.prepare import prepare_registered
from gliotype.segment import find_brain, segment
from gliotype.segment.model1 import GRID, use_model1
from gliotype.simulate.fields import Field
from gliotype.simulate.free_intensities import paint
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Volume

STREAM = 47
"""Second part of the seed of every head here."""

SIZE_ML = (5.0, 40.0)
"""Volume of a faint tumour."""

ORDINARY = 100
"""Tumours of that size whose contrast is measured, to know its lowest tenth."""

RING_VOXELS = 2
"""Width of the surroundings in voxels of Model 1's grid."""


@dataclass(frozen=True)
class Outcome:
    """What a weight found in a head.

    Attributes:
        dice: how well it agrees with the truth; None where there is no tumour.
        doubtful: whether nothing was found and the call is nevertheless not `no_tumour`.
    """

    kind: str
    seed: int
    weight: str
    true_ml: float
    found_ml: float
    dice: float | None
    doubtful: bool


def small_tumour(rng: np.random.Generator) -> DigitalPatient:
    """Draw patients until the tumour has a size within `SIZE_ML`."""
    kinds = list(GliomaType)
    while True:
        patient = draw_patient(rng, template_anatomy(), GRID, kinds[int(rng.integers(len(kinds)))])
        assert patient.tumour is not None
        if SIZE_ML[0] <= float((patient.tumour.labels > 0).sum()) * GRID.voxel_ml <= SIZE_ML[1]:
            return patient


def image(
    patient: DigitalPatient, seed: int, visibility: dict[Sequence, float] | None = None
) -> dict[Sequence, Field]:
    """Acquire all sequences of a patient; only the tumour's contrast depends on `visibility`."""
    rng = np.random.default_rng([seed, STREAM, 1])
    protocols = draw_protocols(rng, STRUCTURAL, (1.0, 6.0))
    parameters = draw_parameters(rng, 3.0 if rng.random() < 0.6 else 1.5)
    return acquire(rng, patient, parameters, protocols, visibility=visibility)


def contrast(image: Field, patient: DigitalPatient) -> float:
    """Measure how far the tumour's mean differs from that of the brain around it, relative to the latter."""
    assert patient.tumour is not None
    whole = patient.tumour.labels > 0
    around = ndimage.binary_dilation(whole, iterations=RING_VOXELS) & ~whole & patient.brain
    return abs(float(image[whole].mean() / image[around].mean()) - 1)


def _contrasts(seed: int) -> dict[Sequence, float]:
    patient = small_tumour(np.random.default_rng([seed, STREAM, 0]))
    return {s: contrast(array, patient) for s, array in image(patient, seed).items()}


def lowest_tenth(pool: ProcessPoolExecutor) -> dict[Sequence, float]:
    """Measure which contrast a tenth of ordinary tumours fall below, sequence by sequence."""
    found = list(pool.map(_contrasts, range(10_000, 10_000 + ORDINARY)))
    return {s: float(np.quantile([each[s] for each in found], 0.1)) for s in STRUCTURAL}


def faint_head(seed: int, most: dict[Sequence, float]) -> tuple[dict[Sequence, Field], DigitalPatient]:
    """Simulate a head with a faint tumour, in three sequences."""
    rng = np.random.default_rng([seed, STREAM, 0])
    patient = small_tumour(rng)
    ordinary = {s: contrast(array, patient) for s, array in image(patient, seed).items()}
    visibility = {s: min(1.0, most[s] / max(ordinary[s], 1e-6)) for s in STRUCTURAL}
    images = image(patient, seed, visibility)
    missing = STRUCTURAL[int(rng.integers(len(STRUCTURAL)))]
    return {s: array for s, array in images.items() if s is not missing}, patient


def healthy_head(seed: int) -> tuple[dict[Sequence, Field], DigitalPatient]:
    """Simulate a healthy head in all sequences."""
    patient = draw_patient(np.random.default_rng([seed, STREAM, 2]), template_anatomy(), GRID, None)
    return image(patient, seed), patient


def freely_painted_head(seed: int) -> tuple[dict[Sequence, Field], DigitalPatient]:
    """Simulate a head with a tumour of any size with free intensities."""
    rng = np.random.default_rng([seed, STREAM, 3])
    patient = draw_patient(rng, template_anatomy(), GRID, list(GliomaType)[seed % len(GliomaType)])
    return paint(rng, patient, draw_protocols(rng, STRUCTURAL, (1.0, 6.0))), patient


def ordinary_head(seed: int) -> tuple[dict[Sequence, Field], DigitalPatient]:
    """Simulate a head with a tumour of any size with physical signals."""
    rng = np.random.default_rng([seed, STREAM, 4])
    patient = draw_patient(rng, template_anatomy(), GRID, list(GliomaType)[seed % len(GliomaType)])
    return image(patient, seed), patient


def run(kind: str, seed: int, weights: tuple[str, ...], most: dict[Sequence, float]) -> list[Outcome]:
    """Simulate a head, and find the tumour with every weight."""
    if kind == "faint":
        images, patient = faint_head(seed, most)
    else:
        images, patient = {"healthy": healthy_head, "free": freely_painted_head, "physics": ordinary_head}[
            kind
        ](seed)
    truth = np.zeros(GRID.shape, np.bool_) if patient.tumour is None else patient.tumour.labels > 0
    volumes = {s: Volume(array.astype(np.float32), GRID.affine) for s, array in images.items()}
    return [_find(kind, seed, weight, volumes, truth) for weight in weights]


def _find(
    kind: str, seed: int, weight: str, images: dict[Sequence, Volume], truth: NDArray[np.bool_]
) -> Outcome:
    with use_model1(None if weight == "shipped" else Path(weight)):
        tumour = segment(prepare_registered(images, np.eye(4), None, find_brain))
    found = tumour.mask
    return Outcome(
        kind,
        seed,
        weight,
        float(truth.sum()) * GRID.voxel_ml,
        float(found.sum()) * GRID.voxel_ml,
        dice(found, truth) if truth.any() else None,
        bool(tumour.doubts),
    )


def missing(
    asked: dict[str, int], done: list[Outcome], weights: tuple[str, ...]
) -> Iterator[tuple[str, int]]:
    """Yield the heads that FILE does not hold for every weight, the kinds in turn."""
    there = {(o.kind, o.seed, o.weight) for o in done}
    for seed in range(max(asked.values(), default=0)):
        for kind, number in asked.items():
            if seed < number and not all((kind, seed, weight) in there for weight in weights):
                yield kind, seed


def summarise(outcomes: list[Outcome], weights: tuple[str, ...]) -> None:
    """Print how many heads of each kind are answered `no_tumour`, and the Dice of the others."""
    print("| heads | weight | n | no tumour (95 % interval) | in doubt | Dice, mean (95 % interval) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in dict.fromkeys(o.kind for o in outcomes):
        for weight in weights:
            part = [o for o in outcomes if o.kind == kind and o.weight == weight]
            silent = proportion(sum(o.found_ml == 0 and not o.doubtful for o in part), len(part))
            doubtful = sum(o.doubtful for o in part)
            values = np.array([o.dice for o in part if o.dice is not None])
            agreement = mean_of(values) if len(values) > 1 else "-"
            name = weight if weight == "shipped" else Path(weight).stem
            print(f"| {kind} | {name} | {len(part)} | {silent} | {doubtful} | {agreement} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE")
    parser.add_argument("--tumours", type=int, default=200, help="faint tumours")
    parser.add_argument("--healthy", type=int, default=100, help="healthy heads")
    parser.add_argument("--others", type=int, default=40, help="ordinary tumours of each generator")
    parser.add_argument("--model1", action="append", metavar="WEIGHT", help="weight to try; several times")
    parser.add_argument("--jobs", type=int, default=1, help="heads at the same time")
    arguments = parser.parse_args()
    weights = tuple(arguments.model1 or ["shipped"])
    done = (
        [json.loads(line) for line in arguments.rows.read_text().splitlines()]
        if arguments.rows.exists()
        else []
    )
    outcomes = [Outcome(**row) for row in done]
    asked = {
        "faint": arguments.tumours,
        "healthy": arguments.healthy,
        "free": arguments.others,
        "physics": arguments.others,
    }
    with ProcessPoolExecutor(arguments.jobs) as pool, arguments.rows.open("a") as file:
        most = lowest_tenth(pool)
        print(
            "lowest tenth of contrast:",
            ", ".join(f"{s} {value:.2f}" for s, value in most.items()),
            flush=True,
        )
        jobs = [
            pool.submit(run, kind, seed, weights, most) for kind, seed in missing(asked, outcomes, weights)
        ]
        for job in as_completed(jobs):
            for outcome in job.result():
                outcomes.append(outcome)
                file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()
    summarise(outcomes, weights)


if __name__ == "__main__":
    main()
