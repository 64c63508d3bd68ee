"""The experiment engine: sets, examples, trainings, tests and tables, as a protocol specifies.

Every step saves its result in the folder of the experiment, so that one that was killed resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gliotype.atomic_files import check_writable
from gliotype.experiment.cohorts import ExampleStore, check_excluded, source_of, sources_of_target
from gliotype.experiment.hospitals import check_hospitals
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.methods import Model, models_of
from gliotype.experiment.outlines import outlines_note
from gliotype.experiment.predictions import Answer, by_model, combine, list_answers
from gliotype.experiment.protocol import Protocol
from gliotype.experiment.registry import inputs_of
from gliotype.experiment.report.html import Experiment, write_report
from gliotype.experiment.saliency import explain_examples
from gliotype.experiment.score import Scored, compare_models, score, score_split
from gliotype.experiment.splits import Split, draw_sets, make_splits
from gliotype.experiment.tables import Results, Row, experiment_markdown, tests_markdown
from gliotype.experiment.training import Training, check_trainings, run_trainings
from gliotype.experiment.weights import NOT_EXPORTED, export_weights
from gliotype.experiment.workers import pool_of
from gliotype.experiment.write import (
    write_answers,
    write_csv,
    write_evaluations,
    write_labels,
    write_predictions,
    write_results,
    write_splits,
)
from gliotype.paths import as_path
from gliotype.train.data.anatomies import align_label_maps
from gliotype.train.data.examples import Example, FailedPatientsError, Pool, check_found


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of an experiment.

    Attributes:
        rows: one per test set and model.
        markdown: the tables.
    """

    rows: tuple[Row, ...]
    markdown: str


Sets = Mapping[str, list[Example]]


def run_experiment(
    protocol: Protocol,
    out: str | Path,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run an experiment, or resume one that was interrupted.

    Args:
        protocol: what to run.
        out: folder of the experiment; examples in ``cache``, networks in ``models`` and answers in ``answers`` are
            reused.
        jobs: patients prepared, and models trained, at the same time on this machine.
        scheduler: address of a Dask scheduler whose workers do so instead. The results are the same.
        progress: called with a line of progress.

    Returns:
        The tables, which are also written as ``results.md``, as CSV and as ``report.html``; the evaluation of each
        method on each test set lies in ``evaluation/SET/METHOD``.

    Raises:
        InputError: if a cohort cannot be read, a set is empty or of one class, there are fewer patients than folds, or
            a patient is in two sets; all of this is checked before an image is read. Also if a training has too few
            patients in whom a tumour was found, which is checked before the first training.
        FailedPatientsError: if patients cannot be prepared, when all others are; ``failed.csv`` lists them.
        UsageError: if the scheduler does not answer.
        OutputError: if the folder cannot be written.
    """
    pool = pool_of(jobs, scheduler)
    out = as_path(out)
    check_writable(out)
    sources = {name: source_of(cohort, out) for name, cohort in protocol.cohorts.items()}
    check_excluded(protocol, sources)
    sources = sources_of_target(protocol, sources, out)
    chosen = draw_sets(protocol, sources)
    refuse_leakage(protocol, sources, chosen)
    splits = make_splits(protocol, sources, chosen)
    check_hospitals(protocol, sources, splits)
    models = models_of(protocol)
    _align_label_maps(protocol, out, progress)
    of_set = {name: sources[settings.cohort] for name, settings in protocol.all_sets.items()}
    store = ExampleStore(of_set, out / "cache", inputs_of([model.method for model in models]))
    sets = _make_sets(protocol, store, chosen, pool, progress)
    trainings = trainings_of(protocol, models, splits)
    check_trainings(trainings, store, sets)
    elsewhere = None if jobs == 1 and scheduler is None else pool
    done = run_trainings(trainings, store, out, elsewhere, progress)
    answers = list(list_answers(zip(trainings, done, strict=True)))
    results, scored = measure_models(protocol, models, sets, answers)
    outlines = outlines_note(sets, [model.method for model in models])
    markdown = experiment_markdown(protocol, results, sets, outlines)
    write_splits(splits, out)
    _write_tests(protocol, sets, answers, out)
    write_evaluations(scored, out)
    write_results(results, scored, markdown, out)
    shown = explain_examples(models, splits, scored, sets, store, out, protocol.aim, progress)
    exported = (
        export_weights(protocol, models, splits[0], store, tests_markdown(protocol, results), out, progress)
        if len(splits) == 1
        else NOT_EXPORTED
    )
    write_report(
        Experiment(
            protocol, models, sources, splits, sets, results, tuple(scored), outlines, shown, exported
        ),
        out,
    )
    return Outcome(results.rows, markdown)


def _make_sets(
    protocol: Protocol,
    store: ExampleStore,
    chosen: Mapping[str, tuple[str, ...]],
    pool: Pool,
    progress: Callable[[str], None],
) -> dict[str, list[Example]]:
    """Make the examples of every set, and list the patients who fail in ``failed.csv``."""
    table = store.cache.parent / "failed.csv"
    table.unlink(missing_ok=True)
    sets: dict[str, list[Example]] = {}
    failed: dict[tuple[str, str], str] = {}
    for name in protocol.all_sets:
        progress(f"examples of {name}")
        try:
            sets[name] = store.make(name, chosen[name], pool, progress)
        except FailedPatientsError as error:
            failed |= {(name, subject): why for subject, why in error.reasons.items()}
    if failed:
        write_csv(table, [["set", "subject", "reason"], *([*who, why] for who, why in failed.items())])
        raise FailedPatientsError({subject: why for (_, subject), why in failed.items()})
    for name, examples in sets.items():
        check_found(f"the set {name}", examples, protocol.aim)
    return sets


def trainings_of(
    protocol: Protocol, models: tuple[Model, ...], splits: tuple[Split, ...]
) -> tuple[Training, ...]:
    """List all trainings: every model on every split, and the methods on the sizes of the learning curve.

    A size that a split does not have is left out.
    """
    whole = [Training(model, split, target=protocol.aim) for split in splits for model in models]
    curve = [
        Training(model, split, size, protocol.seed, protocol.aim)
        for size in protocol.learning_curve
        for split in splits
        for model in models
        if not model.ablation and size < len(split.training)
    ]
    return (*whole, *curve)


def measure_models(
    protocol: Protocol, models: tuple[Model, ...], sets: Sets, answers: list[Answer]
) -> tuple[Results, list[Scored]]:
    """Measure every model on every test set: all trainings together, each alone, and along the learning curve."""
    groups = by_model(answers)
    scored = [
        score(
            test,
            model.label,
            sets[test],
            combine(groups[test, model.label, None]),
            ablation=model.ablation,
            target=protocol.aim,
        )
        for test in protocol.tests
        for model in models
    ]
    by_split, curve = [], []
    for (test, label, size), group in groups.items():
        if size is not None:
            tested = [e for e in sets[test] if e.subject in {answer.subject for answer in group}]
            row = score(test, label, tested, combine(group), ablation=True, target=protocol.aim).row
            curve.append(replace(row, size=size))
        elif len(names := dict.fromkeys(answer.split for answer in group)) > 1:
            by_split += [
                score_split(test, label, name, sets[test], combine(a for a in group if a.split == name))
                for name in names
            ]
    pairs = {
        test: compare_models([each for each in scored if each.row.set_name == test])
        for test in protocol.tests
    }
    return Results(tuple(each.row for each in scored), tuple(by_split), tuple(curve), pairs), scored


def _write_tests(protocol: Protocol, sets: Sets, answers: list[Answer], out: Path) -> None:
    """Write the labels and predictions of every test set, and the answer of each training."""
    for name in protocol.tests:
        write_labels(name, sets[name], out, protocol.aim)
    for (test, label, size), group in by_model(answers).items():
        if size is None:
            write_predictions(test, label, combine(group), out)
    write_answers(answers, out)


def _align_label_maps(protocol: Protocol, out: Path, progress: Callable[[str], None]) -> None:
    """Align the label maps of the simulated cohorts once, before the worker processes read them."""
    for folder in dict.fromkeys(cohort.label_maps for cohort in protocol.cohorts.values()):
        if folder is not None:
            progress(f"align the label maps of {folder}")
            align_label_maps(folder, out)
