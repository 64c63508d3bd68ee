"""``gliotype train``: train a method and write its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliotype.cli.options import EnsembleSize, LabelMaps, Layout, RunFolder, Seed, Tables, TargetName
from gliotype.cli.renamed import accept_old_names

if TYPE_CHECKING:
    from gliotype.cohorts import Target
    from gliotype.train.common.method import Method
    from gliotype.train.data.examples import Patients

OwnCohort = Annotated[
    Path | None,
    typer.Option(
        metavar="COHORT", help="Folder of patients with known IDH status; simulated ones if not given."
    ),
]
SimulatedNumber = Annotated[
    int, typer.Option(min=40, help="Number of simulated patients, if no cohort is given.")
]
VoxelwiseSteps = Annotated[int, typer.Option(min=1, help="Number of optimiser steps.")]
Growth = Annotated[int, typer.Option(min=1, help="Channels added by each layer of a dense block.")]
Layers = Annotated[int, typer.Option(min=1, help="Number of layers in a dense block.")]
VoxelwiseRate = Annotated[
    float | None,
    typer.Option(min=1e-6, max=0.1, help="Peak learning rate; 0.0015, or 0.0005 with --init-weights."),
]
VoxelwiseStart = Annotated[
    str | None,
    typer.Option(metavar="WEIGHT", help="ONNX weights of an earlier run to start from, or the word shipped."),
]
PatientJobs = Annotated[int, typer.Option(min=1, help="Number of patients prepared at the same time.")]

train = typer.Typer(
    name="train",
    short_help="Train a method and write its weights.",
    help="Train a method and write its weights. Training a network needs an extra: pip install 'gliotype[train]'.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@train.callback()
def methods() -> None:
    """Take the method to train as a sub-command."""


@train.command(
    cls=accept_old_names(
        {"--anatomies": "--label-maps", "--rate": "--learning-rate", "--start": "--init-weights"}
    )
)
def model1(
    context: typer.Context,
    *,
    run: RunFolder,
    cohort: Annotated[
        Path | None,
        typer.Option(metavar="COHORT", help="Folder of patients with experts' masks on whom to fine-tune."),
    ] = None,
    layout: Layout = "bids",
    label_maps: LabelMaps = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps in total; 6200, or 1000 with a cohort.")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-6, max=0.1, help="Peak learning rate; 0.0012, or 0.0003 with a cohort."),
    ] = None,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that simulate patients.")] = 1,
    init_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHT",
            help="ONNX weights of an earlier run to start from, or the word shipped (the default with a cohort).",
        ),
    ] = None,
) -> None:
    """Train Model 1, which finds the brain and the tumour, on simulated patients, or fine-tune it on your own."""
    _refuse_layout_alone(context, cohort)
    from gliotype.cli.show import extra, show_progress

    with extra("train"):
        from gliotype.train.data.on_disk import FolderPatients
        from gliotype.train.model1.cohort import train_further
        from gliotype.train.model1.train import Recipe, train_and_export
    start = init_weights or (None if cohort is None else SHIPPED_WEIGHT)
    recipe = Recipe(
        label_maps,
        steps=steps or (6200 if cohort is None else 1000),
        learning_rate=learning_rate or (1.2e-3 if cohort is None else 3e-4),
        seed=seed,
        workers=workers,
        start=_weight(start, "model1.onnx"),
    )
    with show_progress() as progress:
        if cohort is None:
            files = train_and_export(recipe, run, progress)
        else:
            files = train_further(recipe, FolderPatients(cohort, layout), run, progress)
    for file in files:
        typer.echo(f"Written      {file}")


@train.command()
def subregions(
    *,
    run: RunFolder,
    label_maps: LabelMaps = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in total.")] = 1200,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=0.1, help="Peak learning rate.")] = 6e-4,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that simulate patients.")] = 1,
    init_weights: Annotated[
        str,
        typer.Option(
            metavar="WEIGHT",
            help="ONNX weights to start from: of an earlier run, or of Model 1 (the word shipped: its shipped ones).",
        ),
    ] = "shipped",
) -> None:
    """Train the network that draws the sub-regions within the tumour's outline, on simulated patients."""
    from gliotype.cli.show import extra, show_progress

    with extra("train"):
        from gliotype.train.model1.subregions import SUBREGIONS, USES
        from gliotype.train.model1.train import Recipe, train_and_export
    recipe = Recipe(
        label_maps,
        steps=steps,
        learning_rate=learning_rate,
        uses=USES,
        seed=seed,
        workers=workers,
        start=_weight(init_weights, "model1.onnx"),
    )
    with show_progress() as progress:
        files = train_and_export(recipe, run, progress, SUBREGIONS)
    for file in files:
        typer.echo(f"Written      {file}")


SHIPPED_WEIGHT = "shipped"
"""What the caller writes for the weight that is part of Gliotype."""


def _weight(start: str | None, shipped: str) -> Path | None:
    """Return the file of initial weights.

    Raises:
        InputError: if it is not there.
    """
    from gliotype.errors import InputError
    from gliotype.runtime import checked_weights

    if start is None:
        return None
    file = checked_weights(shipped)[0] if start == SHIPPED_WEIGHT else Path(start)
    if not file.is_file():
        raise InputError(f"{file} is not there: give the ONNX weight of an earlier run, or leave it out")
    return file


@train.command(cls=accept_old_names({"--members": "--ensemble-size"}))
def model2(
    *,
    cohort: Annotated[Path, typer.Option(metavar="COHORT", help="Folder of patients with known IDH status.")],
    run: RunFolder,
    layout: Layout = "bids",
    target: TargetName = "idh",
    ensemble_size: EnsembleSize = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the patients.")] = 40,
    seed: Seed = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Number of patients prepared at the same time.")] = 1,
) -> None:
    """Train Model 2, which predicts IDH status, on a cohort of your own."""
    from gliotype.cli.show import extra

    aim = _aim(target, cohort)

    with extra("train"):
        from gliotype.train.data.on_disk import FolderPatients
        from gliotype.train.model2.method import HybridMethod
        from gliotype.train.model2.model import Recipe
    method = HybridMethod(Recipe(members=ensemble_size, epochs=epochs, seed=seed))
    _train_and_list(method, FolderPatients(cohort, layout), run, _about(cohort), seed, jobs, aim)


def _add_voxelwise_command(name: str, summary: str) -> None:
    """Add the command that trains T2-net or TS-net on a cohort on disk, or else on simulated patients."""

    @train.command(name, help=summary)
    def voxelwise(
        context: typer.Context,
        *,
        run: RunFolder,
        cohort: OwnCohort = None,
        layout: Layout = "bids",
        target: TargetName = "idh",
        patients: SimulatedNumber = 820,
        label_maps: LabelMaps = None,
        steps: VoxelwiseSteps = 4000,
        growth: Growth = 12,
        layers: Layers = 3,
        learning_rate: VoxelwiseRate = None,
        init_weights: VoxelwiseStart = None,
        seed: Seed = 1,
        jobs: PatientJobs = 1,
    ) -> None:
        _refuse_unused(context, cohort)
        from gliotype.cli.show import extra

        aim = _aim(target, cohort)
        with extra("train"):
            from gliotype.predictors.voxelwise import MAX_MARGIN
            from gliotype.train.data.anatomies import heads_words
            from gliotype.train.data.on_disk import FolderPatients
            from gliotype.train.voxelwise.cases import GridPatients
            from gliotype.train.voxelwise.fit import Recipe
            from gliotype.train.voxelwise.method import T2NetMethod, TSNetMethod
        start = _weight(init_weights, f"{name}.onnx")
        rate = learning_rate or (1.5e-3 if start is None else 5e-4)
        recipe = Recipe(
            steps=steps,
            growth=growth,
            layers=layers,
            learning_rate=rate,
            start=start,
            seed=seed,
            margin=MAX_MARGIN,
        )
        method = {each.name: each for each in (T2NetMethod, TSNetMethod)}[name](recipe)
        if cohort is not None:
            _train_and_list(method, FolderPatients(cohort, layout), run, _about(cohort), seed, jobs, aim)
        else:
            about = {
                "cohort": f"simulated on the network's grid, seed {seed}",
                "heads": heads_words(label_maps),
                "licence": "none: simulated",
            }
            _train_and_list(
                method, GridPatients(patients, seed, label_maps, run), run, about, seed, jobs, aim
            )


_add_voxelwise_command("t2net", "Train T2-net, which predicts IDH status voxel by voxel from T2 alone.")
_add_voxelwise_command(
    "tsnet", "Train TS-net, which predicts IDH status voxel by voxel from T2, FLAIR and T1c, or some of them."
)


OF_SIMULATION = ("label_maps", "patients", "workers")
"""Options of the training commands that say how patients are simulated."""


def _refuse_unused(context: typer.Context, cohort: Path | None) -> None:
    """Refuse options that would have no effect, with a cohort or without one.

    Raises:
        UsageError: if ``--layout`` is given without a cohort, or an option about simulated patients with one.
    """
    _refuse_layout_alone(context, cohort)
    if cohort is not None:
        _refuse(context, OF_SIMULATION, "is about simulated patients: leave it out, or leave --cohort out")


def _refuse_layout_alone(context: typer.Context, cohort: Path | None) -> None:
    """Refuse ``--layout`` without a cohort; with one, Model 1 is trained on simulated patients too.

    Raises:
        UsageError: if it is given.
    """
    if cohort is None:
        _refuse(
            context, ("layout",), "says how the files of a cohort are named: give --cohort, or leave it out"
        )


def _refuse(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    from gliotype.errors import UsageError

    for name in names:
        given = context.get_parameter_source(name) if name in context.params else None
        if given is not None and given.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _aim(target: str, cohort: Path | None) -> Target:
    """Return the target that is asked for; simulated patients, where no cohort is given, are of the target IDH alone.

    Raises:
        UsageError: if there is no such target, or it needs a cohort.
    """
    from gliotype.cohorts import IDH, find_target
    from gliotype.errors import UsageError

    aim = find_target(target)
    if aim != IDH and cohort is None:
        raise UsageError(f"--target {target} needs the labels of a cohort: give --cohort")
    return aim


def _about(cohort: Path) -> dict[str, str]:
    return {"cohort": cohort.name, "licence": "that of the cohort"}


def _train_and_list(
    method: Method,
    patients: Patients,
    run: Path,
    about: Mapping[str, str],
    seed: int,
    jobs: int,
    target: Target,
) -> None:
    """Train a method on patients and list the files."""
    from gliotype.cli.show import show_progress
    from gliotype.train.on_patients import train_on_patients

    with show_progress() as progress:
        files = train_on_patients(
            method, patients, run, data=about, target=target, seed=seed, jobs=jobs, progress=progress
        )
    for file in files:
        typer.echo(f"Written      {file}")


@train.command(cls=accept_old_names({"--members": "--ensemble-size"}))
def perfusion(
    context: typer.Context,
    *,
    run: RunFolder,
    cohort: OwnCohort = None,
    layout: Layout = "bids",
    target: TargetName = "idh",
    patients: Annotated[
        int,
        typer.Option(
            min=60,
            help="Number of simulated training patients; an eighth as many more are simulated for tuning.",
        ),
    ] = 395,
    ensemble_size: EnsembleSize = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum number of passes over the patients.")] = 60,
    seed: Seed = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Number of patients simulated at the same time.")] = 1,
) -> None:
    """Train the perfusion network on DSC curves of a cohort or of simulated patients."""
    _refuse_unused(context, cohort)
    from gliotype.cli.show import extra, show_progress

    aim = _aim(target, cohort)
    with extra("train"):
        from gliotype.train.perfusion.design import Design
        from gliotype.train.perfusion.method import PerfusionMethod
        from gliotype.train.perfusion.network import Recipe
        from gliotype.train.perfusion.train import train_perfusion
    if cohort is not None:
        from gliotype.train.data.on_disk import FolderPatients

        method = PerfusionMethod(Recipe(members=ensemble_size, epochs=epochs, seed=seed))
        _train_and_list(method, FolderPatients(cohort, layout), run, _about(cohort), seed, jobs, aim)
        return
    design = Design.of(patients, seed)
    recipe = Recipe(members=ensemble_size, epochs=epochs, seed=seed)
    with show_progress() as progress:
        outcome = train_perfusion(design, recipe, run, jobs=jobs, progress=progress)
    typer.echo(outcome.markdown)
    for file in outcome.files:
        typer.echo(f"Written      {file}")


@train.command()
def radiomics(
    *,
    tables: Tables,
    run: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder for the results.")],
    seed: Seed = 0,
) -> None:
    """Fit the radiomics model and the age model to public tables."""
    from gliotype.cli.show import show_progress
    from gliotype.train.radiomics.errors import shipped_errors
    from gliotype.train.radiomics.fit import fit

    with show_progress() as progress:
        documents = fit(tables, run, seed=seed, errors=shipped_errors(), progress=progress)
    for name in documents:
        typer.echo(f"Written      {run / name}")


@train.command()
def answer(
    *,
    cohort: Annotated[
        list[Path],
        typer.Option(metavar="COHORT", help="Folder of patients with known IDH status; may be repeated."),
    ],
    tables: Tables,
    run: RunFolder,
    layout: Layout = "bids",
) -> None:
    """Fit the weights of the answer, radiomics and age to labelled patients and public tables."""
    from gliotype.cli.show import show_progress
    from gliotype.train.answer.train import train_answer

    with show_progress() as progress:
        files = train_answer(cohort, layout, tables, run, progress)
    for file in files:
        typer.echo(f"Written      {file}")


@train.command(cls=accept_old_names({"--most-symmetry": "--max-symmetry"}))
def candidates(
    *,
    run: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder for the results.")],
    label_maps: LabelMaps = None,
    healthy: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of simulated heads without a tumour.")
    ] = 200,
    tumours: Annotated[int, typer.Option(min=1, help="Number of simulated heads with a tumour.")] = 100,
    threshold: Annotated[
        float, typer.Option(help="Log-odds at or above which a candidate is accepted as tumour.")
    ] = -1.5,
    max_symmetry: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Largest mirror-symmetric fraction that an accepted candidate may have."
        ),
    ] = 0.8,
    jobs: Annotated[int, typer.Option(min=1, help="Number of heads simulated at the same time.")] = 1,
) -> None:
    """Fit the model that accepts or rejects the tumour candidates of Model 1, on simulated patients alone."""
    from gliotype.cli.show import show_progress
    from gliotype.train.model1.candidates import Recipe, train_candidates

    recipe = Recipe(label_maps, cache=run, healthy=healthy, tumours=tumours)
    with show_progress() as progress:
        file = train_candidates(
            recipe, run, threshold=threshold, max_symmetry=max_symmetry, jobs=jobs, progress=progress
        )
    typer.echo(f"Written      {file}")
