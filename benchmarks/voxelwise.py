"""T2-net and TS-net as shipped: on simulated patients, and on development patients.

    python benchmarks/voxelwise.py simulated [--patients N] [--anatomies FOLDER] [--seed N] [--whole-brain]
    python benchmarks/voxelwise.py real DATA [--limit N] [--jobs N]
    python benchmarks/voxelwise.py seconds STUDY ...

Simulated patients are drawn on the networks' grid with a seed that no training used. Patches cover the true tumour and
its surroundings, as `predict` covers the one that it finds, and its limit of overlap holds.
With `--whole-brain` the count is repeated with patches that cover the whole brain, and nothing is refused, as
published; the calibration is the same, and the paired differences follow.
`seconds` predicts studies and times each network next to that, on all cores, five times.
DATA as for real_cases.py; these are development patients. Aligning the heads of FOLDER takes minutes: `--cache` names a
folder that keeps them.
A no-call counts as wrong in accuracy, sensitivity and specificity, and as the prior in AUROC.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from development_patients import Case, case_parser, with_truth
from numpy.typing import NDArray
from scipy.special import logit

import gliotype
from gliotype.evaluate.decisions import mean_of, proportion
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.findings import Finding
from gliotype.masks import box_around, dice
from gliotype.predictors.age import age_statement
from gliotype.predictors.hybrid import HybridPredictor
from gliotype.predictors.predictor import DEFAULT_PREVALENCE
from gliotype.predictors.radiomics import RadiomicsPredictor
from gliotype.predictors.voxelwise import (
    MIN_OVERLAP,
    TS_NET,
    T2NetPredictor,
    TSNetPredictor,
    class_probabilities,
    count_votes,
    fewest_boxes,
    load_model,
    overlap_with,
    patch_boxes,
)
from gliotype.runtime import use_threads
from gliotype.study import Subject
from gliotype.train.data.examples import Example
from gliotype.train.data.voxels import unpack
from gliotype.train.voxelwise.cases import GridPatients
from gliotype.train.voxelwise.fit import packed_of

NETWORKS = (T2NetPredictor, TSNetPredictor)
PUBLISHED = {"t2net": (0.971, 0.85), "tsnet": (0.971, 0.89)}
"""Accuracy and Dice of Bangalore Yogananda 2020."""

STEP = 16
"""Voxels between neighbouring patches of whole brains."""

REPEATS = 5
"""How often a network is timed."""

Images = NDArray[np.float32]
Change = Callable[[Images, np.random.Generator], Images]


def as_simulated(images: Images, rng: np.random.Generator) -> Images:
    """Change nothing."""
    return images


@dataclass(frozen=True)
class Voted:
    """A simulated patient's vote: log likelihood ratio (NaN for a no-call), and Dice with the true tumour."""

    mutant: bool
    age: float
    log_likelihood_ratio: float
    dice: float


def vote(
    network: type[T2NetPredictor], example: Example, change: Change, seed: int, *, whole_brain: bool
) -> Voted:
    """Let a network vote on a changed patient, around the tumour or in the whole brain."""
    images, tumour = unpack(packed_of(example))
    images = change(images, np.random.default_rng(seed))[[TS_NET.index(s) for s in network.sequences]]
    model = load_model(network.name)
    everywhere = box_around(np.ones_like(tumour))
    boxes = (
        patch_boxes(tumour.shape, everywhere, STEP)
        if whole_brain
        else fewest_boxes(tumour.shape, box_around(tumour))
    )
    counted = count_votes(class_probabilities(model.network, images, boxes))
    overlap = dice(counted.tumour, tumour)
    believed = whole_brain or overlap_with(tumour, counted.tumour) >= MIN_OVERLAP
    called = counted.call is not None and believed
    value = float(model.calibration(np.array([counted.log_odds]))[0]) if called else float("nan")
    return Voted(example.mutant, example.age, value, overlap)


def print_votes(name: str, what: str, votes: list[Voted]) -> None:
    """One row: accuracy, sensitivity, specificity, AUROC and Dice."""
    mutant = np.array([each.mutant for each in votes])
    value = np.array([each.log_likelihood_ratio for each in votes])
    right = np.where(mutant, value > 0, value < 0)
    score = np.nan_to_num(value)
    accuracy, dices = PUBLISHED[name]
    print(
        f"| {name}, {what} | {len(votes)} ({mutant.sum()}) | {proportion(int(right.sum()), len(votes))} ({accuracy}) | "
        f"{proportion(int(right[mutant].sum()), int(mutant.sum()))} | "
        f"{proportion(int(right[~mutant].sum()), int((~mutant).sum()))} | {auroc(mutant, score)} | "
        f"{mean_of(np.array([each.dice for each in votes]))} ({dices}) | {np.isnan(value).sum()} |",
        flush=True,
    )


def difference_words(what: str, around: list[Voted], whole: list[Voted]) -> str:
    """Say what the whole brain changes: paired difference of AUROC and of Dice, and changed calls."""
    first, second = (
        np.nan_to_num([each.log_likelihood_ratio for each in votes]) for votes in (whole, around)
    )
    auc = compare_aurocs(np.array([each.mutant for each in around]), first, second).difference
    dices = mean_of(np.array([w.dice - a.dice for w, a in zip(whole, around, strict=True)]))
    changed = int((np.sign(first) != np.sign(second)).sum())
    return (
        f"{what}, whole brain minus around the tumour: AUROC {estimate_words(auc, '+.3f')}, Dice "
        f"{estimate_words(dices, '+.3f')}, {changed} of {len(around)} calls differ"
    )


def simulated(arguments: argparse.Namespace) -> None:
    source = GridPatients(arguments.patients, arguments.seed, arguments.anatomies, arguments.cache)
    examples = [source.example(name) for name in source.subjects]
    mutant = np.array([each.mutant for each in examples])
    ages = [age_statement(each.age) for each in examples]
    print(
        f"age alone, AUROC: {auroc(mutant, [0.0 if a is None else a.log_likelihood_ratio for a in ages])}\n"
    )
    print(
        "| simulated | n (mutant) | accuracy (published) | sensitivity | specificity | AUROC "
        "| Dice (published) | no call |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    differences: list[str] = []
    for network in NETWORKS:
        ways = [
            [vote(network, each, as_simulated, n, whole_brain=whole_brain) for n, each in enumerate(examples)]
            for whole_brain in (False, True)[: 1 + arguments.whole_brain]
        ]
        for where, votes in zip(("", ", whole brain"), ways, strict=False):
            print_votes(network.name, f"as simulated{where}", votes)
        if arguments.whole_brain:
            differences.append(difference_words(network.name, *ways))
    print("\n" + "\n".join(differences))


@dataclass(frozen=True)
class Row:
    """A development patient: log-odds of each method at even prior odds, None where it does not apply."""

    cohort: str
    name: str
    idh: int | None
    log_odds: dict[str, float | None]


def run(case: Case) -> Row:
    """Ask the networks and, next to them, `radiomics` and `hybrid` without age, and age alone."""
    result = gliotype.predict(files=case.files, age=case.age, id=case.name)
    said: dict[str, float | None] = {}
    asked = (result.prepared, result.tumour, result.measurements, Subject(case.name))
    for network in NETWORKS:
        finding = network(0.5).predict(*asked) if result.tumour.found else None
        known = isinstance(finding, Finding) and finding.probability is not None
        said[network.name] = float(logit(finding.probability)) if known else None  # type: ignore[union-attr]
    for method in (RadiomicsPredictor, HybridPredictor):
        statement = method().statement(*asked) if result.tumour.found else None
        said[method.name] = None if statement is None else statement.log_likelihood_ratio
    of_age = age_statement(case.age)
    said["age"] = None if of_age is None else of_age.log_likelihood_ratio
    return Row(case.cohort, case.name, case.idh, said)


def real(arguments: argparse.Namespace) -> None:
    rows = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(run, with_truth(arguments.data, arguments.limit)):
            rows.append(row)
            values = " ".join(
                f"{name} {'-' if v is None else f'{v:+.2f}'}" for name, v in row.log_odds.items()
            )
            print(row.cohort, row.name, row.idh, values, flush=True)
    lgg = [row for row in rows if row.cohort == "lgg" and row.idh is not None]
    mutant = np.array([bool(row.idh) for row in lgg])
    scores = {name: np.array([row.log_odds[name] or 0.0 for row in lgg]) for name in lgg[0].log_odds}
    print(f"\nTCGA-LGG, n={len(lgg)}, mutant {mutant.sum()}, prevalence {DEFAULT_PREVALENCE} not applied")
    print("| method | applies to | AUROC (95 % interval) | minus age alone (paired) | wrong at even odds |")
    print("| --- | --- | --- | --- | --- |")
    for name, score in scores.items():
        known = np.array([row.log_odds[name] is not None for row in lgg])
        if not known.any():
            print(f"| {name} | 0 | | | |")
            continue
        wrong = np.where(mutant, score <= 0, score >= 0)[known]
        less = compare_aurocs(mutant, score, scores["age"]).difference
        print(
            f"| {name} | {known.sum()} | {auroc(mutant, score)} | {estimate_words(less, '+.3f')} | "
            f"{wrong.sum()} of {known.sum()} |"
        )


def seconds(arguments: argparse.Namespace) -> None:
    with use_threads(None) as threads:
        print(f"| study, {threads} threads | tumour in ml | network | seconds (median of {REPEATS}) |")
        print("| --- | --- | --- | --- |")
        for study in arguments.studies:
            result = gliotype.predict(study)
            asked = (result.prepared, result.tumour, result.measurements, result.study.subject)
            for network in NETWORKS:
                taken = timeit.repeat(partial(network().predict, *asked), number=1, repeat=REPEATS)
                print(
                    f"| {study.name} | {result.tumour.volume_ml:.0f} | {network.name} | {np.median(taken):.2f} |"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    on_simulated = kinds.add_parser("simulated")
    on_simulated.add_argument("--patients", type=int, default=150)
    on_simulated.add_argument("--seed", type=int, default=20_271)
    on_simulated.add_argument("--anatomies", type=Path)
    on_simulated.add_argument("--cache", type=Path)
    on_simulated.add_argument("--whole-brain", action="store_true")
    on_simulated.set_defaults(run=simulated)
    on_real = kinds.add_parser("real", parents=[case_parser(__doc__)], add_help=False)
    on_real.set_defaults(run=real)
    timed = kinds.add_parser("seconds")
    timed.add_argument("studies", type=Path, nargs="+")
    timed.set_defaults(run=seconds)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
