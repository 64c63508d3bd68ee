"""How much calibration differs between hospitals: the spread that the answer's range assumes.

    python benchmarks/hospitals.py TABLES

TABLES holds ``mri_gnp_test_predictions.csv``: per-patient predictions of MRI-GNP, a network of others, in many
centres. In each centre with enough patients of both classes a line is fitted: log-odds of mutation = offset + slope
times the predicted log-odds. The spread between centres beyond chance is estimated by random effects (DerSimonian
and Laird 1986).
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

MIN_PATIENTS, MIN_CLASS = 30, 8


def read_centres(tables: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Predicted log-odds of mutation and true status, by centre."""
    rows: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    with (tables / "mri_gnp_test_predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["task"] == "IDH":
                stated = float(row["prediction_probability"])
                mutant = stated if row["prediction"] == "yes" else 1 - stated
                rows[row["center_code"]].append(
                    (float(logit(np.clip(mutant, 0.005, 0.995))), row["label"] == "yes")
                )
    return {
        centre: (np.array([z for z, _ in each]), np.array([y for _, y in each]))
        for centre, each in sorted(rows.items())
    }


def calibration(log_odds: np.ndarray, mutant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset and slope of a logistic line, and their standard errors, by Newton's method."""
    design = np.column_stack([np.ones_like(log_odds), log_odds])
    line = np.zeros(2)
    for _ in range(50):
        fitted = expit(design @ line)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        line = line + np.linalg.solve(information, design.T @ (mutant - fitted))
    return line, np.sqrt(np.diag(np.linalg.inv(information)))


def random_effects(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Mean over centres and standard deviation between them."""
    weights = errors**-2.0
    mean = (weights * values).sum() / weights.sum()
    excess = (weights * (values - mean) ** 2).sum() - (len(values) - 1)
    between = max(0.0, excess / (weights.sum() - (weights**2).sum() / weights.sum()))
    weights = 1 / (errors**2 + between)
    return float((weights * values).sum() / weights.sum()), float(np.sqrt(between))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path)
    lines, errors = [], []
    print("| centre | n | mutant | offset | slope |\n| --- | --- | --- | --- | --- |")
    for centre, (log_odds, mutant) in read_centres(parser.parse_args().tables).items():
        if len(mutant) >= MIN_PATIENTS and min(mutant.sum(), (~mutant).sum()) >= MIN_CLASS:
            line, error = calibration(log_odds, mutant)
            lines.append(line)
            errors.append(error)
            offset, slope = (f"{v:+.2f} ± {e:.2f}" for v, e in zip(line, error, strict=True))
            print(f"| {centre} | {len(mutant)} | {mutant.sum()} | {offset} | {slope} |")
    for name, values, standard_errors in zip(
        ("offset", "slope"), np.transpose(lines), np.transpose(errors), strict=True
    ):
        mean, between = random_effects(values, standard_errors)
        print(f"{name}: mean {mean:.2f}, standard deviation between {len(lines)} centres {between:.2f}")


if __name__ == "__main__":
    main()
