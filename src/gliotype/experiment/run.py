"""The experiment engine: splits, examples, training, tuning, tests, ablations and tables, as a protocol specifies.

Every step saves its result in the folder of the experiment, so that one that was killed resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliotype._version import __version__
from gliotype.atomic_files import check_writable, write_text
from gliotype.errors import InputError
from gliotype.evaluate.table import check_both_classes
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.methods import train_ablations, train_model
from gliotype.experiment.protocol import FULL, CohortSettings, Protocol
from gliotype.experiment.score import score_ablation, score_model, write_csv, write_labels
from gliotype.experiment.tables import Row, experiment_markdown
from gliotype.paths import as_path
from gliotype.train.data.anatomies import align_label_maps
from gliotype.train.data.examples import Example, Patients, check_found, make_examples
from gliotype.train.data.on_disk import FolderPatients
from gliotype.train.data.simulated import Scanner, SimulatedPatients
from gliotype.train.model2.export import write_weight
from gliotype.train.model2.model import Model2


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of an experiment.

    Attributes:
        rows: one per test set and model.
        markdown: the tables.
    """

    rows: tuple[Row, ...]
    markdown: str


def run_experiment(
    protocol: Protocol, out: str | Path, *, jobs: int = 1, progress: Callable[[str], None] = lambda line: None
) -> Outcome:
    """Run an experiment, or resume one that was interrupted.

    Args:
        protocol: what to run.
        out: folder of the experiment; examples in ``cache`` and networks in ``models`` are reused.
        jobs: patients prepared at the same time.
        progress: called with a line of progress.

    Returns:
        The tables, which are also written as ``results.md`` and ``results.csv``; the evaluation of the model
        with all parts on each test set lies in ``evaluation/SET``.

    Raises:
        InputError: if a cohort cannot be read, a set is empty or of one class, or a patient is in two sets;
            all of this is checked before an image is read.
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
    _align_label_maps(protocol, out, progress)
    sets = {}
    for name, settings in protocol.sets.items():
        progress(f"examples of {name}")
        source = sources[settings.cohort]
        sets[name] = make_examples(source, out / "cache", subjects=names[name], jobs=jobs, progress=progress)
        check_found(f"the set {name}", sets[name])
    model = train_model(protocol, sets, out / "models", progress)
    ablations = train_ablations(protocol, sets, out / "models", progress)
    rows = []
    for name in protocol.named("test"):
        write_labels(name, sets[name], out)
        rows.append(score_model(name, FULL, sets[name], model, out))
        rows += [score_ablation(name, label, sets[name], method, out) for label, method in ablations.items()]
    markdown = experiment_markdown(protocol, rows, sets)
    _write_tables(rows, markdown, out)
    _write_weight(protocol, model, sets, markdown, out)
    return Outcome(tuple(rows), markdown)


def _align_label_maps(protocol: Protocol, out: Path, progress: Callable[[str], None]) -> None:
    """Align the label maps of the simulated cohorts once, before the worker processes read them."""
    for folder in dict.fromkeys(cohort.label_maps for cohort in protocol.cohorts.values()):
        if folder is not None:
            progress(f"align the label maps of {folder}")
            align_label_maps(folder, out)


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
    heads = "the shipped template" if cohort.label_maps is None else "whole-head label maps given by the user"
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
            tuple((float(t), fraction) for t, fraction in cohort.scanner.field_t.items()),
            cohort.scanner.thickness_mm,
            cohort.scanner.missing,
        )
    )
    return SimulatedPatients(cohort.simulated, cohort.patients, cohort.seed, scanner, cohort.label_maps, out)


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


def _write_tables(rows: list[Row], markdown: str, out: Path) -> None:
    header = list(Row.__dataclass_fields__)
    lines = [header, *([_text(getattr(row, key)) for key in header] for row in rows)]
    write_csv(out / "results.csv", lines)
    write_text(out / "results.md", markdown)


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
