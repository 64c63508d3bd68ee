"""Fit the predictors `age` and `radiomics` on public tables, and write their coefficients and cards.

No torch, about a minute. Patients are read, coefficients are written; no patient's row leaves the tables.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.roc import auroc
from gliotype.predictors.logistic import LogisticModel
from gliotype.predictors.radiomics import PARTS
from gliotype.train.cards import age_card, radiomics_card
from gliotype.train.ridge import fit_model, mean_auroc, out_of_fold_log_odds
from gliotype.train.tables import Cohort, read_tcga, read_ucsf, read_upenn

TEST_PATIENTS = frozenset({"UCSF-PDGM-116"})
"""Left out of the fit: this patient is BraTS2021_00006, one of our development images."""

RESAMPLES = 200

DATA = {
    "name": "UCSF-PDGM v5 (Calabrese 2022), baseline examinations",
    "citation": "Calabrese E et al. Radiology: Artificial Intelligence 2022;4:e220058. doi 10.1148/ryai.220058",
    "licence": "CC BY 4.0 (TCIA) for images, masks and clinical table",
}
DERIVED = (
    "shape and signal statistics were computed from UCSF-PDGM's images and expert masks by others, and published "
    "on GitHub without a licence of their own; coefficients only, no rows, are kept here"
)


def fit(tables: Path, out: Path, *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, dict[str, Any]]:
    """Fit both predictors and write ``age`` and ``radiomics``, each ``.json`` and ``.md``.

    Args:
        tables: folder of the public tables.
        out: folder to write to, which must exist.
        seed: of penalty, bootstrap and cross-validation; the same seed gives the same files.
        resamples: of the bootstrap.

    Returns:
        What was written, by file name.

    Raises:
        InputError: if a table is missing.
    """
    everyone = read_ucsf(tables)
    ucsf = everyone.where(~np.isin(everyone.ids, sorted(TEST_PATIENTS)))
    age = _fit_on(ucsf, ("age",), seed, resamples)
    documents = {
        "age.json": {
            **_header("age", seed, ucsf),
            "external": _external(age, (read_tcga(tables), read_upenn(tables))),
            "models": [age.to_json()],
        },
        "radiomics.json": {
            **_header("radiomics", seed, ucsf),
            "derived": DERIVED,
            "models": [
                {"parts": list(parts), **_fit_on(ucsf, features_of(parts), seed, resamples).to_json()}
                | {"strata": _strata(ucsf, features_of(parts), seed)}
                for parts in submodels()
            ],
        },
    }
    for name, document in documents.items():
        (out / name).write_text(_dump(document), encoding="utf-8")
    (out / "age.md").write_text(age_card(documents["age.json"]), encoding="utf-8")
    (out / "radiomics.md").write_text(radiomics_card(documents["radiomics.json"]), encoding="utf-8")
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


def _fit_on(cohort: Cohort, features: tuple[str, ...], seed: int, resamples: int) -> LogisticModel:
    patients = cohort.where(cohort.complete(features))
    return fit_model(features, patients.matrix(features), patients.mutant, resamples=resamples, seed=seed)


def _header(name: str, seed: int, cohort: Cohort) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "data": DATA,
        "left_out": sorted(TEST_PATIENTS),
        "seed": seed,
        "grade_4": round(float((cohort.grade == 4).mean()), 3),
    }


def _strata(cohort: Cohort, features: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Return the cross-validated AUROC within grades 2-3 and within grade 4, of the model fitted on all."""
    patients = cohort.where(cohort.complete(features))
    log_odds = out_of_fold_log_odds(patients.matrix(features), patients.mutant, seed=seed)
    strata = {}
    for name, inside in (("grade 2-3", patients.grade < 4), ("grade 4", patients.grade == 4)):
        estimate = mean_auroc(patients.mutant[inside], log_odds[:, inside])
        strata[name] = {
            "patients": int(inside.sum()),
            "mutants": int(patients.mutant[inside].sum()),
            "auroc": [round(end, 3) for end in (estimate.value, estimate.low, estimate.high)],
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
                    "auroc": [round(end, 3) for end in (estimate.value, estimate.low, estimate.high)],
                    "brier": round(brier(group.mutant, probabilities), 3),
                    "calibration_slope": round(line.slope, 2),
                    "calibration_intercept": round(line.intercept, 2),
                }
            )
    return results


def _grade_groups(cohort: Cohort) -> list[tuple[str, Any]]:
    lower = np.isin(cohort.grade, (2, 3))
    groups = [("all", np.full(len(cohort), True)), ("grade 2-3", lower), ("grade 4", cohort.grade == 4)]
    return [(name, inside) for name, inside in groups if name == "all" or 0 < inside.sum() < len(cohort)]


def _dump(document: dict[str, Any]) -> str:
    """Write JSON that a person can read: one line for each key, and for each model's key."""
    models = [
        "  {\n" + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in model.items()) + "\n  }"
        for model in document["models"]
    ]
    head = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if key != "models"]
    return "{\n" + ",\n".join([*head, ' "models": [\n' + ",\n".join(models) + "\n ]"]) + "\n}\n"
