"""The shipped weight of the perfusion network and another one on the same simulated patients, paired.

    gliotype train perfusion --patients 2000 -o RUN
    python benchmarks/perfusion_weights.py RUN [--seed N] [--patients N] [--jobs N]

RUN holds the other weight and the patients on whom it was tested: 400 of the hospital whose patients it learned from,
and 400 of another hospital. The shipped weight has seen none of either. `--patients` draws as many further patients of
both hospitals, with a seed that no training used, whom the two weights therefore know equally little.
Everything printed is simulated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.decisions import mean_of
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.predictors.perfusion import load_model
from gliotype.predictors.trained import Calibration
from gliotype.runtime import Network, compile_network
from gliotype.train.perfusion.design import Design
from gliotype.train.perfusion.examples import CurveCohort, make_curve_examples
from gliotype.train.perfusion.network import CurveExample, with_curves

TESTS = ("larger test", "external")


def log_odds(network: Network, calibration: Calibration, examples: list[CurveExample]) -> NDArray[np.float64]:
    """Return the mean of the members' calibrated log-odds; 0 of a patient without curves."""
    found = np.zeros(len(examples))
    measured = [index for index, each in enumerate(examples) if len(each.curves)]
    answers = np.asarray(network(np.stack([examples[index].curves[0] for index in measured])), np.float64)
    found[measured] = calibration(answers[..., 0]).mean(axis=1)
    return found


def tests_of(design: Design, arguments: argparse.Namespace) -> Iterator[tuple[str, CurveCohort]]:
    """Name the test sets of a run and, of each hospital, further patients."""
    for name in TESTS:
        yield name, design.cohorts[name]
    if arguments.patients:
        for number, name in enumerate(TESTS):
            cohort = design.cohorts[name]
            further = f"further-{cohort.site}"
            yield (
                f"further patients, {cohort.site}",
                replace(cohort, name=further, patients=arguments.patients, seed=arguments.seed + number),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--patients", type=int, default=0)
    parser.add_argument("--seed", type=int, default=907_000)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    document = json.loads((arguments.run / "perfusion.json").read_text(encoding="utf-8"))
    other = (
        compile_network(arguments.run / "perfusion.onnx"),
        Calibration(float(document["slope"]), float(document["offset"])),
    )
    shipped = load_model()
    print(
        "| simulated patients | n (mutant) | not measured | AUROC, shipped | AUROC, other | other minus shipped "
        "| age alone | Brier at even odds, shipped | other | other minus shipped | slope, shipped | other |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    pooled: list[tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]] = []
    for name, cohort in tests_of(Design(**document["simulated"]), arguments):
        examples = make_curve_examples(cohort, arguments.run / "examples", jobs=arguments.jobs)
        mutant = np.array([each.mutant for each in examples])
        old = log_odds(shipped.network, shipped.calibration, examples)
        new = log_odds(*other, examples)
        pooled.append((mutant, old, new))
        print_row(name, examples, mutant, old, new)
    mutant, old, new = (np.concatenate(column) for column in zip(*pooled, strict=True))
    difference = compare_aurocs(mutant, new, old)
    print(
        f"\nall {len(mutant)} patients ({mutant.sum()} mutant): shipped {auroc(mutant, old)}, other "
        f"{auroc(mutant, new)}, other minus shipped {estimate_words(difference.difference, '+.3f')}, "
        f"p = {difference.p_value:.2g}; Brier, other minus shipped {brier_difference(mutant, old, new)}"
    )


def brier_difference(
    mutant: NDArray[np.bool_], shipped: NDArray[np.float64], other: NDArray[np.float64]
) -> str:
    """Say how much larger the mean squared error of the other weight's probability is, paired, at even odds."""
    errors = [(expit(score) - mutant) ** 2 for score in (shipped, other)]
    return estimate_words(mean_of(errors[1] - errors[0]), "+.4f")


def print_row(
    name: str,
    examples: list[CurveExample],
    mutant: NDArray[np.bool_],
    shipped: NDArray[np.float64],
    other: NDArray[np.float64],
) -> None:
    """Print both weights on a set of patients."""
    difference = compare_aurocs(mutant, other, shipped).difference
    chances = [np.asarray(expit(score)) for score in (shipped, other)]
    briers = " | ".join(f"{brier(mutant, each).value:.3f}" for each in chances)
    slopes = " | ".join(f"{calibration_line(mutant, each).slope:.2f}" for each in chances)
    print(
        f"| {name} | {len(mutant)} ({mutant.sum()}) | {len(examples) - len(with_curves(examples))} | "
        f"{auroc(mutant, shipped)} | {auroc(mutant, other)} | {estimate_words(difference, '+.3f')} | "
        f"{auroc(mutant, [-each.age for each in examples])} | {briers} | "
        f"{brier_difference(mutant, shipped, other)} | {slopes} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
