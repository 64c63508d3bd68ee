"""Fit the predictors `age` and `radiomics` on public tables, and write their coefficients and cards.

No torch, about a minute. Patients are read, coefficients are written; no patient's row leaves the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from gliotype.atomic_files import check_writable, write_text
from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.conformal import thresholds_by_stratum
from gliotype.evaluate.roc import Estimate, auroc
from gliotype.predictors.logistic import LogisticModel
from gliotype.predictors.radiomics import ENHANCEMENT, ENHANCING, ENHANCING_ABOVE, NOT_ENHANCING, PARTS
from gliotype.train.common.ridge import fit_model, mean_auroc, out_of_fold_log_odds
from gliotype.train.radiomics.cards import card
from gliotype.train.radiomics.errors import MeasurementErrors
from gliotype.train.radiomics.public_tables import Cohort, read_tcga, read_ucsf, read_upenn
from gliotype.train.radiomics.typical import fit_distribution

Floats = NDArray[np.float64]

TEST_PATIENTS = frozenset({"UCSF-PDGM-116"})
"""Left out of the fit: this patient is BraTS2021_00006, one of our development images."""

RESAMPLES = 200

DATA = {
    "name": "UCSF-PDGM v5 (Calabrese 2022), baseline examinations",
    "citation": "Calabrese E et al. Radiol Artif Intell 2022;4:e220058, doi 10.1148/ryai.220058",
    "licence": "CC BY 4.0 (TCIA) for images, masks and clinical table",
}
DERIVED = (
    "shape and signal statistics were computed from UCSF-PDGM's images and expert masks by others, who "
    "published them on GitHub without a licence of their own; only coefficients, no rows, are stored here"
)


def fit(
    tables: Path,
    out: Path,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    errors: MeasurementErrors | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, dict[str, Any]]:
    """Fit both predictors and write ``age`` and ``radiomics``, each ``.json`` and ``.md``.

    Args:
        tables: folder of the public tables.
        out: folder of the results; created if missing.
        seed: random seed of penalty, bootstrap and cross-validation; the same seed gives the same files.
        resamples: number of bootstrap resamples.
        errors: of the features on found outlines; None to fit to the experts' masks as they are.
        progress: called with a line of progress.

    Returns:
        What was written, by file name.

    Raises:
        InputError: if a table is missing.
        OutputError: if the folder cannot be written.
    """
    check_writable(out)
    progress("fit age")
    everyone = read_ucsf(tables)
    ucsf = everyone.where(~np.isin(everyone.ids, sorted(TEST_PATIENTS)))
    age, _ = _fit_on(ucsf, ("age",), seed, resamples, None)
    documents = {
        "age.json": {
            **_header("age", seed, ucsf),
            "external": _external(age, (read_tcga(tables), read_upenn(tables))),
            "models": [age.to_json()],
        },
        "radiomics.json": {
            **_header("radiomics", seed, ucsf),
            "derived": DERIVED,
            "errors": None if errors is None else errors.to_json(),
            "typical": fit_distribution(ucsf, errors, seed).to_json(),
            "models": [_submodel(ucsf, parts, seed, resamples, errors, progress) for parts in submodels()],
        },
    }
    for name, document in documents.items():
        write_text(out / name, dump_models(document))
        write_text((out / name).with_suffix(".md"), card(document))
    return documents


def submodels() -> tuple[tuple[str, ...], ...]:
    """Return the subsets of parts that get a model: all that hold shape, which every tumour has.

    Example:
        >>> len(submodels()), submodels()[0], submodels()[-1]
        (16, ('shape',), ('shape', 'T1C', 'T2', 'FLAIR', 'age'))
    """
    others = [part for part in PARTS if part != "shape"]
    return tuple(
        ("shape", *chosen) for size in range(len(others) + 1) for chosen in combinations(others, size)
    )


def features_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features of some parts, in order."""
    return tuple(feature for part in parts for feature in PARTS[part])


def _submodel(
    cohort: Cohort,
    parts: tuple[str, ...],
    seed: int,
    resamples: int,
    errors: MeasurementErrors | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    progress(f"fit radiomics on {' + '.join(parts)}")
    features = features_of(parts)
    model, strata = _fit_on(cohort, features, seed, resamples, errors)
    conformal = _conformal(cohort, features, seed, errors) if "T1C" in parts else {}
    return {"parts": list(parts), "strata": strata, "conformal": conformal, **model.to_json()}


def _conformal(
    cohort: Cohort, features: tuple[str, ...], seed: int, errors: MeasurementErrors | None
) -> dict[str, Any]:
    """Return conformal thresholds by T1c enhancement, from out-of-fold log-odds with the errors of found outlines."""
    patients = cohort.where(cohort.complete(features))
    mutant = patients.mutant
    perturb = None if errors is None else partial(errors.perturb, features)
    found = out_of_fold_log_odds(patients.matrix(features), mutant, seed=seed, perturb=perturb)
    at_one_half = found.mean(axis=0) - float(logit(mutant.mean()))
    enhancing = patients.values[ENHANCEMENT] > ENHANCING_ABOVE
    thresholds = thresholds_by_stratum(mutant, at_one_half, {ENHANCING: enhancing, NOT_ENHANCING: ~enhancing})
    return {name: each.to_json() for name, each in thresholds.items()}


def _fit_on(
    cohort: Cohort, features: tuple[str, ...], seed: int, resamples: int, errors: MeasurementErrors | None
) -> tuple[LogisticModel, dict[str, Any]]:
    """Fit a model on the patients who have all features; also return its AUROC within grades."""
    patients = cohort.where(cohort.complete(features))
    values, mutant = patients.matrix(features), patients.mutant
    log_odds = out_of_fold_log_odds(values, mutant, seed=seed)
    estimate = mean_auroc(mutant, log_odds)
    perturb = None if errors is None else partial(errors.perturb, features)
    model = fit_model(features, values, mutant, estimate, resamples=resamples, seed=seed, perturb=perturb)
    return model, _strata(patients, log_odds)


def _header(name: str, seed: int, cohort: Cohort) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "data": DATA,
        "left_out": sorted(TEST_PATIENTS),
        "seed": seed,
        "grade_4": round(float((cohort.grade == 4).mean()), 3),
    }


def _strata(patients: Cohort, log_odds: Floats) -> dict[str, Any]:
    """Return the cross-validated AUROC within grades 2-3 and within grade 4, of the model fitted on all."""
    strata = {}
    for name, inside in (("grade 2-3", patients.grade < 4), ("grade 4", patients.grade == 4)):
        mutant = patients.mutant[inside]
        strata[name] = {
            "patients": len(mutant),
            "mutants": int(mutant.sum()),
            "auroc": _ends(mean_auroc(mutant, log_odds[:, inside])),
        }
    return strata


def _external(model: LogisticModel, cohorts: tuple[Cohort, ...]) -> list[dict[str, Any]]:
    """Test the age model on other hospitals' patients, at each group's own prevalence."""
    results = []
    for cohort in cohorts:
        for name, inside in _grade_groups(cohort):
            group = cohort.where(inside)
            prevalence = float(group.mutant.mean())
            probabilities = [
                model.answer({"age": age}, prevalence).probability for age in group.values["age"]
            ]
            estimate, line = auroc(group.mutant, probabilities), calibration_line(group.mutant, probabilities)
            results.append(
                {
                    "cohort": f"{cohort.name}, {name}",
                    "patients": len(group),
                    "mutants": int(group.mutant.sum()),
                    "auroc": _ends(estimate),
                    "brier": round(brier(group.mutant, probabilities).value, 3),
                    "calibration_slope": round(line.slope, 2),
                    "calibration_intercept": round(line.intercept, 2),
                }
            )
    return results


def _ends(estimate: Estimate) -> list[float]:
    return [round(end, 3) for end in (estimate.value, estimate.low, estimate.high)]


def _grade_groups(cohort: Cohort) -> list[tuple[str, NDArray[np.bool_]]]:
    lower = np.isin(cohort.grade, (2, 3))
    groups = [("all", np.full(len(cohort), True)), ("grade 2-3", lower), ("grade 4", cohort.grade == 4)]
    return [(name, inside) for name, inside in groups if name == "all" or 0 < inside.sum() < len(cohort)]


def dump_models(document: dict[str, Any]) -> str:
    """Write JSON that a person can read: one line for each key, and for each model's key."""
    models = [
        "  {\n" + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in model.items()) + "\n  }"
        for model in document["models"]
    ]
    head = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if key != "models"]
    return "{\n" + ",\n".join([*head, ' "models": [\n' + ",\n".join(models) + "\n ]"]) + "\n}\n"
