"""Train Model 2 on a cohort on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.report.staging import check_writable
from gliotype.train.examples import Patients, make_examples
from gliotype.train.kept import kept_model
from gliotype.train.model2 import Recipe
from gliotype.train.weight import write_weight

TUNING_SHARE = 0.18
"""Of the patients, kept for calibration and cut; as in Choi 2021 (131 of 727)."""


def train_on_cohort(
    patients: Patients,
    recipe: Recipe,
    run: Path,
    *,
    name: str,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Path, ...]:
    """Train on a cohort's patients, or go on with a run that was interrupted.

    Args:
        patients: labelled patients.
        recipe: how.
        run: folder of the run; kept examples and networks lie there, too.
        name: of the cohort, for the card.
        jobs: patients prepared at the same time.
        tell: told how far it is.

    Returns:
        Network, card and numbers.

    Raises:
        InputError: if there are too few patients of a class, or one cannot be read.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    examples = make_examples(patients, run / "cache", jobs=jobs, tell=tell)
    order = np.random.default_rng(recipe.seed).permutation(len(examples))
    held = round(TUNING_SHARE * len(examples))
    tuning, training = [examples[i] for i in order[:held]], [examples[i] for i in order[held:]]
    for part, chosen in (("training", training), ("tuning", tuning)):
        mutants = sum(e.mutant for e in chosen if e.found)
        wildtypes = sum(not e.mutant for e in chosen if e.found)
        if min(mutants, wildtypes) < 2:
            raise InputError(
                f"the {part} patients in whom a tumour was found are {mutants} mutant and {wildtypes} wildtype: "
                "two of each are the least, so add patients"
            )
    model = kept_model(recipe, training, tuning, run / "models", tell)
    found = [e for e in tuning if e.found]
    estimate = auroc([e.mutant for e in found], model.probabilities(found, 0.5))
    results = f"On the {len(found)} tuning patients (used for calibration and cut, so optimistic): AUROC {estimate}."
    data = {"cohort": name, "licence": "that of the cohort"}
    return write_weight(model, run, training=training, data=data, results=results)
