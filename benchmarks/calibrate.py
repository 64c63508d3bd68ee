"""What `gliotype calibrate` gains on the published test predictions of two other methods.

    python benchmarks/calibrate.py --tables ../shared/data/tables

PrognosAIs (van der Voort 2022) on TCGA, and MRI-GNP on each of its external centres with at least 60 patients and 15 of
each class. Before: the published probabilities. After: each patient's probability by a calibration of the others
(10-fold). The learning curve, on each method's patients together, calibrates on a random part and measures on the rest,
30 times.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from gliotype.evaluate.calibration import calibration_line
from gliotype.evaluate.site import cross_validated, line_of, recalibrate
from gliotype.evaluate.write import estimate_words
from gliotype.predictors import DEFAULT_PREVALENCE

MIN_PATIENTS, MIN_OF_CLASS = 60, 15
LEARNING = (20, 50, 100, 200)
REPEATS = 30
EDGE = 1e-6

Set = tuple[str, np.ndarray, np.ndarray]


def prognosais(tables: Path) -> Set:
    """Status and P(mutant) of the TCGA patients."""
    with (tables / "prognosais_test_predictions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["IDH_mutated"] in ("0", "1")]
    mutant = np.array([row["IDH_mutated"] == "1" for row in rows])
    return "PrognosAIs, TCGA", mutant, np.array([float(row["Prediction_score_IDH_mutated"]) for row in rows])


def mri_gnp(tables: Path) -> list[Set]:
    """Status and P(mutant) of each external centre, rebuilt from the called class and the confidence in it."""
    with (tables / "mri_gnp_test_predictions.csv").open(encoding="utf-8-sig") as file:
        rows = [
            row for row in csv.DictReader(file) if row["task"] == "IDH" and row["data_split"] == "External"
        ]
    sets = [_centre("MRI-GNP, all external", rows)]
    for centre in sorted({row["center_code"] for row in rows}):
        found = _centre(f"MRI-GNP, {centre}", [row for row in rows if row["center_code"] == centre])
        n, mutants = len(found[1]), int(found[1].sum())
        if n >= MIN_PATIENTS and min(mutants, n - mutants) >= MIN_OF_CLASS:
            sets.append(found)
    return sets


def _centre(name: str, rows: list[dict[str, str]]) -> Set:
    confidence = np.array([float(row["prediction_probability"]) for row in rows])
    called = np.array([row["prediction"] == "yes" for row in rows])
    mutant = np.array([row["label"] == "yes" for row in rows])
    return name, mutant, np.where(called, confidence, 1 - confidence)


def log_odds_of(probability: np.ndarray) -> np.ndarray:
    """Log-odds at a prevalence of one half, as if the probabilities referred to the default prevalence."""
    return np.asarray(logit(np.clip(probability, EDGE, 1 - EDGE)) - logit(DEFAULT_PREVALENCE))


def learning_curve(mutant: np.ndarray, log_odds: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Slopes and Brier scores on the patients left out, of calibrations on n random ones; None with too few left."""
    if len(mutant) < n + MIN_PATIENTS:
        return None
    rng = np.random.default_rng(n)
    slopes, scores = [], []
    for _ in range(REPEATS):
        order = rng.permutation(len(mutant))
        seen, unseen = order[:n], order[n:]
        if min(mutant[seen].sum(), (~mutant[seen]).sum()) < 2:
            continue
        probability = expit(recalibrate(mutant[seen], log_odds[seen]).apply(log_odds[unseen]))
        slopes.append(calibration_line(mutant[unseen], probability).slope)
        scores.append(np.mean((mutant[unseen] - probability) ** 2))
    return np.array(slopes), np.array(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of the public tables")
    tables = parser.parse_args().tables
    sets = [prognosais(tables), *mri_gnp(tables)]
    columns = (
        "predictions",
        "n",
        "mutant",
        "slope before",
        "slope after",
        "intercept before",
        "intercept after",
    )
    print(f"| {' | '.join((*columns, 'Brier before', 'Brier after'))} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, mutant, probability in sets:
        before = line_of(mutant, probability)
        after = line_of(mutant, cross_validated(mutant, log_odds_of(probability)))
        print(
            f"| {name} | {len(mutant)} | {mutant.sum()} | {estimate_words(before.slope, '.2f')} "
            f"| {estimate_words(after.slope, '.2f')} | {estimate_words(before.intercept, '+.2f')} "
            f"| {estimate_words(after.intercept, '+.2f')} | {before.brier.value:.3f} | {after.brier.value:.3f} |"
        )
    print(
        f"\nSlope on patients left out, median (10th to 90th percentile of {REPEATS} draws); mean Brier score"
    )
    print("| predictions | " + " | ".join(f"{n} patients" for n in LEARNING) + " |")
    print("| --- |" + " --- |" * len(LEARNING))
    for name, mutant, probability in sets[:2]:
        cells = []
        for n in LEARNING:
            found = learning_curve(mutant, log_odds_of(probability), n)
            if found is None:
                cells.append("–")
                continue
            low, middle, high = np.quantile(found[0], (0.1, 0.5, 0.9))
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f}); {found[1].mean():.3f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
