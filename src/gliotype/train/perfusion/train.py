"""From simulated patients to the perfusion network's weight: the recipe ``perfusion``, after Choi 2019."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from gliotype.atomic_files import check_writable
from gliotype.evaluate.table import check_both_classes
from gliotype.networks.recurrent import CurveNet
from gliotype.predictors.curves import CHANNELS
from gliotype.train.common.bootstrap import bootstrap
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.calibration import fit_calibration
from gliotype.train.common.ensemble import load_or_train_members
from gliotype.train.perfusion.design import Design
from gliotype.train.perfusion.examples import make_curve_examples
from gliotype.train.perfusion.export import write_weight
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe, train_member, with_curves
from gliotype.train.perfusion.tables import Tested, results_markdown, test_set


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found.

    Attributes:
        tested: one for each test set.
        markdown: the tables.
        files: weight, card and numbers.
    """

    tested: tuple[Tested, ...]
    markdown: str
    files: tuple[Path, ...]


def train_perfusion(
    design: Design,
    recipe: Recipe,
    run: Path,
    *,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Simulate, train, test and write the weight; an interrupted run resumes where it stopped.

    Args:
        design: which patients.
        recipe: how to train.
        run: folder of the run; examples and trained networks are cached in it.
        jobs: patients simulated at the same time.
        progress: called with a line of progress.

    Raises:
        InputError: if a set has fewer than two patients of a class.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    sets = {}
    for name, cohort in design.cohorts.items():
        progress(f"simulate {name}, {cohort.patients} patients")
        sets[name] = make_curve_examples(cohort, run / "examples", jobs=jobs)
        check_both_classes((example.mutant for example in with_curves(sets[name])), f"of {name}")
    model = _load_or_train_model(recipe, sets, run / "networks", progress)
    tested = tuple(
        test_set(name, sets[name], model, training=sets["training"], tuning=sets["tuning"], seed=recipe.seed)
        for name in ("test", "larger test", "external")
    )
    markdown = results_markdown(tested, {name: sets[name] for name in sets})
    return Outcome(
        tested,
        markdown,
        write_weight(model, run, design=design, recipe=recipe, training=sets["training"], results=markdown),
    )


def _load_or_train_model(
    recipe: Recipe,
    sets: dict[str, list[CurveExample]],
    folder: Path,
    progress: Callable[[str], None],
) -> CurveModel:
    """Train the members that are not there yet, and calibrate them."""
    training, tuning = with_curves(sets["training"]), with_curves(sets["tuning"])
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
