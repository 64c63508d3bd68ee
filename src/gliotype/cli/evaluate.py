"""``gliotype evaluate``: predictions of many patients against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliotype.cli.options import Output, TargetName


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="CSV with the columns subject and probability.")
    ],
    *,
    labels: Annotated[
        Path,
        typer.Option(
            metavar="LABELS",
            help="CSV with the columns subject and idh (1/0 or mutant/wildtype), and optionally age and strata.",
        ),
    ],
    output: Output,
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Probability at or above which a patient counts as mutant; choose it on other patients.",
        ),
    ] = 0.5,
    prevalence: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Score of a patient without a probability, unless the column prevalence gives another.",
        ),
    ] = 0.3,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="CSV with other predictions for the same patients.")
    ] = None,
    target: TargetName = "idh",
) -> None:
    """Measure predictions against known IDH status, or 1p/19q status."""
    from gliotype.atomic_files import check_writable
    from gliotype.cohorts import find_target
    from gliotype.evaluate.figures import draw_figures
    from gliotype.evaluate.metrics import evaluate as measure
    from gliotype.evaluate.table import join, read_labels, read_predictions
    from gliotype.evaluate.write import OUTPUTS, estimate_words, notes, p_words, write_evaluation

    check_writable(output, OUTPUTS)
    known = read_labels(labels, find_target(target))
    patients = join(read_predictions(predictions), known, prevalence=prevalence)
    other = None if compare is None else join(read_predictions(compare), known, prevalence=prevalence)
    metrics = measure(patients, other, threshold=threshold)
    files = write_evaluation(metrics, draw_figures(patients, other, metrics), output)

    rows = [
        ("Patients", f"{metrics.n}, {metrics.mutants} of them {known.target.word(positive=True)}"),
        ("Coverage", f"{estimate_words(metrics.coverage)} with a probability"),
        ("AUROC", estimate_words(metrics.auroc)),
    ]
    for name, other_score in (("Age alone", metrics.age_alone), ("Other", metrics.against)):
        if other_score is not None:
            difference = estimate_words(other_score.difference.difference, "+.3f")
            p = p_words(other_score.difference.p_value)
            rows.append((name, f"{estimate_words(other_score.other_auroc)}; difference {difference}, p {p}"))
    rows += [
        ("Brier", estimate_words(metrics.brier)),
        ("Calibration", f"slope {estimate_words(metrics.calibration.slope, '.2f')}"),
        ("", f"intercept {estimate_words(metrics.calibration.intercept, '+.2f')}"),
        *(("Note", note) for note in notes(metrics)),
        *(("Written", str(path)) for path in files),
    ]
    for name, text in rows:
        typer.echo(f"{name:<13}{text}")
