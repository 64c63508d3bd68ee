"""How well age, shape and signal separate IDH-mutant from wildtype, cross-validated on public tables.

    python benchmarks/radiomics.py --tables TABLES

5 x 5 cross-validation on UCSF-PDGM (experts' masks), scaling and penalty fitted anew in each fold; areas and their
logit intervals (DeLong) averaged over the repeats. Next to them it prints known answers for checking this code, and age
alone on the patients of other hospitals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import expit, logit

from gliotype.evaluate.calibration import brier, calibration_line, line_estimates
from gliotype.evaluate.conformal import cross_validated_coverage
from gliotype.evaluate.risk import risk_by_stratum, threshold_for_precision
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.measure import SHAPE_UNITS
from gliotype.predictors import DEFAULT_PREVALENCE
from gliotype.predictors.logistic import load_models
from gliotype.predictors.radiomics import PARTS
from gliotype.train.common.ridge import mean_auroc, out_of_fold_log_odds
from gliotype.train.radiomics.fit import features_of
from gliotype.train.radiomics.public_tables import Cohort, read_tcga, read_ucsf, read_upenn

KNOWN = {
    ("age",): "0.905",
    tuple(SHAPE_UNITS): "0.770",
    (*SHAPE_UNITS, "age"): "0.914",
    ("T1C_p95_over_ring",): "0.92",
}
WITHOUT = {f"all but {left}": tuple(part for part in PARTS if part != left) for left in PARTS}
ROWS = {
    "all parts": tuple(PARTS),
    **WITHOUT,
    **{f"{part} alone": (part,) for part in PARTS},
}


def cross_validation(cohort: Cohort) -> Table:
    table = Table(title=f"{cohort.name}, 5 x 5 cross-validation: AUROC (95 % interval)")
    for column in (
        "features",
        "n",
        "mutant",
        "all grades",
        "within 2-3",
        "within 4",
        "known",
        "p, all parts",
    ):
        table.add_column(column, justify="left" if column == "features" else "right")
    same = cohort.where(cohort.complete(features_of(tuple(PARTS))))
    everything = out_of_fold_log_odds(same.matrix(features_of(tuple(PARTS))), same.mutant, seed=0)
    for name, parts in ROWS.items():
        log_odds = out_of_fold_log_odds(same.matrix(features_of(parts)), same.mutant, seed=0)
        p = compare_aurocs(same.mutant, everything.mean(axis=0), log_odds.mean(axis=0)).p_value
        _add(table, name, same, log_odds, known="", against=f"{p:.3f}")
    table.add_section()
    for features, known in KNOWN.items():
        patients = cohort.where(cohort.complete(features))
        log_odds = out_of_fold_log_odds(patients.matrix(features), patients.mutant, seed=0)
        further = [name for name in features if name not in SHAPE_UNITS]
        name = " + ".join((["all 13 of shape"] if "Flatness" in features else []) + further)
        _add(table, name, patients, log_odds, known, "")
    return table


def _add(table: Table, name: str, patients: Cohort, log_odds: np.ndarray, known: str, against: str) -> None:
    lower = patients.grade < 4
    areas = [
        str(mean_auroc(patients.mutant[inside], log_odds[:, inside]))
        for inside in (np.full(len(patients), True), lower, ~lower)
    ]
    table.add_row(name, str(len(patients)), str(patients.mutant.sum()), *areas, known, against)


ENHANCING = 1.4
"""T1c 95th percentile over the ring's median above which a tumour counts as enhancing."""


def calls_and_sets(cohort: Cohort) -> tuple[Table, Table]:
    """Risk against coverage of the calls at 0.2 and 0.8, and coverage of the conformal sets, both out of fold."""
    same = cohort.where(cohort.complete(features_of(tuple(PARTS))))
    log_odds = out_of_fold_log_odds(same.matrix(features_of(tuple(PARTS))), same.mutant, seed=0)
    even = log_odds - logit(same.mutant.mean())
    enhancing = same.values["T1C_p95_over_ring"] > ENHANCING
    strata = {"T1c enhancing": enhancing, "T1c not enhancing": ~enhancing}
    grades = {"grade 2-3": same.grade < 4, "grade 4": same.grade == 4}
    return _risk_table(same.mutant, even, {**grades, **strata}), _coverage_table(same.mutant, even, strata)


def _risk_table(mutant: np.ndarray, even: np.ndarray, strata: dict[str, np.ndarray]) -> Table:
    probability = expit(even + logit(DEFAULT_PREVALENCE)).ravel()
    repeats = len(even)
    slope, intercept = line_estimates(mutant, expit(even.mean(axis=0) + logit(mutant.mean())))
    table = Table(
        title=f"Calls at 0.2 and 0.8, prevalence {DEFAULT_PREVALENCE}, {repeats} out-of-fold answers for each patient; "
        f"at the cohort's own prevalence slope {slope}, intercept {intercept}"
    )
    for column in ("patients", "n", "mutant", "coverage", "error", "mutant: wrong of", "wildtype: wrong of"):
        table.add_column(column, justify="left" if column == "patients" else "right")
    tiled = {name: np.tile(within, repeats) for name, within in strata.items()}
    for risk in risk_by_stratum(np.tile(mutant, repeats), probability, tiled):
        table.add_row(
            risk.stratum,
            str(risk.n // repeats),
            str(risk.mutants // repeats),
            f"{risk.coverage.value:.3f}",
            "" if risk.error is None else f"{risk.error.value:.3f}",
            f"{risk.wrong_mutant}/{risk.called_mutant}",
            f"{risk.wrong_wildtype}/{risk.called_wildtype}",
        )
    return table


PREVALENCES = (0.1, 0.2, 0.3, 0.5, 0.7)


def aims(cohort: Cohort) -> Table:
    """Thresholds at which calls reach a precision of 90 %, at several prevalences, out of fold."""
    same = cohort.where(cohort.complete(features_of(tuple(PARTS))))
    log_odds = out_of_fold_log_odds(same.matrix(features_of(tuple(PARTS))), same.mutant, seed=0).mean(axis=0)
    even = log_odds - logit(same.mutant.mean())
    table = Table(
        title=f"Thresholds for a precision of 90 %, {len(same)} patients, {same.mutant.sum()} mutant"
    )
    for column in (
        "prevalence",
        "mutant at or above",
        "mutants found",
        "wildtype at or below",
        "wildtypes found",
    ):
        table.add_column(column, justify="right")
    for prevalence in PREVALENCES:
        found = [
            threshold_for_precision(same.mutant, even, prevalence=prevalence, rule_in=rule_in)
            for rule_in in (True, False)
        ]
        cells = [
            cell
            for aim in found
            for cell in ("none" if aim.threshold is None else f"{aim.threshold:.2f}", f"{aim.found:.2f}")
        ]
        table.add_row(f"{prevalence:g}", *cells)
    return table


def _coverage_table(mutant: np.ndarray, even: np.ndarray, strata: dict[str, np.ndarray]) -> Table:
    table = Table(
        title="Conformal sets at 90 %, class-conditional, thresholds from the other patients (10-fold)"
    )
    for column in ("strata", "stratum", "class", "n", "covered (95 %)", "one class in the set"):
        table.add_column(column, justify="left" if column in ("strata", "stratum", "class") else "right")
    for name, groups in {"pooled": {"all": np.full(len(mutant), True)}, "by T1c": strata}.items():
        for found in cross_validated_coverage(mutant, even, groups):
            table.add_row(
                name,
                found.stratum,
                "mutant" if found.mutant else "wildtype",
                str(found.n),
                "too few to tell" if found.too_few else str(found.covered),
                f"{found.single.value:.2f}",
            )
    return table


def age_elsewhere(cohorts: tuple[Cohort, ...]) -> Table:
    table = Table(
        title="The shipped age model on other hospitals' patients, each group at its own prevalence"
    )
    for column in ("cohort", "n", "mutant", "AUROC (95 %)", "known", "Brier", "slope", "intercept"):
        table.add_column(column, justify="left" if column == "cohort" else "right")
    known = {("TCGA", "all"): "0.832", ("TCGA", "grade 2-3"): "0.710", ("TCGA", "grade 4"): "0.871"}
    (model,) = load_models("age.json")
    for cohort in cohorts:
        for name, grades in (("all", (0, 2, 3, 4)), ("grade 2-3", (2, 3)), ("grade 4", (4,))):
            group = cohort.where(np.isin(cohort.grade, grades))
            if name != "all" and len(group) in (0, len(cohort)):
                continue
            prevalence = float(group.mutant.mean())
            probabilities = [
                model.answer({"age": age}, prevalence).probability for age in group.values["age"]
            ]
            line = calibration_line(group.mutant, probabilities)
            table.add_row(
                f"{cohort.name}, {name}",
                str(len(group)),
                str(group.mutant.sum()),
                str(auroc(group.mutant, probabilities)),
                known.get((cohort.name, name), ""),
                f"{brier(group.mutant, probabilities).value:.3f}",
                f"{line.slope:.2f}",
                f"{line.intercept:+.2f}",
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of the public tables")
    tables = parser.parse_args().tables
    console = Console(width=150)
    for table in calls_and_sets(read_ucsf(tables)):
        console.print(table)
    console.print(aims(read_ucsf(tables)))
    console.print(cross_validation(read_ucsf(tables)))
    console.print(age_elsewhere((read_tcga(tables), read_upenn(tables))))


if __name__ == "__main__":
    main()
