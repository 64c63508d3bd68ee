"""The perfusion networks on disk: a run that was killed resumes with the first network that is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gliotype.networks.recurrent import CurveNet
from gliotype.predictors.curves import CHANNELS
from gliotype.train.common.bootstrap import bootstrap
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.calibration import fit_calibration
from gliotype.train.common.ensemble import load_or_train_members
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe, train_member, with_curves


def load_or_train_model(
    recipe: Recipe,
    training: list[CurveExample],
    tuning: list[CurveExample],
    folder: Path,
    progress: Callable[[str], None],
) -> CurveModel:
    """Train the members that are not there yet, and calibrate them.

    Args:
        recipe: of the training.
        training: patients to learn from; those without curves are left out.
        tuning: other patients, for stopping and calibration.
        folder: of the networks, in a sub-folder named after recipe and patients.
        progress: called with a line of progress.
    """
    training, tuning = with_curves(training), with_curves(tuning)
    rng = np.random.default_rng(recipe.seed)
    mutant = [e.mutant for e in training]
    samples = [[training[i] for i in bootstrap(mutant, rng)] for _ in range(recipe.members)]

    def train(number: int) -> CurveNet:
        log_epoch, seed = _epoch_logger(number, recipe, progress), 1000 * recipe.seed + number
        return train_member(recipe, samples[number - 1], tuning, seed, log_epoch)

    run_folder = folder / _name(recipe, [*training, *tuning])
    members = load_or_train_members(run_folder, recipe.members, lambda: CurveNet(len(CHANNELS)), train)
    average = np.stack([example.curves[0] for example in training]).mean(axis=0)
    model = CurveModel(members, np.asarray(average, dtype=np.float32))
    truth = np.array([e.mutant for e in tuning])
    return replace(model, calibration=fit_calibration(truth, model.log_odds(tuning)))


def _name(recipe: Recipe, patients: list[CurveExample]) -> str:
    """Name the trainings of all members after everything that decides their results."""
    settings = {name: value for name, value in asdict(recipe).items() if name != "members"}
    settings["patients"] = [(e.subject, e.mutant) for e in patients]
    return cache_key(settings, (array for e in patients for array in (e.curves, e.numbers)))


def _epoch_logger(
    number: int, recipe: Recipe, progress: Callable[[str], None]
) -> Callable[[int, float], None]:
    def log_epoch(epoch: int, area: float) -> None:
        progress(
            f"network {number} of {recipe.members}, epoch {epoch} of {recipe.epochs} at most, "
            f"tuning AUROC {area:.3f}"
        )

    return log_epoch
