"""``gliotype calibrate``: what the labelled patients of a clinic say about the probabilities there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="CSV with the columns subject and probability, or a folder of results written by gliotype predict.",
        ),
    ],
    *,
    labels: Annotated[
        Path,
        typer.Option(metavar="LABELS", help="CSV with the columns subject and idh (1/0 or mutant/wildtype)."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="SITE.json", help="File for the calibration.")
    ],
    name: Annotated[str, typer.Option(help="Name of the clinic, shown in reports.")] = "local",
    prevalence: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Prevalence assumed by the probabilities, if the input does not state it.",
        ),
    ] = 0.3,
) -> None:
    """Calibrate probabilities to a clinic, using 20 or more of its patients with known IDH status."""
    from gliotype.evaluate.site import calibrate_site
    from gliotype.evaluate.site_report import report_lines, write_site
    from gliotype.evaluate.table import join, read_labels, read_predictions

    patients = join(read_predictions(predictions), read_labels(labels), prevalence=prevalence)
    site, report = calibrate_site(patients, name=name)
    write_site(site, report, output)
    for line in report_lines(site, report):
        typer.echo(line)
    typer.echo(f"{'Written':<13}{output}")
