"""Logistic models as the files that their predictors read, with a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gliotype.atomic_files import atomic_write_set, write_text
from gliotype.errors import InputError
from gliotype.predictors.logistic import LogisticModel
from gliotype.predictors.radiomics import PARTS
from gliotype.runtime import read_weights
from gliotype.train.common.ridge import fit_model, mean_auroc, out_of_fold_log_odds
from gliotype.train.data.examples import Example
from gliotype.train.radiomics.fit import RESAMPLES, dump_models
from gliotype.train.table.logistic import LogisticModels, complete_numbers

FOLDS, FEWEST = 5, 4
"""Folds of the cross-validation, and patients of each class without whom a model is not written."""

KEPT = ("typical", "errors")
"""What an exported ``radiomics.json`` takes over from the shipped one: what the gate and the public fit read there."""


def write_models(
    name: str,
    trained: LogisticModels,
    folder: Path,
    *,
    training: Sequence[Example],
    data: Mapping[str, str],
    results: str,
    seed: int,
) -> tuple[Path, ...]:
    """Write ``NAME.json`` and the card ``NAME.md``: both, or none.

    The coefficients are those of `trained`; bootstrap and cross-validated AUROC are computed here.

    Args:
        name: ``age`` or ``radiomics``.
        trained: fitted on these patients.
        folder: created if missing.
        training: the training patients.
        data: what they are, and under which ``licence``.
        results: Markdown of its tests, without a heading.
        seed: of penalty, bootstrap and cross-validation.

    Raises:
        InputError: if no model has four patients of each class.
    """
    patients = list(training)
    models = [full for model in trained.models if (full := _with_bootstrap(model, patients, seed))]
    if not models:
        raise InputError(
            f"fewer than {FEWEST} training patients of a class have the numbers of {name}: add patients to export it"
        )
    kept = {key: value for key, value in read_weights(f"{name}.json", dict).items() if key in KEPT}
    document = {
        "schema": 1,
        "name": name,
        "data": dict(data),
        "seed": seed,
        **kept,
        "models": [{"parts": _parts(model), "conformal": {}, **model.to_json()} for model in models],
    }
    files = (f"{name}.json", f"{name}.md")
    with atomic_write_set(folder, files) as aside:
        write_text(aside / files[0], dump_models(document))
        write_text(aside / files[1], _card(name, models, data, results, seed))
    return tuple(folder / each for each in files)


def _with_bootstrap(model: LogisticModel, patients: list[Example], seed: int) -> LogisticModel | None:
    values, mutant = complete_numbers(model.features, patients)
    fewest = int(min(mutant.sum(), (~mutant).sum()))
    if fewest < FEWEST:
        return None
    found = out_of_fold_log_odds(values, mutant, seed=seed, folds=min(FOLDS, fewest))
    return fit_model(
        model.features, values, mutant, mean_auroc(mutant, found), resamples=RESAMPLES, seed=seed
    )


def _parts(model: LogisticModel) -> list[str]:
    return [part for part, features in PARTS.items() if set(features) <= set(model.features)]


def _card(name: str, models: list[LogisticModel], data: Mapping[str, Any], results: str, seed: int) -> str:
    rows = "\n".join(
        f"| {' + '.join(_parts(each))} | {each.patients} | {each.mutants} "
        f"| {each.auroc[0]:.3f} ({each.auroc[1]:.3f}-{each.auroc[2]:.3f}) |"
        for each in models
    )
    widest = max(models, key=lambda model: len(model.features))
    coefficients = "\n".join(
        f"| {feature} | {mean:.3g} | {sd:.2g} | {coefficient:+.2f} |"
        for feature, mean, sd, coefficient in zip(
            widest.features, widest.mean, widest.sd, widest.coefficients, strict=True
        )
    )
    about = "; ".join(f"{key}: {value}" for key, value in data.items() if key != "licence")
    return f"""# Model card: {name}

Ridge logistic regression on numbers of a patient, fitted on a cohort of the user's.

**Intended use.** Research on adults with diffuse glioma before surgery. Not a medical device.

**Data.** {about}. Numbers were measured on outlines found by Model 1, as in use.

**Method.** Penalty by the log-loss of {FOLDS}-fold cross-validation; {RESAMPLES} bootstrap resamples within each class
give the 95 % interval. Log-odds are stored for a prevalence of one half. A value outside the range of the training
patients counts as the edge of that range. There are no conformal thresholds, so no prediction set is given.
Seed {seed}.

**Results.** Cross-validated on the training patients:

| parts | n | mutant | AUROC (95 %) |
| --- | --- | --- | --- |
{rows}

Log-odds of the widest model per standard deviation:

| feature | mean | SD | coefficient |
| --- | --- | --- | --- |
{coefficients}

{results}

**Licence of the data.** {data.get("licence", "")}
"""
