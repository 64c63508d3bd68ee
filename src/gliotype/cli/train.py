"""``gliotype train``: train a network on digital patients, and write its weight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

train = typer.Typer(
    name="train",
    short_help="Train a network.",
    help="Train a network (needs the extra: pip install 'gliotype[train]').",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@train.callback()
def networks() -> None:
    """Name the network to train as a sub-command."""


@train.command()
def model1(
    *,
    run: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUN", help="Folder of the run; an interrupted one goes on."),
    ],
    anatomies: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Whole-head label maps (FreeSurfer numbers) instead of the shipped template.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = 6200,
    rate: Annotated[float, typer.Option(min=1e-6, max=0.1, help="Peak learning rate.")] = 1.2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Simulating processes.")] = 1,
    start: Annotated[
        Path | None, typer.Option(metavar="WEIGHT", help="ONNX weight to begin from, as a run writes it.")
    ] = None,
) -> None:
    """Train Model 1, which finds the brain and the tumour, on simulated patients alone."""
    from gliotype.cli.show import extra, progress

    with extra("train"):
        from gliotype.train.model1.train import Recipe, export
        from gliotype.train.model1.train import train as train_model1
    recipe = Recipe(anatomies, steps=steps, learning_rate=rate, seed=seed, workers=workers, start=start)
    with progress() as tell:
        checkpoint = train_model1(recipe, run, tell)
        tell("export")
        weight = run / "model1.onnx"
        export(checkpoint, weight)
    typer.echo(f"Weight       {weight}")
    typer.echo(f"Record       {run / 'record.csv'}, {run / 'record.svg'}")


@train.command()
def model2(
    *,
    cohort: Annotated[
        Path, typer.Option(metavar="COHORT", help="Folder of patients whose IDH status its table tells.")
    ],
    run: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUN", help="Folder of the run; an interrupted one goes on."),
    ],
    layout: Annotated[
        str, typer.Option(help="How the cohort's files are named: bids, ucsf-pdgm, upenn-gbm, egd or brats.")
    ] = "bids",
    members: Annotated[int, typer.Option(min=2, help="Networks, whose spread is the interval.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the patients.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Patients prepared at the same time.")] = 1,
) -> None:
    """Train Model 2, which predicts IDH status, on a cohort of your own."""
    from gliotype.cli.show import extra, progress

    with extra("train"):
        from gliotype.train.data.on_disk import FolderPatients
        from gliotype.train.model2.model import Recipe
        from gliotype.train.model2.train import train_on_cohort
    patients = FolderPatients(cohort, layout)
    recipe = Recipe(members=members, epochs=epochs, seed=seed)
    with progress() as tell:
        files = train_on_cohort(patients, recipe, run, name=cohort.name, jobs=jobs, tell=tell)
    for file in files:
        typer.echo(f"Written      {file}")


@train.command()
def perfusion(
    *,
    run: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUN", help="Folder of the run; an interrupted one goes on."),
    ],
    patients: Annotated[
        int, typer.Option(min=60, help="Simulated patients to learn from; an eighth as many more for tuning.")
    ] = 395,
    members: Annotated[int, typer.Option(min=2, help="Networks, whose spread is the interval.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the patients, at most.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Patients simulated at the same time.")] = 1,
) -> None:
    """Train the network on DSC perfusion curves, on simulated patients alone."""
    from gliotype.cli.show import extra, progress

    with extra("train"):
        from gliotype.train.perfusion.network import Recipe
        from gliotype.train.perfusion.train import Design, train_perfusion
    design = Design.of(patients, seed)
    recipe = Recipe(members=members, epochs=epochs, seed=seed)
    with progress() as tell:
        outcome = train_perfusion(design, recipe, run, jobs=jobs, tell=tell)
    typer.echo(outcome.markdown)
    for file in outcome.files:
        typer.echo(f"Written      {file}")
