"""``gliotype simulate``: a cohort of digital patients with their ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliotype.cli.options import LabelMaps
from gliotype.seeds import MAX_SEED


def simulate(
    *,
    patients: Annotated[
        int,
        typer.Option("--patients", "-n", max=1_000_000, metavar="N", help="Number of patients."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="COHORT", help="Folder for the cohort; run again to resume."),
    ],
    site: Annotated[
        str,
        typer.Option(
            help="Case mix and ages: severance, snuh, tcia, tcga-lgg or ucsf; without glioma: healthy or distractors."
        ),
    ] = "severance",
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Random seed; another seed gives other patients.")
    ] = 0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write each sequence oblique and thick-sliced, in its own space.")
    ] = False,
    dsc: Annotated[
        bool, typer.Option("--dsc", help="Add a DSC perfusion series and the true CBV of each patient.")
    ] = False,
    adc: Annotated[bool, typer.Option("--adc", help="Add an ADC map of each patient.")] = False,
    mrs: Annotated[
        bool, typer.Option("--mrs", help="Add an MR spectrum of each tumour, in which 2HG can be measured.")
    ] = False,
    label_maps: LabelMaps = None,
) -> None:
    """Simulate a cohort of glioma patients in BIDS layout."""
    from gliotype.cli.show import show_progress
    from gliotype.simulate.cohort.write import write_cohort

    with show_progress() as progress:
        cohort = write_cohort(
            patients,
            output,
            site=site,
            seed=seed,
            raw=raw,
            anatomies=label_maps,
            progress=progress,
            dsc=dsc,
            adc=adc,
            mrs=mrs,
        )
    cached = len(cohort.patients) - cohort.made
    there = f", {cached} of them there already" if cached else ""
    typer.echo(f"{len(cohort.patients)} simulated patients{there}")
    typer.echo(f"Written      {cohort.folder}")
    typer.echo(f"Truth        {cohort.folder / 'participants.tsv'}")
