"""The learning curve of Model 2 on simulated patients.

    python benchmarks/model2_curve.py RUN [--sizes N ...] [--test N] [--usual N] [--label-maps FOLDER]
        [--minutes M]

An example made as `gliotype experiment` makes it costs seconds, most of them Model 1's passes and the grid of 1.5 mm.
For a curve, patients are simulated and prepared on Model 1's own grid of 2 mm, with the true brain, up to 3 mm wider,
and outlined by a single pass: as in use, the outline is Model 1's, with its errors. `--usual` adds test patients made
as an experiment makes them, to see whether what is learned from such examples holds there.

The larger training sets hold the smaller ones; tuning and test patients are the same for all. Age alone, and the
shipped Model 2, stand next to the curve. Everything printed is simulated. RUN keeps the examples and the networks, so
that an interrupted run resumes; `--minutes` stops making examples after so many minutes of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.evaluate.decisions import mean_of
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.experiment.splits import nested_subset
from gliotype.masks import dice, within_mm
from gliotype.measure import measure
from gliotype.predictors.hybrid import compute_contributions
from gliotype.predictors.slices import NUMBERS, OFFSETS_MM, Slices, numbers_of, slices_of
from gliotype.prepare import prepare_registered
from gliotype.runtime import use_threads
from gliotype.segment import find_brain
from gliotype.segment.model1 import GRID, run_once
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.simulate.cohort.patient_record import simulate_patient
from gliotype.study import PreparedStudy, Subject, Tumour
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.data.examples import NO_INPUTS, Example, Patients, make_examples
from gliotype.train.data.simulated import STRATA, SimulatedPatients
from gliotype.train.model2.method import HybridMethod
from gliotype.train.model2.model import Recipe
from gliotype.volume import Grid, Volume

SPACING_MM = 2.0
"""Grid of the patients."""

SITE = "severance"
SEEDS = {"training": 301_000, "tuning": 302_000, "test": 303_000, "usual": 304_000}
"""Of the patients of each set; no training used them."""

TUNING = 40

READ_S = 0.3
"""An example that took longer was made, and not read."""


def outline_once(prepared: PreparedStudy) -> Tumour:
    """Outline the largest component of tumour that one pass of Model 1 sees in all sequences together."""
    probabilities = run_once(*strip_to_network_grid(prepared))
    regions = np.stack(
        [
            np.asarray(Volume(part, GRID.affine).resample(prepared.grid, prepared.mni_from_prepared).array)
            for part in probabilities[2:]
        ]
    )
    parts, n = ndimage.label((regions.sum(axis=0) >= 0.5) & (np.asarray(prepared.brain.array) > 0))
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1 if n else np.zeros(parts.shape, bool)
    labels = np.where(largest, regions.argmax(axis=0) + 1, 0).astype(np.uint8)
    return Tumour(Volume(labels, prepared.grid.affine), "model1", float(largest.any()))


@dataclass(frozen=True)
class QuickPatients(SimulatedPatients):
    """A simulated cohort whose examples are made on Model 1's grid, with the true brain and an outline of one pass."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that the examples depend on."""
        return {**super().settings, "spacing_mm": SPACING_MM, "outline": "one pass"}

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Simulate a patient and make the example."""
        draw = self.draw(subject)
        heads = read_anatomies(self.anatomies, self.cache)
        anatomy = heads[int(draw.head * len(heads))]
        patient = simulate_patient(subject, draw, anatomy, raw=False, spacing_mm=SPACING_MM)
        wider = np.random.default_rng([draw.seed, 77]).uniform(0, 3)
        grid = patient.brain.grid
        support = Volume(within_mm(np.asarray(patient.brain.array) > 0, wider, grid.spacing), grid.affine)
        stripped = {
            s: image.volume.with_array(np.where(support.array, image.volume.array, 0))
            for s, image in patient.images.items()
        }
        prepared = prepare_registered(stripped, np.eye(4), support, find_brain)
        tumour = outline_once(prepared)
        who = Subject(subject, float(str(patient.truth["age"])), str(patient.truth["sex"]))
        true = np.asarray(patient.labels.array) > 0
        found = tumour.found
        return Example(
            subject,
            patient.truth["idh"] == "mutant",
            float(who.age or np.nan),
            (slices_of(prepared, tumour).array if found else np.zeros((5, 4, 128, 128))).astype(np.float16),
            numbers_of(measure(prepared, tumour), who) if found else np.full(len(NUMBERS), np.nan),
            found,
            dice(true, tumour.mask),
            {name: str(patient.truth[name]) for name in STRATA},
        )


class ThisProcess(Executor):
    """Makes examples in this process, whose processor time is counted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function at once."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


HERE = ThisProcess()


def make(name: str, source: Patients, run: Path, until: float) -> list[Example]:
    """Make or read examples until the processor time is used up, and say what one takes that is made."""
    made: list[Example] = []
    seconds: list[float] = []
    for subject in source.subjects:
        began = time.process_time()
        made += make_examples(source, run / "cache", subjects=[subject], pool=lambda: nullcontext(HERE))
        if (taken := time.process_time() - began) > READ_S:
            seconds.append(taken)
        if time.process_time() > until:
            break
    each = f", {np.median(seconds):.2f} s each (median of {len(seconds)} made now)" if seconds else ""
    print(f"{name}: {len(made)} examples{each}", flush=True)
    return made


def shipped_log_odds(examples: list[Example]) -> NDArray[np.float64]:
    """Return what the shipped Model 2 says; 0 where no tumour was found."""
    said = np.zeros(len(examples))
    for index, each in enumerate(examples):
        if each.found:
            grid = Grid((*each.slices.shape[2:], len(OFFSETS_MM)), np.eye(4))
            slices = Slices(each.slices.astype(np.float32), grid)
            said[index] = compute_contributions(slices, each.numbers).log_odds.mean()
    return said


def print_curve(name: str, test: list[Example], scores: Mapping[str, NDArray[np.float64]]) -> None:
    """Print AUROCs on a test set, and what each model has beyond the one that learned from fewest."""
    mutant = np.array([each.mutant for each in test])
    print(f"\n{name}: {len(test)} simulated patients, {mutant.sum()} mutant; Dice of the outline ", end="")
    print(mean_of(np.array([each.dice for each in test])), end="; ")
    print(f"no tumour found in {sum(not each.found for each in test)}\n")
    print("| learned from | AUROC | minus the first row |\n| --- | --- | --- |")
    first = next(iter(scores.values()))
    for label, score in scores.items():
        less = (
            "" if score is first else estimate_words(compare_aurocs(mutant, score, first).difference, "+.3f")
        )
        print(f"| {label} | {auroc(mutant, score)} | {less} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 60, 150, 300])
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--usual", type=int, default=0)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--label-maps", type=Path)
    parser.add_argument("--minutes", type=float, default=1e6)
    arguments = parser.parse_args()
    run, maps, until = arguments.run, arguments.label_maps, 60 * arguments.minutes
    counts = {"test": arguments.test, "tuning": TUNING, "training": max(arguments.sizes)}
    with use_threads(1):
        sets = {
            name: make(name, QuickPatients(SITE, n, SEEDS[name], anatomies=maps, cache=run), run, until)
            for name, n in counts.items()
        }
        usual = SimulatedPatients(SITE, arguments.usual, SEEDS["usual"], anatomies=maps, cache=run)
        sets["usual"] = make("usual", usual, run, until)
    if len(sets["training"]) < max(arguments.sizes) or len(sets["usual"]) < arguments.usual:
        return
    scores: dict[str, dict[str, NDArray[np.float64]]] = {"test": {}, "usual": {}}
    by_name = {("training", each.subject): each for each in sets["training"]}
    for size in sorted(arguments.sizes):
        chosen = nested_subset({who: each.mutant for who, each in by_name.items()}, size, 1)
        method = HybridMethod(Recipe(members=arguments.members))
        began = time.process_time()
        trained = method.fit([by_name[who] for who in chosen], sets["tuning"], run / "models")
        print(f"trained on {size}: {time.process_time() - began:.0f} s", flush=True)
        for which, said in scores.items():
            if sets[which]:
                probability = trained.probabilities(sets[which], 0.5)
                said[f"{size} patients"] = np.nan_to_num(probability, nan=0.5)
    for which, said in scores.items():
        if sets[which]:
            said["shipped Model 2"] = shipped_log_odds(sets[which])
            said["age alone, no model"] = np.array([-each.age for each in sets[which]])
            title = {"test": "examples of one pass", "usual": "examples as in an experiment"}[which]
            print_curve(title, sets[which], said)


if __name__ == "__main__":
    main()
