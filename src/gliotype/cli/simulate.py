"""``gliotype simulate``: a cohort of digital patients with the truth beside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    *,
    patients: Annotated[
        int, typer.Option("--patients", "-n", metavar="N", help="How many patients COHORT shall hold.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="COHORT", help="Folder for the cohort; an interrupted one goes on."
        ),
    ],
    site: Annotated[
        str,
        typer.Option(help="Case mix and ages: severance, snuh, tcia, ucsf; or healthy, distractors."),
    ] = "severance",
    seed: Annotated[int, typer.Option(help="Another seed, other patients.")] = 0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Each sequence oblique and thick-sliced in its own space.")
    ] = False,
    dsc: Annotated[
        bool, typer.Option("--dsc", help="Also a DSC perfusion series of each patient, and its true CBV.")
    ] = False,
    anatomies: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Whole-head label maps (FreeSurfer numbers) instead of the shipped template.",
        ),
    ] = None,
) -> None:
    """Simulate a cohort of glioma patients in BIDS layout."""
    from gliotype.cli.show import progress
    from gliotype.simulate.cohort.write import write_cohort

    with progress() as tell:
        cohort = write_cohort(
            patients, output, site=site, seed=seed, raw=raw, anatomies=anatomies, tell=tell, dsc=dsc
        )
    kept = len(cohort.patients) - cohort.made
    there = f", {kept} of them there already" if kept else ""
    typer.echo(f"{len(cohort.patients)} simulated patients{there}")
    typer.echo(f"Written      {cohort.folder}")
    typer.echo(f"Truth        {cohort.folder / 'participants.tsv'}")
