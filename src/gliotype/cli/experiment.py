"""``gliotype experiment``: train, tune, test and ablate as a protocol specifies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def experiment(
    protocol: Annotated[
        Path,
        typer.Argument(
            metavar="PROTOCOL",
            help="TOML file that defines cohorts, sets or folds, and methods; or the name of a shipped protocol.",
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Folder for the results; run again to resume."),
    ],
    label_maps: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="GLIOTYPE_LABEL_MAPS",
            help="Whole-head label maps (FreeSurfer label numbers) to use instead of the shipped template.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Number of patients prepared, or models trained, at the same time.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead."),
    ] = None,
) -> None:
    """Train methods on cohorts, test them on other patients, and compare them."""
    from gliotype.cli.show import extra, show_progress

    with extra("train"):
        from gliotype.experiment.protocol import read_protocol
        from gliotype.experiment.run import run_experiment
    if scheduler is not None:
        with extra("batch"):
            import distributed  # noqa: F401
    with show_progress() as progress:
        outcome = run_experiment(
            read_protocol(protocol, label_maps), output, jobs=jobs, scheduler=scheduler, progress=progress
        )
    typer.echo(outcome.markdown)
    typer.echo(f"Written      {output / 'report.html'}, {output / 'results.md'}, {output / 'evaluation'}")
