"""The study engine: examples, splits, training, tuning, tests, ablation and tables, as a protocol says.

Every step keeps its result in the study's folder, so that a study that was killed goes on where it was.
"""

from __future__ import annotations

import csv
import io
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype._version import __version__
from gliotype.atomic_files import check_writable, write_text
from gliotype.errors import InputError
from gliotype.evaluate.figures import draw_figures
from gliotype.evaluate.metrics import Metrics, evaluate
from gliotype.evaluate.table import check_both_classes, join, read_labels, read_predictions
from gliotype.evaluate.write import write_evaluation
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.protocol import FULL, FUSION, CohortSettings, Protocol
from gliotype.experiment.tables import Row, experiment_markdown
from gliotype.paths import as_path
from gliotype.tables import cell
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.data.examples import Example, Patients, check_found, make_examples
from gliotype.train.data.on_disk import FolderPatients
from gliotype.train.data.simulated import Scanner, SimulatedPatients
from gliotype.train.model2.export import write_weight
from gliotype.train.model2.fit import load_or_train_model
from gliotype.train.model2.forest_fusion import fit_fusion
from gliotype.train.model2.model import ALL_PARTS, Model2, Recipe


class Scorer(typing.Protocol):
    """What is tested: a model with a threshold that was fixed on the tuning patients."""

    @property
    def threshold(self) -> float:
        """Probability, at `prevalence`, from which on mutant is called."""
        ...

    @property
    def prevalence(self) -> float:
        """Of IDH mutation among the tuning patients."""
        ...

    def probabilities(self, examples: list[Example], prevalence: float) -> NDArray[np.float64]:
        """Return probabilities at a prevalence, NaN where no tumour was found."""
        ...


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a study found.

    Attributes:
        rows: one per test set and model.
        markdown: the tables.
    """

    rows: tuple[Row, ...]
    markdown: str


def run_experiment(
    protocol: Protocol, out: str | Path, *, jobs: int = 1, progress: Callable[[str], None] = lambda line: None
) -> Outcome:
    """Run a study, or go on with one that was interrupted.

    Args:
        protocol: what to do.
        out: folder for everything; the examples in ``cache`` and the networks in ``models`` are kept and used again.
        jobs: patients prepared at the same time.
        progress: called with a line that says how far it is.

    Returns:
        The tables, which are also written as ``results.md`` and ``results.csv``; the evaluation of the model
        with all parts on each test set lies in ``evaluation/SET``.

    Raises:
        InputError: if a cohort cannot be read, a set is empty or of one class, or a patient is in two sets;
            all of this is found out before an image is read.
        OutputError: if the folder cannot be written.
    """
    out = as_path(out)
    check_writable(out)
    sources = {name: _source(cohort, out) for name, cohort in protocol.cohorts.items()}
    names = split(protocol, sources)
    refuse_leakage(protocol, sources, names)
    for name, subjects in names.items():
        source = sources[protocol.sets[name].cohort]
        check_both_classes(map(source.mutant, subjects), f"of the set {name}")
    for cohort in protocol.cohorts.values():
        if cohort.anatomies is not None:
            progress(f"align the label maps of {cohort.anatomies}")
            read_anatomies(cohort.anatomies, out)
    sets: dict[str, list[Example]] = {}
    for role in ("training", "tuning", "test"):
        for name in protocol.named(role):
            source = sources[protocol.sets[name].cohort]
            progress(f"examples of {name}")
            sets[name] = make_examples(
                source, out / "cache", subjects=names[name], jobs=jobs, progress=progress
            )
            check_found(f"the set {name}", sets[name])
        if role == "tuning":
            models = _train_all(protocol, sets, out, progress)
    rows = [
        _test(name, label, sets[name], model, out)
        for name in protocol.named("test")
        for label, model in models.items()
    ]
    markdown = experiment_markdown(protocol, rows, {name: sets[name] for name in protocol.sets})
    _write_tables(rows, markdown, out)
    hybrid = models[FULL]
    assert isinstance(hybrid, Model2)
    _write_weight(protocol, hybrid, sets, markdown, out)
    return Outcome(tuple(rows), markdown)


def _write_weight(
    protocol: Protocol, model: Model2, sets: Mapping[str, list[Example]], markdown: str, out: Path
) -> None:
    """Write the model with all parts, with the tables of its tests on its card."""
    (training,) = protocol.named("training")
    cohort = protocol.cohorts[protocol.sets[training].cohort]
    write_weight(
        model,
        out / "weights",
        training=sets[training],
        data={"protocol": protocol.title, "note": protocol.note, **_provenance(cohort)},
        results=markdown.partition("## The model with all parts")[2].strip(),
    )


def _provenance(cohort: CohortSettings) -> dict[str, str]:
    if cohort.path is not None:
        return {"cohort": f"{cohort.path.name} ({cohort.layout})", "licence": "that of the cohort"}
    heads = "the shipped template" if cohort.anatomies is None else "whole-head label maps given by the user"
    return {
        "cohort": f"simulated, site {cohort.simulated}, seed {cohort.seed}",
        "simulator": f"that of Gliotype {__version__}",
        "heads": heads,
    }


def _source(cohort: CohortSettings, out: Path) -> Patients:
    if cohort.path is not None:
        return FolderPatients(cohort.path, cohort.layout)
    assert cohort.simulated is not None
    assert cohort.patients is not None
    scanner = (
        None
        if cohort.scanner is None
        else Scanner(
            tuple((float(t), share) for t, share in cohort.scanner.field_t.items()),
            cohort.scanner.thickness_mm,
            cohort.scanner.missing,
        )
    )
    return SimulatedPatients(cohort.simulated, cohort.patients, cohort.seed, scanner, cohort.anatomies, out)


def split(protocol: Protocol, sources: Mapping[str, Patients]) -> dict[str, tuple[str, ...]]:
    """Draw the patients of each set, patient by patient, without overlap between sets that share a cohort.

    Sets with `where` take their patients by value (a site, say); the others divide the rest in a random order.

    Raises:
        InputError: if a cohort has too few patients.
    """
    rng = np.random.default_rng(protocol.seed)
    chosen: dict[str, tuple[str, ...]] = {}
    for cohort, source in sources.items():
        left = [source.subjects[i] for i in rng.permutation(len(source.subjects))]
        of_cohort = {name: s for name, s in protocol.sets.items() if s.cohort == cohort}
        for name, settings in sorted(of_cohort.items(), key=lambda item: not item[1].where):
            able = [s for s in left if settings.where.items() <= source.strata(s).items()]
            if settings.patients is not None and len(able) < settings.patients:
                raise InputError(
                    f"the set {name} asks for {settings.patients} patients, but {len(able)} of the cohort {cohort} are "
                    "left: ask for fewer, or add patients"
                )
            taken = able[: settings.patients]
            if not taken:
                raise InputError(f"the set {name} is empty: change its cohort or where")
            chosen[name] = tuple(sorted(taken))
            left = [subject for subject in left if subject not in set(taken)]
    return chosen


def _train_all(
    protocol: Protocol, sets: Mapping[str, list[Example]], out: Path, progress: Callable[[str], None]
) -> dict[str, Scorer]:
    """Train the model with all parts and each ablation, or read those that were trained before."""
    (training,), (tuning,) = protocol.named("training"), protocol.named("tuning")
    settings = protocol.model
    wanted = {FULL: (ALL_PARTS, settings.members)}
    wanted |= {
        name: (frozenset(parts), settings.ablation_members) for name, parts in protocol.ablations.items()
    }
    models: dict[str, Scorer] = {}
    for label, (parts, members) in wanted.items():
        recipe = Recipe(
            parts, members, epochs=settings.epochs, learning_rate=settings.learning_rate, seed=protocol.seed
        )
        progress(f"train {label}")
        models[label] = load_or_train_model(recipe, sets[training], sets[tuning], out / "models", progress)
    image = models.get(settings.fusion or "")
    if isinstance(image, Model2):
        models[FUSION] = fit_fusion(sets[training], sets[tuning], image, protocol.seed)
    return models


def _test(name: str, label: str, examples: list[Example], model: Scorer, out: Path) -> Row:
    """Write a model's predictions of a set, evaluate them, and return their line of the table."""
    prevalence = model.prevalence
    probabilities = model.probabilities(examples, prevalence)
    labels, predictions = out / "labels" / f"{name}.csv", out / "predictions" / name / f"{label}.csv"
    _write_csv(labels, _label_lines(examples))
    lines = [["subject", "probability"]]
    lines += [
        [e.subject, "" if np.isnan(p) else f"{p:.6f}"] for e, p in zip(examples, probabilities, strict=True)
    ]
    _write_csv(predictions, lines)
    patients = join(read_predictions(predictions), read_labels(labels), prevalence=prevalence)
    metrics = evaluate(patients, threshold=model.threshold)
    if label == FULL:
        write_evaluation(metrics, draw_figures(patients, None, metrics), out / "evaluation" / name)
    return _row(name, label, examples, metrics)


def _row(name: str, label: str, examples: list[Example], metrics: Metrics) -> Row:
    dices = [example.dice for example in examples if not np.isnan(example.dice)]
    return Row(
        set_name=name,
        model=label,
        n=metrics.n,
        mutants=metrics.mutants,
        no_calls=metrics.no_calls,
        accuracy=metrics.at_threshold.accuracy,
        sensitivity=metrics.at_threshold.sensitivity,
        specificity=metrics.at_threshold.specificity,
        auroc=metrics.auroc,
        auprc=metrics.average_precision,
        brier=metrics.brier,
        slope=metrics.calibration.slope,
        age=None if metrics.age_alone is None else metrics.age_alone.other_auroc,
        minus_age=None if metrics.age_alone is None else metrics.age_alone.difference.difference,
        dice=float(np.mean(dices)) if dices else None,
    )


def _label_lines(examples: list[Example]) -> list[list[str]]:
    columns = sorted({column for example in examples for column in example.strata})
    lines = [["subject", "idh", "age", *columns]]
    for e in examples:
        age = "" if np.isnan(e.age) else f"{e.age:.1f}"
        lines.append([e.subject, str(int(e.mutant)), age, *(e.strata.get(c, "") for c in columns)])
    return lines


def _write_csv(file: Path, lines: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(field) for field in line] for line in lines)
    write_text(file, text.getvalue())


def _write_tables(rows: list[Row], markdown: str, out: Path) -> None:
    header = list(Row.__dataclass_fields__)
    lines = [header, *([_text(getattr(row, key)) for key in header] for row in rows)]
    _write_csv(out / "results.csv", lines)
    write_text(out / "results.md", markdown)


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
