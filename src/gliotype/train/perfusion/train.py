"""From simulated patients to the perfusion network's weight: the recipe ``perfusion``, after Choi 2019."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gliotype.atomic_files import check_writable
from gliotype.evaluate.table import check_both_classes
from gliotype.train.perfusion.design import Design
from gliotype.train.perfusion.examples import make_curve_examples
from gliotype.train.perfusion.export import design_of, write_weight
from gliotype.train.perfusion.fit import load_or_train_model
from gliotype.train.perfusion.network import Recipe, with_curves
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
    model = load_or_train_model(recipe, sets["training"], sets["tuning"], run / "networks", progress)
    tested = tuple(
        test_set(name, sets[name], model, training=sets["training"], tuning=sets["tuning"], seed=recipe.seed)
        for name in ("test", "larger test", "external")
    )
    markdown = results_markdown(tested, {name: sets[name] for name in sets})
    return Outcome(
        tested,
        markdown,
        write_weight(
            model, run, about=design_of(design), recipe=recipe, training=sets["training"], results=markdown
        ),
    )
