"""Two runs of real_cases.py on the same studies, side by side: what each figure gained or lost, paired.

    python benchmarks/compare_runs.py BEFORE.json AFTER.json

The files are those of `real_cases.py --results`, of two versions or two weights.
A difference is that of means over the studies that have the figure in both runs, its interval from resampling patients.
Every study whose Dice changes by 0.05 or more is listed, and every call that is another one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from development_patients import interval
from real_cases import COMPARED, METHODS, Row, by_patient

from gliotype.evaluate.roc import compare_aurocs

LISTED_DICE = 0.05
"""Change of a study's Dice from which it is listed."""

Pairs = list[tuple[Row, Row]]


def read_pairs(before: Path, after: Path) -> Pairs:
    """Pair the studies that both runs have, in the order of the second."""
    runs = [[Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))] for file in (before, after)]
    old = {(row.cohort, row.name): row for row in runs[0]}
    pairs = [(old[row.cohort, row.name], row) for row in runs[1] if (row.cohort, row.name) in old]
    if not pairs:
        raise SystemExit(f"{before} and {after} have no study in common: give two runs on the same data")
    alone = len(old) + len(runs[1]) - 2 * len(pairs)
    print(
        f"{len(pairs)} studies of {len({row.patient for _, row in pairs})} distinct patients, {alone} in one run only"
    )
    return pairs


def by_cohort(pairs: Pairs) -> Iterator[tuple[str, Pairs]]:
    """Yield the pairs of each cohort, those of high resolution together, and all of them."""
    for name in dict.fromkeys(row.cohort for _, row in pairs):
        yield name, [pair for pair in pairs if pair[1].cohort == name]
    if high_resolution := [pair for pair in pairs if pair[1].cohort in ("brats", "gbm")]:
        yield "brats+gbm", high_resolution
    yield "all", pairs


def print_figures(cohort: str, pairs: Pairs) -> None:
    """Print how the outlines compare with the experts'."""
    for name in COMPARED:
        both = [
            (old, new, row.patient)
            for before, row in pairs
            if (old := getattr(before, name)) is not None and (new := getattr(row, name)) is not None
        ]
        if both:
            changes = [new - old for old, new, _ in both]
            low, high = interval(changes, [patient for *_, patient in both])
            means = [np.mean([each[side] for each in both]) for side in (0, 1)]
            print(
                f"{cohort:10s} {name:15s} n={len(both):2d}  mean {means[0]:.3f} to {means[1]:.3f}, "
                f"change {np.mean(changes):+.3f} ({low:+.3f} to {high:+.3f})"
            )


def print_answers(cohort: str, pairs: Pairs) -> None:
    """Print how each method's AUROC changes, over distinct patients with a known IDH status and a number in both."""
    old, new = (by_patient([pair[side] for pair in pairs if pair[1].idh is not None]) for side in (0, 1))
    for name in METHODS[1:]:
        known = [
            (before, row)
            for before, row in zip(old, new, strict=True)
            if getattr(before, name) is not None and getattr(row, name) is not None
        ]
        truth = [row.idh for _, row in known]
        if min(truth.count(0), truth.count(1)) < 2:
            continue
        scores = [[getattr(pair[side], name) for pair in known] for side in (0, 1)]
        found = compare_aurocs(np.array(truth), scores[1], scores[0])
        change = found.difference
        print(
            f"{cohort:10s} {name:18s} n={len(known):2d}  AUROC changes by {change.value:+.3f} "
            f"({change.low:+.3f} to {change.high:+.3f}), p {found.p_value:.2f}"
        )


def print_changed(pairs: Pairs) -> None:
    """Print the studies whose outline or call is another one."""
    for before, row in pairs:
        moved = (
            before.dice is not None and row.dice is not None and abs(row.dice - before.dice) >= LISTED_DICE
        )
        if moved or before.call != row.call:
            dice = (
                ""
                if before.dice is None or row.dice is None
                else f"Dice {before.dice:.2f} to {row.dice:.2f}, "
            )
            print(f"{row.cohort:10s} {row.name:20s} {dice}{before.call} to {row.call}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.before, arguments.after)
    for cohort, part in by_cohort(pairs):
        print_figures(cohort, part)
        print_answers(cohort, part)
    print_changed(pairs)


if __name__ == "__main__":
    main()
